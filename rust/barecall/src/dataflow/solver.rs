//! Questions, and how answers get to those that wait for them.

use super::graph::{ENTRY, Graph, NONE, Node, OTHERWISE, PAD, Query, Source};
use super::transfer::CALLS;
use super::value::{Location, Value};
use crate::function::word;

/// So many locations have a table of their own of which query is about which block.
const MOST_LOCATIONS: usize = 16;

impl Graph<'_> {
    pub(super) fn query(&mut self, query: Query) -> u32 {
        let node = word(self.nodes.len());
        // Most are of this kind, about few places.
        let known = match query {
            Query::Entering(block, location) => self.queried_at(block as usize, location),
            _ => None,
        };
        let known = match known {
            Some(known) => known,
            None => self.known.entry(query).or_insert(NONE),
        };
        if *known != NONE {
            return *known;
        }
        *known = node;
        self.nodes.push(Node {
            query,
            value: None,
            next: 0,
            waiting: NONE,
        });
        self.work.push(node);
        node
    }

    /// Where the query about what a location holds at a block's beginning is noted; none if there are too many.
    fn queried_at(&mut self, block: usize, location: Location) -> Option<&mut u32> {
        let blocks = self.blocks.len();
        let n = match self.locations.iter().position(|&known| known == location) {
            Some(n) => n,
            None if self.locations.len() < MOST_LOCATIONS => {
                self.locations.push(location);
                self.asked.resize(self.locations.len() * blocks, NONE);
                self.locations.len() - 1
            }
            None => return None,
        };
        self.asked.get_mut(n * blocks + block)
    }

    /// Follows all queries until no answer changes.
    pub(super) fn propagate(&mut self) {
        while let Some(node) = self.work.pop() {
            match self.nodes[node as usize].query {
                Query::Entering(block, location) => {
                    self.entering(node, block as usize, location);
                }
                Query::Thrown(location) => self.thrown(node, location),
                Query::Put(step) => {
                    let value = self.put(step as usize, node);
                    self.update(node, value);
                }
                Query::Target(step) => {
                    let value = self.called(step as usize, node);
                    self.update(node, value);
                }
            }
        }
    }

    /// Whether the rest of what a query joins can be left out: some path brings what is no constant.
    fn is_settled(&self, node: u32) -> bool {
        match self.nodes[node as usize].value {
            Some(Value::Unknown) => true,
            // A jump may go to the cases of a table as well.
            Some(Value::Dynamic) => self.calls_only,
            _ => false,
        }
    }

    /// Joins a source into a query's answer, and what it says later.
    fn join(&mut self, node: u32, source: Source) {
        let value = self.subscribe(source, node);
        self.update(node, value);
    }

    /// Joins one more part of a query's answer, `next` of them done then. Whether to go on: what that part itself
    /// waits for comes first, since it may settle the answer.
    fn go_on(&mut self, node: u32, next: usize, part: impl FnOnce(&mut Self)) -> bool {
        self.nodes[node as usize].next = word(next);
        self.work.push(node);
        let before = self.work.len();
        part(self);
        if self.work.len() > before {
            return false;
        }
        self.work.pop();
        true
    }

    /// Joins a value into an answer, and tells those who wait for it.
    fn update(&mut self, node: u32, value: Option<Value>) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.push((node, value));
        while let Some((node, value)) = pending.pop() {
            let Some(value) = value else { continue };
            let known = &mut self.nodes[node as usize];
            let joined = known.value.map_or(value, |known| known.join(value));
            if known.value == Some(joined) {
                continue;
            }
            known.value = Some(joined);
            let mut next = known.waiting;
            while next != NONE {
                let (waiter, after) = self.waiting[next as usize];
                match self.nodes[waiter as usize].query {
                    Query::Entering(..) | Query::Thrown(_) => {
                        pending.push((waiter, Some(joined)));
                    }
                    Query::Put(_) | Query::Target(_) => self.work.push(waiter),
                }
                next = after;
            }
        }
        self.pending = pending;
    }

    /// What a source says now; `waiter` hears of changes.
    pub(super) fn subscribe(&mut self, source: Source, waiter: u32) -> Option<Value> {
        match source {
            Source::Value(value) => Some(value),
            Source::Node(node) => {
                let next = self.nodes[node as usize].waiting;
                self.nodes[node as usize].waiting = word(self.waiting.len());
                self.waiting.push((waiter, next));
                self.nodes[node as usize].value
            }
        }
    }

    fn entering(&mut self, node: u32, block: usize, location: Location) {
        let how = self.blocks[block].entered;
        let from = self.nodes[node as usize].next as usize;
        if from == 0 {
            if how & OTHERWISE != 0 {
                // Nothing is above that.
                self.update(node, Some(Value::Unknown));
            } else if how & ENTRY != 0 {
                self.update(node, Some(Value::Dynamic));
            }
            if how & PAD != 0
                && !self.is_settled(node)
                && !self.go_on(node, 1, |graph| {
                    let thrown = graph.query(Query::Thrown(location));
                    graph.join(node, Source::Node(thrown));
                })
            {
                return;
            }
        }
        let predecessors = self.predecessors(block);
        for n in from.saturating_sub(1)..predecessors.len() {
            if self.is_settled(node) {
                return;
            }
            let predecessor = self.predecessors[predecessors.start + n] as usize;
            if !self.go_on(node, n + 2, |graph| {
                let source = graph.before(predecessor, graph.end(predecessor), location);
                graph.join(node, source);
            }) {
                return;
            }
        }
    }

    /// Joins what every call leaves behind and, should a table be longer than it was taken for, every jump: the
    /// other cases may be what seems to be entered by nothing.
    fn thrown(&mut self, node: u32, location: Location) {
        for block in self.nodes[node as usize].next as usize..self.blocks.len() {
            if self.is_settled(node) {
                return;
            }
            self.budget = self.budget.saturating_sub(1);
            if !self.blocks[block].reached {
                continue;
            }
            if self.may_throw(block)
                && !self.go_on(node, block + 1, |graph| {
                    graph.thrown_by(node, block, location)
                })
            {
                return;
            }
        }
        if self.nodes[node as usize].next == 0 {
            self.update(node, Some(Value::Unknown));
        }
    }

    fn thrown_by(&mut self, node: u32, block: usize, location: Location) {
        let (begin, end) = (self.begin(block), self.end(block));
        if self.jumps_on(block) || !self.may_change(block, location) {
            let source = self.before(block, end, location);
            self.join(node, source);
        }
        if self.mask(block) & CALLS == 0 || !self.may_change(block, location) {
            return;
        }
        for index in begin..end {
            if self.body.flow(index).is_call() {
                let source = self.before(block, index + 1, location);
                self.join(node, source);
            }
        }
    }
}
