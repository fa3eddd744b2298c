//! The control-flow graph: blocks of steps, and which of them control gets to.

use super::graph::{Block, BlockEnd, ENTRY, Graph, IndirectJump, NONE, OTHERWISE, PAD};
use crate::function::word;
use crate::ir::{Effect, Flow};

/// Pieces of dead code that only lead to themselves, each taken by itself.
const MOST_ORPHANS: usize = 64;

impl Graph<'_> {
    /// Finds the blocks and the jumps, as far as the instructions alone tell them.
    pub(super) fn begin_with(&mut self, entry: u64) {
        let steps = self.body.len();
        self.lines.of(&self.body);
        refill(&mut self.leaders, steps / 64 + 1, 0);
        self.ends.clear();
        self.stale = true;
        self.jumps.clear();
        self.subroutines.clear();
        self.tables.clear();
        self.least.clear();
        self.twice_held = None;
        self.budget = (1 << 16) + 64 * steps;
        self.lost = false;
        self.entry = self.index(entry).unwrap_or(0);
        self.add_leader(0);
        self.add_leader(self.entry);
        for n in 0..self.body.beginnings.len() {
            self.add_leader(self.body.beginnings[n] as usize);
        }
        for n in 0..self.body.transfers.len() {
            let transfer = self.body.transfers.get(n);
            let (index, flow) = (transfer.index, self.body.transfers.flow(transfer));
            let mut end = BlockEnd {
                step: index,
                target: NONE,
                jump: NONE,
                falls: false,
            };
            match flow {
                Flow::Next => continue,
                Flow::Call(_) | Flow::CallVia(_) => {
                    // A subroutine within the function.
                    if let Flow::Call(to) = flow
                        && let Some(target) = self.index(to)
                        && target != self.entry
                    {
                        self.add_leader(target);
                        self.subroutines.push(word(target));
                    }
                    if !self.never_returns(flow) {
                        continue;
                    }
                }
                Flow::Jump(to) | Flow::Branch(to) => {
                    end.falls = matches!(flow, Flow::Branch(_));
                    if let Some(target) = self.index(to) {
                        self.add_leader(target);
                        end.target = word(target);
                    } else {
                        self.lost |= self.within(to);
                    }
                }
                Flow::JumpVia(_) => {
                    end.jump = word(self.jumps.len());
                    self.jumps.push(IndirectJump {
                        step: index,
                        targets: Vec::new(),
                    });
                }
                Flow::Stop => {}
            }
            self.add_leader(index as usize + 1);
            self.ends.push(end);
        }
    }

    /// A block begins at a step; whether that is news.
    pub(super) fn add_leader(&mut self, step: usize) -> bool {
        let (word, bit) = (&mut self.leaders[step / 64], 1 << (step % 64));
        let news = *word & bit == 0;
        *word |= bit;
        news
    }

    /// The first step at an address of this function.
    pub(super) fn index(&self, address: u64) -> Option<usize> {
        self.lines.index(&self.body, address)
    }

    /// Whether an address lies in the middle of an instruction: a jump there executes something else.
    pub(super) fn within(&self, address: u64) -> bool {
        self.lines.has(address) && self.index(address).is_none()
    }

    pub(super) fn begin(&self, block: usize) -> usize {
        self.blocks[block].begin as usize
    }

    pub(super) fn end(&self, block: usize) -> usize {
        self.blocks
            .get(block + 1)
            .map_or(self.body.len(), |next| next.begin as usize)
    }

    /// The block that a step is in.
    pub(super) fn block_of(&self, step: usize) -> usize {
        let upto = self.leaders[step / 64] << (63 - step % 64);
        self.ranks[step / 64] as usize + upto.count_ones() as usize - 1
    }

    /// Divides the steps into blocks.
    pub(super) fn lay_out(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.blocks.clear();
        self.ranks.clear();
        let steps = self.body.len();
        for (n, &leaders) in self.leaders.iter().enumerate() {
            self.ranks.push(word(self.blocks.len()));
            let mut left = leaders;
            while left != 0 {
                let begin = n * 64 + left.trailing_zeros() as usize;
                left &= left - 1;
                // Behind the last step none begins.
                if begin < steps {
                    self.blocks.push(Block {
                        begin: word(begin),
                        exit: NONE,
                        jump: NONE,
                        predecessors: 0,
                        mask: 0,
                        entered: 0,
                        reached: false,
                        falls: true,
                    });
                }
            }
        }
        let mut block = 0;
        for n in 0..self.ends.len() {
            let BlockEnd {
                step,
                target,
                jump,
                falls,
            } = self.ends[n];
            // Ends are in order, and each is the last step of its block.
            while self
                .blocks
                .get(block + 1)
                .is_some_and(|next| next.begin <= step)
            {
                block += 1;
            }
            let exit = if target == NONE {
                NONE
            } else {
                word(self.block_of(target as usize))
            };
            let ended = &mut self.blocks[block];
            ended.exit = exit;
            ended.jump = jump;
            ended.falls = falls;
        }
        // Nothing falls into another part of the function, or out of it.
        for n in 0..self.body.beginnings.len() {
            let block = self.block_of(self.body.beginnings[n] as usize);
            self.blocks[block - 1].falls = false;
        }
        if let Some(last) = self.blocks.last_mut() {
            last.falls = false;
        }
    }

    /// Hears of each block that control goes to from a block.
    pub(super) fn successors(&self, block: usize, mut successor: impl FnMut(usize)) {
        let Block {
            exit, jump, falls, ..
        } = self.blocks[block];
        if exit != NONE {
            successor(exit as usize);
        }
        if jump != NONE {
            for &step in &self.jumps[jump as usize].targets {
                successor(self.block_of(step as usize));
            }
        }
        if falls {
            successor(block + 1);
        }
    }

    /// Finds which blocks are reached, but by unwinding.
    pub(super) fn enter(&mut self) {
        self.edges.clear();
        for block in &mut self.blocks {
            block.entered = 0;
            block.reached = false;
            block.predecessors = 0;
        }
        let entry = self.block_of(self.entry);
        self.blocks[entry].entered = ENTRY;
        self.reach(entry);
        // Blocks that are entered with nothing known: subroutines within the function, and what lies behind
        // another function inside this one, which may fall into it.
        for n in 0..self.subroutines.len() {
            self.enter_otherwise(self.subroutines[n] as usize);
        }
        for n in 0..self.body.beginnings.len() {
            let leader = self.body.beginnings[n] as usize;
            if self.image.is_remainder(self.body.at(leader)) {
                self.enter_otherwise(leader);
            }
        }
    }

    /// And by unwinding: what is not reached so far. False: too much of it from nowhere.
    pub(super) fn enter_pads(&mut self) -> bool {
        let unreached = self.unreached();
        if unreached.is_empty() {
            return true;
        }
        let mut has_predecessor = vec![false; self.blocks.len()];
        for (n, block) in self.blocks.iter().enumerate() {
            if block.exit != NONE {
                has_predecessor[block.exit as usize] = true;
            }
            if block.falls {
                has_predecessor[n + 1] = true;
            }
        }
        for &block in &unreached {
            if !has_predecessor[block] {
                self.blocks[block].entered |= PAD;
                self.reach(block);
            }
        }
        // Dead code that only leads to itself.
        let mut orphans = 0;
        for orphan in unreached {
            if self.blocks[orphan].reached {
                continue;
            }
            orphans += 1;
            if orphans > MOST_ORPHANS {
                return false;
            }
            self.blocks[orphan].entered |= PAD;
            self.reach(orphan);
        }
        true
    }

    /// Finds from where the reached blocks are.
    pub(super) fn find_predecessors(&mut self) {
        // How many each block has, where they end, and then, filled from there, where they begin.
        for &(to, _) in &self.edges {
            self.blocks[to as usize].predecessors += 1;
        }
        let mut end = 0;
        for block in &mut self.blocks {
            end += block.predecessors;
            block.predecessors = end;
        }
        refill(&mut self.predecessors, self.edges.len(), 0);
        for &(to, from) in self.edges.iter().rev() {
            let at = &mut self.blocks[to as usize].predecessors;
            *at -= 1;
            self.predecessors[*at as usize] = from;
        }
    }

    /// Where a block's predecessors lie among all.
    pub(super) fn predecessors(&self, block: usize) -> std::ops::Range<usize> {
        let end = self
            .blocks
            .get(block + 1)
            .map_or(self.predecessors.len(), |next| next.predecessors as usize);
        self.blocks[block].predecessors as usize..end
    }

    /// Whether a block ends in an indirect jump.
    pub(super) fn jumps_on(&self, block: usize) -> bool {
        self.blocks[block].jump != NONE
    }

    /// The one block from which control gets to this one.
    pub(super) fn only_predecessor(&self, block: usize) -> Option<usize> {
        if self.blocks[block].entered != 0 {
            return None;
        }
        let among = self.predecessors(block);
        (among.len() == 1).then(|| self.predecessors[among.start] as usize)
    }

    fn enter_otherwise(&mut self, step: usize) {
        let block = self.block_of(step);
        self.blocks[block].entered |= OTHERWISE;
        self.reach(block);
    }

    fn reach(&mut self, from: usize) {
        let mut pending = std::mem::take(&mut self.pending_blocks);
        let mut edges = std::mem::take(&mut self.edges);
        pending.push(from);
        while let Some(block) = pending.pop() {
            if !std::mem::replace(&mut self.blocks[block].reached, true) {
                self.successors(block, |next| {
                    edges.push((word(next), word(block)));
                    if !self.blocks[next].reached {
                        pending.push(next);
                    }
                });
            }
        }
        self.edges = edges;
        self.pending_blocks = pending;
    }

    /// Blocks that nothing reaches so far. Nops that align the next block fall into it, but never run.
    pub(super) fn unreached(&mut self) -> Vec<usize> {
        let blocks = 0..self.blocks.len();
        blocks
            .filter(|&block| {
                !self.blocks[block].reached
                    && (self.begin(block)..self.end(block)).any(|step| {
                        self.body.transfers_at(step)
                            || self.body.writes(step) != 0
                            || self.body.effect(step) != Effect::None
                    })
            })
            .collect()
    }
}

/// Makes it `len` times `value`.
fn refill<T: Copy>(all: &mut Vec<T>, len: usize, value: T) {
    all.clear();
    all.resize(len, value);
}
