//! What a register holds when a call goes through it: a data flow over one function's control-flow graph.
//!
//! The analysis is conditional on nothing but the instructions, and driven by demand: it asks what a place
//! holds before a call, and from there, backwards, what decides that. Each such query (a [`Node`]) joins
//! what all predecessors leave behind; answers go forwards along the queries until nothing changes, or until
//! one path is seen to bring what the program computes: then no other can make a constant of it. Jump
//! tables are read from the image, spill slots are followed through the stack, and blocks that only unwinding
//! can enter start from what every call in the function may leave behind. What it loses it calls
//! [`Value::Unknown`]; such a call is `unresolved`.
//!
//! Assumed, as every unwinder and debugger does: callees keep the callee-saved registers and the stack
//! pointer of the platform's calling convention, and write to a caller's frame only through an address
//! that the caller gave away. And jump tables do not overlap.

mod backward;
mod callees;
mod cfg;
mod evaluate;
mod frame;
mod graph;
mod lines;
mod solver;
mod tables;
mod transfer;
mod value;

use rustc_hash::FxHashMap;

use crate::function::word;
use crate::ir::{CallTarget, Flow, Place};
pub(crate) use callees::Callees;
use evaluate::Address;
pub(crate) use graph::Graph;
use graph::Query;
use value::{Base, Value};

/// Jumps may reveal blocks, and these jumps, so often.
const MOST_ROUNDS: usize = 16;

impl Graph<'_> {
    /// Turns to another function of the image, whose instructions are to be read.
    pub(crate) fn turn_to(&mut self, whole: usize) {
        self.whole = whole;
        self.body.clear();
    }

    /// Decides the open transfers of `body`, a function that is entered at the address `entry`: pairs of an index among
    /// its instructions and what that one reaches. `has_landing_pads`: whether unwinding may enter it.
    pub(crate) fn reached(
        &mut self,
        entry: u64,
        has_landing_pads: bool,
    ) -> Vec<(usize, CallTarget)> {
        if self.body.len() == 0 {
            return Vec::new();
        }
        self.has_landing_pads = has_landing_pads;
        self.begin_with(entry);
        self.solve();
        self.report()
    }

    /// Gives back the memory that a large function took: few are.
    pub(crate) fn shrink(&mut self) {
        const LARGE: usize = 1 << 14;
        if self.body.len() > LARGE {
            let callees = std::mem::replace(&mut self.callees, Callees::new(1));
            *self = Self::new(self.image, self.convention, callees);
        }
    }

    /// Finds out where every jump goes, until that changes nothing.
    fn solve(&mut self) {
        self.guess_jumps();
        // Without jumps, what is not reached at once is a landing pad;
        let mut pads = self.jumps.is_empty();
        // and where all jumps are known already, it can be told at once whether it is.
        let mut known = !pads && self.has_landing_pads && self.are_all_guessed();
        for _ in 0..MOST_ROUNDS {
            self.lay_out();
            if self.lost {
                break;
            }
            self.enter();
            if std::mem::take(&mut known) {
                pads = !self.unreached().is_empty() && !self.lengthen();
            }
            if pads && !self.enter_pads() {
                break;
            }
            self.find_predecessors();
            self.forget();
            match self.resolve_jumps() {
                None => break,
                Some(true) => {}
                Some(false) if pads || self.unreached().is_empty() => return,
                Some(false) if self.lengthen() => {}
                // Not unwinding enters these blocks, but a jump that was taken for another.
                Some(false) if !self.has_landing_pads => break,
                Some(false) => pads = true,
            }
        }
        self.lost = true;
        self.lay_out();
        for block in &mut self.blocks {
            block.reached = true;
        }
        self.forget();
    }

    /// Drops all answers.
    fn forget(&mut self) {
        self.nodes.clear();
        self.locations.clear();
        self.asked.clear();
        // Clearing takes time by how much it ever held.
        if self.known.capacity() > 1 << 10 {
            self.known = FxHashMap::default();
        }
        self.known.clear();
        self.waiting.clear();
        self.work.clear();
        self.frame = None;
        self.realigned = None;
    }

    /// Asks where the reached jumps go: whether that is news. None: one goes who knows where.
    fn resolve_jumps(&mut self) -> Option<bool> {
        let asked = self.query_jumps();
        // Told when all have answered, by the blocks as they are.
        let mut news = Vec::new();
        let (mut open, mut lost) = (false, self.budget == 0);
        for (n, node) in asked {
            let step = self.jumps[n].step as usize;
            let targets = match self.nodes[node as usize].value {
                // Nothing gets there in the graph so far.
                None => {
                    open = true;
                    continue;
                }
                Some(value) => match self.jump(step, value) {
                    Leads::Nowhere => {
                        lost = true;
                        break;
                    }
                    Leads::Out => Vec::new(),
                    Leads::Inside(targets) => targets,
                },
            };
            if self.jumps[n].targets != targets {
                news.push((n, targets));
            }
        }
        let any = !news.is_empty();
        for (jump, targets) in news {
            self.leads_to(jump, targets);
        }
        (!lost && (any || !open)).then_some(any)
    }

    /// Asks where all reached jumps go: pairs of a jump and its query.
    fn query_jumps(&mut self) -> Vec<(usize, u32)> {
        let mut asked = Vec::new();
        for n in 0..self.jumps.len() {
            let step = self.jumps[n].step;
            if self.blocks[self.block_of(step as usize)].reached {
                asked.push((n, self.query(Query::Target(step))));
            }
        }
        self.propagate();
        asked
    }

    /// Where the jumps go that need no more than their own block to tell: nearly all. What is found so is a beginning,
    /// and looked at again like all else.
    fn guess_jumps(&mut self) {
        if self.lost || self.jumps.is_empty() {
            return;
        }
        self.lay_out();
        for block in &mut self.blocks {
            block.reached = true;
        }
        self.forget();
        self.lost = true;
        let mut found = Vec::new();
        for (n, node) in self.query_jumps() {
            if let Some(Value::Target(table)) = self.nodes[node as usize].value
                && let Some(targets) = self.targets(table)
            {
                found.push((n, targets));
            }
        }
        self.lost = false;
        for (jump, targets) in found {
            self.leads_to(jump, targets);
        }
    }

    fn are_all_guessed(&self) -> bool {
        self.jumps.iter().all(|jump| !jump.targets.is_empty())
    }

    /// A jump goes to these steps.
    fn leads_to(&mut self, jump: usize, targets: Vec<u32>) {
        for &target in &targets {
            self.stale |= self.add_leader(target as usize);
        }
        self.jumps[jump].targets = targets;
    }

    /// Whether the stack is as it was at entry.
    fn is_bare_frame(&mut self, step: usize) -> bool {
        self.pointers_behind(step).sp == Some((Base::Entry, 0))
    }

    fn jump(&mut self, step: usize, value: Value) -> Leads {
        match value {
            Value::Target(table) => match self.targets(table) {
                Some(targets) => Leads::Inside(targets),
                // An array of functions.
                None if self.leads_out(self.tables[table]) && self.is_bare_frame(step) => {
                    Leads::Out
                }
                None => Leads::Nowhere,
            },
            Value::Const(to) => match self.index(to) {
                Some(step) => Leads::Inside(vec![word(step)]),
                None if self.within(to) => Leads::Nowhere,
                None => Leads::Out,
            },
            Value::Slot(at) => match self.label_at(at) {
                Some(step) => Leads::Inside(vec![word(step)]),
                None => Leads::Out,
            },
            // A tail call is made with the stack as it was at entry.
            Value::Dynamic if self.is_bare_frame(step) => Leads::Out,
            _ => Leads::Nowhere,
        }
    }

    /// Each open call and jump that is reached, with its target.
    fn report(&mut self) -> Vec<(usize, CallTarget)> {
        let is_reached = |step: u32| self.blocks[self.block_of(step as usize)].reached;
        let open = self.body.transfers.iter().filter(|transfer| transfer.open);
        let steps: Vec<u32> = open
            .map(|transfer| transfer.index)
            .filter(|&step| is_reached(step))
            .collect();
        let mut asked = Vec::new();
        for step in steps {
            asked.push((step as usize, self.query(Query::Target(step))));
        }
        self.calls_only = true;
        self.propagate();
        self.calls_only = false;
        let mut reached = Vec::new();
        for (step, node) in asked {
            // Without a budget, some query was not followed to its end.
            let value = self.nodes[node as usize].value;
            let value = value.filter(|_| self.budget > 0).unwrap_or(Value::Unknown);
            let target = match self.body.flow(step) {
                Flow::JumpVia(place) => match self.jump(step, value) {
                    Leads::Inside(_) => CallTarget::IntraFunction,
                    Leads::Out => self.target(step, place, value, node),
                    Leads::Nowhere if self.framed(step) => CallTarget::IntraFunction,
                    Leads::Nowhere => CallTarget::Undecided,
                },
                Flow::CallVia(place) => self.target(step, place, value, node),
                _ => continue,
            };
            let target = match target {
                CallTarget::Undecided => self.search_back(step).unwrap_or(target),
                decided => decided,
            };
            reached.push((step, target));
        }
        self.doubt(&mut reached);
        reached
    }

    /// Where a function that returns twice is called by an address that was put together, which no step alone shows,
    /// nothing that was held before a call is sure.
    fn doubt(&self, reached: &mut [(usize, CallTarget)]) {
        let image = self.image;
        if !image.has_what_returns_twice() || self.twice_held == Some(true) {
            return;
        }
        let twice = reached.iter().any(|&(_, target)| match target {
            CallTarget::RegisterAddress(to) => image.returns_twice(to),
            CallTarget::Slot(slot) | CallTarget::RegisterSlot(slot) => {
                image.holds_what_returns_twice(slot)
            }
            _ => false,
        });
        if twice {
            for (_, target) in reached {
                if matches!(
                    target,
                    CallTarget::RegisterAddress(_)
                        | CallTarget::Slot(_)
                        | CallTarget::RegisterSlot(_)
                ) {
                    *target = CallTarget::Undecided;
                }
            }
        }
    }

    /// Whether the stack is certainly not as it was at entry, so that a jump cannot be a tail call.
    fn framed(&mut self, step: usize) -> bool {
        match self.pointers_behind(step).sp {
            Some((Base::Entry, at)) => at != 0,
            Some((Base::Rounded, _)) => true,
            Some((Base::Block, _)) | None => false,
        }
    }

    fn target(&mut self, step: usize, place: Place, value: Value, node: u32) -> CallTarget {
        if let Place::Mem(mem) = place
            && let Some(Address::Const(at)) = self.address(step, mem, node)
        {
            return if !self.image.is_constant(at) {
                CallTarget::Pointer
            } else if (mem.base.is_some() || mem.index.is_some())
                && (self.lost || value == Value::Unknown)
            {
                CallTarget::Undecided
            } else {
                CallTarget::Slot(at)
            };
        }
        match value {
            // The jump that was lost may lead between the load and the call.
            Value::Const(_) | Value::Slot(_) if self.lost => CallTarget::Undecided,
            Value::Const(to) => CallTarget::RegisterAddress(to),
            Value::Slot(at) => CallTarget::RegisterSlot(at),
            Value::Dynamic | Value::Indexed | Value::Entry(_) | Value::Target(_) => {
                CallTarget::Pointer
            }
            Value::Unknown | Value::Frame => CallTarget::Undecided,
        }
    }
}

/// Where a jump leads.
enum Leads {
    /// A tail call.
    Out,
    Inside(Vec<u32>),
    /// It is lost.
    Nowhere,
}
