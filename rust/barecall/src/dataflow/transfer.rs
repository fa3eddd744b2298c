//! What steps do to a location, followed backwards through a block.

use super::graph::{FrameAddress, Graph, Query, Source};
use super::value::{Location, Value};
use crate::function::word;
use crate::ir::{Effect, Expr, Flow, Mem, Place, STORES};

/// What a step does to a location.
enum Change {
    Kept,
    /// It now holds what another location held before.
    Moved(Location),
    To(Source),
}

/// In a block's mask of changed registers: it has been computed,
const KNOWN: u64 = 1 << 63;
/// beside [`STORES`], it has a call.
pub(super) const CALLS: u64 = 1 << 61;

/// So many blocks are gone back at once; what many ask is asked once.
const MOST_HOPS: usize = 8;

impl Graph<'_> {
    /// What a block may change.
    pub(super) fn mask(&mut self, block: usize) -> u64 {
        if self.blocks[block].mask != 0 {
            return self.blocks[block].mask;
        }
        let steps = self.begin(block)..self.end(block);
        let mut mask = KNOWN | self.body.all_writes(steps.clone());
        for n in self.body.transfers_in(steps) {
            let flow = self.body.transfers.flow(self.body.transfers.get(n));
            if flow.is_call() {
                mask |= STORES | CALLS;
                mask |= if self.is_odd(flow) {
                    u64::from(u32::MAX)
                } else {
                    self.convention.caller_saved.into()
                };
            }
        }
        self.blocks[block].mask = mask;
        mask
    }

    /// Whether what a block leaves behind may be what a landing pad finds.
    pub(super) fn may_throw(&mut self, block: usize) -> bool {
        self.mask(block) & CALLS != 0 || self.jumps_on(block)
    }

    pub(super) fn may_change(&mut self, block: usize, location: Location) -> bool {
        self.mask(block) & bit(location) != 0
    }

    pub(super) fn at_start(&mut self, block: usize, location: Location) -> Source {
        if self.lost {
            return Source::Value(Value::Unknown);
        }
        Source::Node(self.query(Query::Entering(word(block), location)))
    }

    /// What a location holds before a step of a block (or at its end).
    pub(super) fn before(
        &mut self,
        mut block: usize,
        step: usize,
        mut location: Location,
    ) -> Source {
        let mut begin = self.begin(block);
        let mut index = step;
        let mut hops = 0;
        self.budget = self.budget.saturating_sub(1);
        loop {
            if location == Location::Reg(self.convention.sp) {
                return Source::Value(Value::Frame);
            }
            if index == begin || !self.may_change(block, location) {
                // What only one other leads to needs no query of its own.
                if hops < MOST_HOPS
                    && !self.lost
                    && let Some(before) = self.only_predecessor(block)
                {
                    hops += 1;
                    block = before;
                    begin = self.begin(block);
                    index = self.end(block);
                    continue;
                }
                return self.at_start(block, location);
            }
            while index > begin {
                index -= 1;
                if self.budget == 0 {
                    return Source::Value(Value::Unknown);
                }
                self.budget -= 1;
                if !self.body.transfers_at(index) && self.body.writes(index) & bit(location) == 0 {
                    continue;
                }
                if let Some(value) = self.left_by_call(index, location) {
                    return Source::Value(value);
                }
                match self.transfer(index, location) {
                    Change::Kept => {}
                    Change::To(source) => return source,
                    Change::Moved(from) => {
                        location = from;
                        break;
                    }
                }
            }
        }
    }

    /// What a call leaves in a location, if it may change it.
    fn left_by_call(&mut self, index: usize, location: Location) -> Option<Value> {
        let flow = self.body.flow(index);
        if !flow.is_call() {
            return None;
        }
        if self.is_odd(flow) {
            return Some(Value::Unknown);
        }
        match location {
            Location::Reg(register) => {
                let is_kept = self.convention.caller_saved & (1 << register) == 0;
                (!is_kept).then_some(Value::Dynamic)
            }
            Location::Frame(..) if self.frame().escaped => Some(Value::Dynamic),
            // Below the stack pointer the callee's frame is.
            Location::Frame(base, at) => match self.pointers_before(index).sp {
                Some((of, sp)) if of == base && at >= sp => None,
                _ => Some(Value::Dynamic),
            },
        }
    }

    /// What a step's effect does to a location.
    fn transfer(&mut self, index: usize, location: Location) -> Change {
        let effect = self.body.effect(index);
        let from_frame = |pointer: FrameAddress| match pointer {
            Some((base, at)) => Change::Moved(Location::Frame(base, at)),
            None => Change::To(Source::Value(Value::Unknown)),
        };
        match location {
            Location::Reg(register) => match effect {
                Effect::Set(to, expr) if to == register => match expr {
                    Expr::Const(value) => Change::To(Source::Value(Value::Const(value))),
                    Expr::Copy(from) => Change::Moved(Location::Reg(from)),
                    _ => Change::To(Source::Node(self.query(Query::Put(word(index))))),
                },
                Effect::Pop(to) if to == register => from_frame(self.pointers_before(index).sp),
                Effect::Leave if register == self.convention.fp => {
                    from_frame(self.pointers_before(index).fp)
                }
                Effect::Clobber { writes, .. } if writes & (1 << register) != 0 => {
                    Change::To(Source::Value(Value::Dynamic))
                }
                _ => Change::Kept,
            },
            Location::Frame(base, at) => {
                let (mem, width, from) = match effect {
                    Effect::Store { mem, width, from } => (mem, width, from),
                    Effect::Push(from) => (Mem::based(self.convention.sp, -8), 8, from),
                    Effect::Clobber {
                        store: Some((mem, width)),
                        ..
                    } => (mem, width, None),
                    _ => return Change::Kept,
                };
                let dynamic = Change::To(Source::Value(Value::Dynamic));
                if mem.base.is_none() && mem.index.is_none() {
                    return Change::Kept;
                }
                let pointers = self.pointers_before(index);
                match mem
                    .base
                    .and_then(|base| pointers.held(self.convention, base))
                {
                    // An address in the frame would have got out of the two pointers.
                    None if self.frame().escaped => dynamic,
                    None => Change::Kept,
                    Some(_) if mem.index.is_some() => dynamic,
                    // Where the bases lie to one another is not known.
                    Some((other, _)) if other != base => dynamic,
                    Some((_, distance)) => {
                        let to = distance.wrapping_add(mem.disp);
                        let end = to.saturating_add(width.into());
                        if to >= at.saturating_add(8) || end <= at {
                            Change::Kept
                        } else if to == at && width == 8 && from.is_some() {
                            Change::To(Source::Node(self.query(Query::Put(word(index)))))
                        } else {
                            dynamic
                        }
                    }
                }
            }
        }
    }

    /// Whether a step is a call that never comes back, as far as the callee's name tells.
    pub(crate) fn never_returns(&mut self, flow: Flow) -> bool {
        match flow {
            Flow::Call(to) => self.callees.never_returns(self.image, to),
            Flow::CallVia(place) => place.slot().is_some_and(|slot| {
                self.callees.is_constant(self.image, slot)
                    && self.callees.holds_what_never_returns(self.image, slot)
            }),
            _ => false,
        }
    }

    /// Whether a call is to code that keeps to no convention, or comes back again later with the frame as it
    /// is then.
    pub(super) fn is_odd(&mut self, flow: Flow) -> bool {
        let image = self.image;
        if self.subroutines.is_empty() && !image.has_what_returns_twice() {
            return false;
        }
        match flow {
            // A subroutine within the function; a recursive call keeps to the convention.
            Flow::Call(to) => {
                self.index(to).is_some_and(|step| step != self.entry)
                    || self.callees.returns_twice(image, to)
            }
            Flow::CallVia(Place::Elsewhere) => false,
            Flow::CallVia(place) => match place.slot() {
                Some(slot) => self.callees.holds_what_returns_twice(image, slot),
                // Only what the function itself loads is known to be such.
                None => {
                    if self.twice_held.is_none() {
                        self.twice_held = Some(self.holds_what_returns_twice());
                    }
                    self.twice_held == Some(true)
                }
            },
            _ => false,
        }
    }

    fn holds_what_returns_twice(&mut self) -> bool {
        let image = self.image;
        image.has_what_returns_twice()
            && (0..self.body.len()).any(|step| match self.body.effect(step) {
                Effect::Set(_, Expr::Load(mem)) => mem
                    .address()
                    .is_some_and(|slot| image.holds_what_returns_twice(slot)),
                Effect::Set(_, Expr::Const(to)) => image.is_code(to) && image.returns_twice(to),
                _ => false,
            })
    }
}

/// What an instruction has to write to change a location.
const fn bit(location: Location) -> u64 {
    match location {
        Location::Reg(register) => 1 << register,
        Location::Frame(..) => STORES,
    }
}
