//! Questions, and how answers get to those that wait for them.

use std::hash::Hasher;

use super::blocks::{ENTRY, OTHERWISE, PAD};
use super::changes::CALLS;
use super::value::{Location, Value};
use super::{Graph, NONE};
use crate::body::word;
use crate::step::Flow;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// What does this hold at the beginning of a block?
    Entering(u32, Location),
    /// What may any call leave there for a landing pad?
    Thrown(Location),
    /// What does this step put into its register or, for a store, into the frame?
    Put(u32),
    /// What does this step call or jump to?
    Target(u32),
}

pub(super) struct Node {
    pub question: Question,
    /// None: nothing has got there so far.
    pub value: Option<Value>,
    pub asked: bool,
    /// The first of the questions that wait for this one, in `Graph::waiting`.
    pub waiting: u32,
}

/// An answer, or the question that has it.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Value(Value),
    Node(u32),
}

/// Multiplies; keys are small and no attacker gains by collisions within one function.
#[derive(Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64(n.cast_unsigned());
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Graph<'_> {
    pub(super) fn ask(&mut self, question: Question) -> u32 {
        if let Some(&node) = self.known.get(&question) {
            return node;
        }
        let node = word(self.nodes.len());
        self.nodes.push(Node {
            question,
            value: None,
            asked: false,
            waiting: NONE,
        });
        self.known.insert(question, node);
        self.work.push(node);
        node
    }

    /// Follows all questions until no answer changes.
    pub(super) fn answer(&mut self) {
        while let Some(node) = self.work.pop() {
            let question = self.nodes[node as usize].question;
            let first = !std::mem::replace(&mut self.nodes[node as usize].asked, true);
            match question {
                Question::Entering(block, location) if first => {
                    self.entering(node, block as usize, location);
                }
                Question::Thrown(location) if first => self.thrown(node, location),
                Question::Entering(..) | Question::Thrown(_) => {}
                Question::Put(step) => {
                    let value = self.put(step as usize, node);
                    self.learn(node, value);
                }
                Question::Target(step) => {
                    let value = self.called(step as usize, node);
                    self.learn(node, value);
                }
            }
        }
    }

    /// Joins a value into an answer, and tells those who wait for it.
    fn learn(&mut self, node: u32, value: Option<Value>) {
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
                match self.nodes[waiter as usize].question {
                    Question::Entering(..) | Question::Thrown(_) => {
                        pending.push((waiter, Some(joined)));
                    }
                    Question::Put(_) | Question::Target(_) => self.work.push(waiter),
                }
                next = after;
            }
        }
        self.pending = pending;
    }

    /// What a source says now; `waiter` hears of changes.
    pub(super) fn heard(&mut self, source: Source, waiter: u32) -> Option<Value> {
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
        let how = self.entered[block];
        if how & OTHERWISE != 0 {
            // Nothing is above that.
            self.learn(node, Some(Value::Unknown));
            return;
        }
        if how & ENTRY != 0 {
            self.learn(node, Some(Value::Dynamic));
        }
        if how & PAD != 0 {
            let thrown = self.ask(Question::Thrown(location));
            let value = self.heard(Source::Node(thrown), node);
            self.learn(node, value);
        }
        let from = self.first_predecessor[block] as usize;
        let to = self.first_predecessor[block + 1] as usize;
        for n in from..to {
            let predecessor = self.predecessors[n] as usize;
            let source = self.before(predecessor, self.end(predecessor), location);
            let value = self.heard(source, node);
            self.learn(node, value);
        }
    }

    /// Joins what every call leaves behind and, should a table be longer than it was taken for, every jump: the
    /// other cases may be what seems to be entered by nothing.
    fn thrown(&mut self, node: u32, location: Location) {
        let mut any = false;
        for block in 0..self.leaders.len() {
            let mask = self.mask(block);
            self.budget = self.budget.saturating_sub(1);
            if !self.reached[block] {
                continue;
            }
            let end = self.end(block);
            let jumps = matches!(self.body.flow(end - 1), Flow::JumpVia(_));
            if jumps {
                any = true;
                let source = self.before(block, end, location);
                let value = self.heard(source, node);
                self.learn(node, value);
            }
            if mask & CALLS == 0 {
                continue;
            }
            any = true;
            if !self.may_change(block, location) {
                let source = self.at_start(block, location);
                let value = self.heard(source, node);
                self.learn(node, value);
                continue;
            }
            for index in self.begin(block)..end {
                if matches!(self.body.flow(index), Flow::Call(_) | Flow::CallVia(_)) {
                    let source = self.before(block, index + 1, location);
                    let value = self.heard(source, node);
                    self.learn(node, value);
                    if self.nodes[node as usize].value == Some(Value::Unknown) {
                        return;
                    }
                }
            }
        }
        if !any {
            self.learn(node, Some(Value::Unknown));
        }
    }
}
