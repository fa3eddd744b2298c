//! The control-flow graph: blocks of steps, and which of them control gets to.

use super::{Graph, NONE, refill};
use crate::body::{Body, Turn, word};
use crate::step::{Effect, Flow};

/// Pieces of dead code that only lead to themselves, each taken by itself.
const MOST_ORPHANS: usize = 64;

/// A block is entered other than from another block: by a call of the function,
pub(super) const ENTRY: u8 = 1;
/// by unwinding,
pub(super) const PAD: u8 = 2;
/// or with nothing known.
pub(super) const OTHERWISE: u8 = 4;

impl Graph<'_> {
    /// Finds the blocks and the jumps, as far as the instructions alone tell them.
    pub(super) fn begin_with(&mut self, entry: u64) {
        let steps = self.body.len();
        nearby(&self.body, &mut self.nearby);
        refill(&mut self.leads, steps + 1, false);
        self.branches.clear();
        self.last_calls.clear();
        self.stale = true;
        self.jumps.clear();
        self.subroutines.clear();
        self.tables.clear();
        self.twice_held = None;
        self.budget = (1 << 16) + 64 * steps;
        self.lost = false;
        self.entry = self.index(entry).unwrap_or(0);
        self.leads[0] = true;
        self.leads[self.entry] = true;
        for &index in &self.body.beginnings {
            self.leads[index as usize] = true;
        }
        for n in 0..self.body.turns.len() {
            let Turn { index, flow, .. } = self.body.turns[n];
            let index = index as usize;
            match flow {
                Flow::Next => continue,
                Flow::CallVia(_) => {
                    if !self.never_returns(flow) {
                        continue;
                    }
                    self.last_calls.push(word(index));
                }
                Flow::Call(to) => {
                    // A subroutine within the function.
                    if let Some(target) = self.index(to)
                        && target != self.entry
                    {
                        self.leads[target] = true;
                        self.subroutines.push(word(target));
                    }
                    if !self.never_returns(flow) {
                        continue;
                    }
                    self.last_calls.push(word(index));
                }
                Flow::Jump(to) | Flow::Branch(to) => {
                    if let Some(target) = self.index(to) {
                        self.leads[target] = true;
                        self.branches.push((word(index), word(target)));
                    } else {
                        self.lost |= self.within(to);
                    }
                }
                Flow::JumpVia(_) => {
                    self.jumps.insert(index, Vec::new());
                }
                Flow::Stop => {}
            }
            self.leads[index + 1] = true;
        }
    }

    /// The first step at an address of this function.
    pub(super) fn index(&self, address: u64) -> Option<usize> {
        let body = &self.body;
        let first = body.at(0);
        if address < first || address > body.at(body.len() - 1) {
            return None;
        }
        let at = match self.nearby.get(((address - first) >> 4) as usize) {
            Some(&from) => (from as usize..body.len()).find(|&step| body.at(step) >= address)?,
            None => body.first_at(address),
        };
        (at < body.len() && body.at(at) == address).then_some(at)
    }

    /// Whether an address lies in the middle of an instruction: a jump there executes something else.
    fn within(&self, address: u64) -> bool {
        let Some(behind) = address.checked_add(1) else {
            return false;
        };
        let after = self.body.first_at(behind);
        after.checked_sub(1).is_some_and(|before| {
            let at = self.body.at(before);
            address > at && address - at < self.body.size(before).into()
        })
    }

    /// Whether the step lies directly behind the one before it, not in another part of the function.
    fn follows(&self, index: usize) -> bool {
        self.body.follows(index)
    }

    pub(super) fn begin(&self, block: usize) -> usize {
        self.leaders[block] as usize
    }

    pub(super) fn end(&self, block: usize) -> usize {
        self.leaders
            .get(block + 1)
            .map_or(self.body.len(), |&leader| leader as usize)
    }

    /// Divides the steps into blocks.
    pub(super) fn lay_out(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.leaders.clear();
        self.block_of.resize(self.body.len(), 0);
        for (index, &leads) in self.leads[..self.body.len()].iter().enumerate() {
            if leads {
                self.leaders.push(word(index));
            }
        }
        for block in 0..self.leaders.len() {
            let steps = self.begin(block)..self.end(block);
            self.block_of[steps].fill(word(block));
        }
        let blocks = self.leaders.len();
        refill(&mut self.exits, blocks, NONE);
        for &(step, target) in &self.branches {
            self.exits[self.block_of[step as usize] as usize] = self.block_of[target as usize];
        }
        refill(&mut self.masks, blocks, 0);
        self.falls.clear();
        for block in 0..blocks {
            let falls = self.falls_through(block);
            self.falls.push(falls);
        }
    }

    fn falls_through(&self, block: usize) -> bool {
        let end = self.end(block);
        let goes_on = match self.body.flow(end - 1) {
            Flow::Jump(_) | Flow::JumpVia(_) | Flow::Stop => false,
            Flow::Call(_) | Flow::CallVia(_) => {
                self.last_calls.binary_search(&word(end - 1)).is_err()
            }
            Flow::Next | Flow::Branch(_) => true,
        };
        goes_on && end < self.body.len() && self.follows(end)
    }

    pub(super) fn successors(&self, block: usize, out: &mut Vec<usize>) {
        out.clear();
        if self.falls[block] {
            out.push(block + 1);
        }
        if self.exits[block] != NONE {
            out.push(self.exits[block] as usize);
        }
        let last = self.end(block) - 1;
        if let Flow::JumpVia(_) = self.body.flow(last)
            && let Some(targets) = self.jumps.get(&last)
        {
            out.extend(
                targets
                    .iter()
                    .map(|&step| self.block_of[step as usize] as usize),
            );
        }
    }

    /// Finds which blocks are reached, and from where. False: too much of it from nowhere.
    pub(super) fn connect(&mut self, pads: bool) -> bool {
        let blocks = self.leaders.len();
        refill(&mut self.entered, blocks, 0);
        refill(&mut self.reached, blocks, false);
        let entry = self.block_of[self.entry] as usize;
        self.entered[entry] = ENTRY;
        let mut roots = vec![entry];
        // Blocks that are entered with nothing known: subroutines within the function, and what lies behind
        // another function inside this one, which may fall into it.
        for n in 0..self.subroutines.len() {
            let block = self.block_of[self.subroutines[n] as usize] as usize;
            self.entered[block] |= OTHERWISE;
            roots.push(block);
        }
        for block in 1..blocks {
            let leader = self.begin(block);
            if !self.body.is_more(leader)
                && !self.follows(leader)
                && self.image.is_remainder(self.body.at(leader))
            {
                self.entered[block] |= OTHERWISE;
                roots.push(block);
            }
        }
        self.reach(roots);
        if pads {
            let mut has_predecessor = vec![false; blocks];
            for block in 0..blocks {
                if self.exits[block] != NONE {
                    has_predecessor[self.exits[block] as usize] = true;
                }
                if self.falls[block] {
                    has_predecessor[block + 1] = true;
                }
            }
            let found: Vec<usize> = self
                .unreached()
                .into_iter()
                .filter(|&block| !has_predecessor[block])
                .collect();
            for &block in &found {
                self.entered[block] |= PAD;
            }
            self.reach(found);
            // Dead code that only leads to itself.
            let mut orphans = 0;
            for orphan in self.unreached() {
                if self.reached[orphan] {
                    continue;
                }
                orphans += 1;
                if orphans > MOST_ORPHANS {
                    return false;
                }
                self.entered[orphan] |= PAD;
                self.reach(vec![orphan]);
            }
        }
        let mut edges = Vec::new();
        let mut successors = Vec::new();
        for block in (0..blocks)
            .filter(|&block| self.reached[block])
            .collect::<Vec<_>>()
        {
            self.successors(block, &mut successors);
            edges.extend(successors.iter().map(|&to| (word(to), word(block))));
        }
        refill(&mut self.first_predecessor, blocks + 1, 0);
        for &(to, _) in &edges {
            self.first_predecessor[to as usize + 1] += 1;
        }
        for block in 0..blocks {
            self.first_predecessor[block + 1] += self.first_predecessor[block];
        }
        let mut next = self.first_predecessor.clone();
        refill(&mut self.predecessors, edges.len(), 0);
        for (to, from) in edges {
            let at = &mut next[to as usize];
            self.predecessors[*at as usize] = from;
            *at += 1;
        }
        self.forget();
        true
    }

    fn reach(&mut self, mut pending: Vec<usize>) {
        let mut successors = Vec::new();
        while let Some(block) = pending.pop() {
            if !std::mem::replace(&mut self.reached[block], true) {
                self.successors(block, &mut successors);
                pending.extend_from_slice(&successors);
            }
        }
    }

    /// Blocks that nothing reaches so far. Nops that align the next block fall into it, but never run.
    pub(super) fn unreached(&mut self) -> Vec<usize> {
        let blocks = 0..self.leaders.len();
        blocks
            .filter(|&block| {
                !self.reached[block]
                    && (self.begin(block)..self.end(block)).any(|step| {
                        self.body.flow(step) != Flow::Next || self.body.effect(step) != Effect::None
                    })
            })
            .collect()
    }
}

/// See [`Graph::nearby`].
fn nearby(body: &Body, nearby: &mut Vec<u32>) {
    nearby.clear();
    let (first, last) = (body.at(0), body.at(body.len() - 1));
    if (last - first) >> 4 > 4 * body.len() as u64 {
        return;
    }
    for index in 0..body.len() {
        let line = ((body.at(index) - first) >> 4) as usize;
        while nearby.len() <= line {
            nearby.push(word(index));
        }
    }
}
