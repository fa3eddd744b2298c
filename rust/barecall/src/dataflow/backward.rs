//! Deciding an indirect call or jump by a few instructions before it, without asking the whole function.
//!
//! Nearly all indirect calls go through what the program computes, and nearly all indirect jumps are a switch's. One way
//! that leads there is enough to tell: if it brings what the program computes, no other way can make a constant of it.
//! The data flow has the same rule for what it lost (a jump that goes who knows where), so it makes no difference
//! whether this is tried before it, for speed, or after it; a test in [`crate::scan`] holds it to that.

use std::ops::ControlFlow;

use super::graph::Graph;
use super::tables::LOOKED_AT;
use crate::function::word;
use crate::ir::{CallTarget, Convention, Effect, Expr, Flow, Mem, Place, Reg, Width};
use crate::target::Architecture;

/// So many transfers are searched for jumps to go back by, in a whole function.
const MOST_SEARCHED: usize = 1 << 26;
/// So many instructions before the call are looked at,
const BEFORE: usize = 256;
/// and so many jumps are gone back.
const HOPS: usize = 8;

/// What is to be found out of the registers before an instruction.
#[derive(Clone, Copy)]
enum Seek {
    /// Whether what this one holds comes from the program: then the target is no constant.
    Value(Reg, Holds),
    /// Whether one of these (a bit for each) holds the address of a switch's table.
    Table(u64, Entries),
}

/// What is known of a table's entries.
#[derive(Clone, Copy)]
enum Entries {
    Unseen,
    /// The target is the address plus one of them.
    Distances,
}

/// Whether a register holds the target,
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Itself,
    /// the address from which it is loaded,
    Memory,
    /// or one of several parts of either.
    Part,
}

/// The next instruction back is looked at, or there is an answer: none if only the data flow has one.
type Search = ControlFlow<Option<CallTarget>, Seek>;

const OPEN: Search = ControlFlow::Break(None);
const POINTER: Search = ControlFlow::Break(Some(CallTarget::Pointer));
const INSIDE: Search = ControlFlow::Break(Some(CallTarget::IntraFunction));

impl Seek {
    const fn registers(self) -> u64 {
        match self {
            Self::Value(register, _) => 1 << register,
            Self::Table(bases, _) => bases,
        }
    }

    /// What is left when these registers get something that the program computes.
    const fn overwritten(self, registers: u64) -> Search {
        match self {
            Self::Value(register, _) if registers & (1 << register) != 0 => POINTER,
            Self::Value(..) => ControlFlow::Continue(self),
            Self::Table(bases, entries) => table(bases & !registers, entries),
        }
    }

    /// What is said where no way is known how control gets there.
    const fn without_a_way(self, jump: bool, convention: &Convention) -> Option<CallTarget> {
        match self {
            // What a call loads from an address in a register alone is the program's.
            Self::Value(register, Holds::Memory) if !jump && !convention.may_be_frame(register) => {
                Some(CallTarget::Pointer)
            }
            Self::Table(..) | Self::Value(..) => None,
        }
    }
}

/// Whether one of these holds a table's address, if there are any.
const fn table(bases: u64, entries: Entries) -> Search {
    match bases {
        0 => OPEN,
        _ => ControlFlow::Continue(Seek::Table(bases, entries)),
    }
}

impl Graph<'_> {
    /// Gives every search in the function that is read its share of the time.
    pub(crate) fn begin_searches(&mut self) {
        self.hops = MOST_SEARCHED / self.body.transfers.len().max(1);
    }

    /// Whether an indirect call or jump certainly goes through no constant of the image, seen from some instructions
    /// before it on one way there: if one brings what the program computes, no other matters. Only ever finds `pointer`,
    /// or that a jump is a switch's; a bare route needs the data flow.
    pub(crate) fn search_back(&mut self, index: usize) -> Option<CallTarget> {
        if self.image.architecture != Architecture::X86_64 {
            return None;
        }
        let (place, jump) = match self.body.flow(index) {
            Flow::CallVia(place) => (place, false),
            Flow::JumpVia(place) => (place, true),
            _ => return None,
        };
        let begun = match place {
            Place::Reg(register) => ControlFlow::Continue(Seek::Value(register, Holds::Itself)),
            Place::Mem(mem) => self.loaded(jump, mem),
            Place::Elsewhere => POINTER,
        };
        let mut seek = match begun {
            ControlFlow::Continue(seek) => seek,
            ControlFlow::Break(found) => return found,
        };
        let mut earlier = index;
        let mut hops = 0;
        for _ in 0..BEFORE {
            if earlier == 0 {
                // At its entry, a function knows nothing of what a register holds.
                let is_entry = self.body.at(0) == self.image.functions[self.whole].start;
                return match seek {
                    Seek::Value(register, _)
                        if is_entry && !self.convention.may_be_frame(register) =>
                    {
                        Some(CallTarget::Pointer)
                    }
                    Seek::Table(..) if is_entry => None,
                    _ => seek.without_a_way(jump, self.convention),
                };
            }
            earlier -= 1;
            let body = &mut self.body;
            // Another part of the function lies before.
            let apart = !body.beginnings.is_empty()
                && body.beginnings.binary_search(&word(earlier + 1)).is_ok();
            if !apart && !body.transfers_at(earlier) && body.writes(earlier) & seek.registers() == 0
            {
                continue;
            }
            let flow = body.flow(earlier);
            let ends = match flow {
                _ if apart => true,
                Flow::Jump(_) | Flow::JumpVia(_) | Flow::Stop => true,
                _ => self.never_returns(flow),
            };
            if ends {
                // Only by a jump control gets behind this one: one is enough.
                hops += 1;
                self.hops = self.hops.checked_sub(1)?;
                let behind = self.body.at(earlier + 1);
                match self.body.transfers.one_to(behind) {
                    Some(from) if hops <= HOPS => earlier = from,
                    _ => return seek.without_a_way(jump, self.convention),
                }
                continue;
            }
            let next = if flow.is_call() {
                seek.overwritten(self.convention.caller_saved.into())
            } else {
                let effect = self.body.effect(earlier);
                self.behind(jump, seek, effect)
            };
            match next {
                ControlFlow::Continue(next) => seek = next,
                ControlFlow::Break(found) => return found,
            }
        }
        seek.without_a_way(jump, self.convention)
    }

    /// What is to be found out before an instruction with this effect, so that `seek` is known behind it.
    fn behind(&self, jump: bool, seek: Seek, effect: Effect) -> Search {
        let same = ControlFlow::Continue(seek);
        match effect {
            Effect::Set(to, expr) if seek.registers() & (1 << to) != 0 => match seek {
                Seek::Value(_, through) => self.value(jump, through, expr),
                Seek::Table(bases, entries) => self.bases(bases & !(1 << to), entries, expr),
            },
            Effect::Clobber { writes, .. } => match seek {
                // Some other way to a switch's case, perhaps.
                Seek::Value(register, _) if jump && writes & (1 << register) != 0 => OPEN,
                _ => seek.overwritten(writes.into()),
            },
            Effect::Pop(to) if seek.registers() & (1 << to) != 0 => OPEN,
            Effect::Leave if matches!(seek, Seek::Value(register, _) if self.convention.may_be_frame(register)) => {
                OPEN
            }
            _ => same,
        }
    }

    /// Where a register's value comes from.
    fn value(&self, jump: bool, through: Holds, expr: Expr) -> Search {
        match expr {
            Expr::Copy(from) => ControlFlow::Continue(Seek::Value(from, through)),
            Expr::Load(mem) if through == Holds::Itself => self.loaded(jump, mem),
            Expr::Plus(register, mem) if jump && through == Holds::Itself => {
                let entry = Expr::Entry(mem, Width::I64);
                self.bases(1 << register, Entries::Unseen, entry)
            }
            // Of constants only those that are code are remembered in the frame.
            Expr::Load(_) => POINTER,
            Expr::Sum(a, b, _) | Expr::Offset(a, b, ..) if jump && through == Holds::Itself => {
                table(1 << a | 1 << b, Entries::Unseen)
            }
            Expr::Sum(_, b, _) | Expr::Offset(_, b, ..) if !jump => {
                ControlFlow::Continue(Seek::Value(b, Holds::Part))
            }
            Expr::Entry(..) | Expr::Plus(..) if !jump => POINTER,
            Expr::Const(_)
            | Expr::Add(..)
            | Expr::Either(_)
            | Expr::Sum(..)
            | Expr::Offset(..)
            | Expr::Entry(..)
            | Expr::Plus(..) => OPEN,
        }
    }

    /// Where the target comes from if it is loaded from memory.
    fn loaded(&self, jump: bool, mem: Mem) -> Search {
        match (mem.base, mem.index) {
            (None, None) => OPEN,
            (Some(base), None) if self.convention.may_be_frame(base) => OPEN,
            (Some(base), None) => ControlFlow::Continue(Seek::Value(base, Holds::Memory)),
            // A switch's table may have constants for its bounds; other jumps are calls.
            (None, _) if jump => self.table_or(mem.disp.cast_unsigned(), 0, Entries::Unseen),
            (Some(base), Some((index, _))) if jump => {
                table(1 << base | 1 << index, Entries::Unseen)
            }
            (_, Some((index, 0))) => ControlFlow::Continue(Seek::Value(index, Holds::Part)),
            // Something of an array.
            (_, Some(_)) => POINTER,
        }
    }

    /// Which registers may hold a table's address, besides these.
    fn bases(&self, others: u64, entries: Entries, expr: Expr) -> Search {
        match expr {
            Expr::Const(at) => self.table_or(at, others, entries),
            Expr::Entry(mem, _) => match mem.base {
                None => self.table_or(mem.disp.cast_unsigned(), others, entries),
                Some(base) if mem.index.is_some() && others == 1 << base => {
                    table(others, Entries::Distances)
                }
                Some(base) => table(others | 1 << base, entries),
            },
            Expr::Copy(from) | Expr::Add(from, _) => table(others | 1 << from, entries),
            Expr::Sum(a, b, _) | Expr::Offset(a, b, ..) => table(others | 1 << a | 1 << b, entries),
            Expr::Plus(register, mem) => {
                let entry = Expr::Entry(mem, Width::I64);
                self.bases(others | 1 << register, entries, entry)
            }
            Expr::Load(_) | Expr::Either(_) => table(others, entries),
        }
    }

    /// What a constant address says: whether a switch's table lies there. If not, these registers may hold one.
    fn table_or(&self, at: u64, others: u64, entries: Entries) -> Search {
        let (near, _) = self.image.constants(at, 4 * LOOKED_AT).as_chunks();
        let distances = near
            .iter()
            .map(|&entry| at.wrapping_add_signed(i32::from_le_bytes(entry).into()));
        let mut distances = distances.filter_map(|to| self.is_case(to));
        let mut addresses = (0..LOOKED_AT)
            .filter_map(|n| self.image.pointer(at.wrapping_add(8 * n)))
            .filter_map(|to| self.is_case(to));
        match entries {
            // If the entries lead elsewhere, it may be an array of functions; what may be written is no switch's.
            Entries::Distances if distances.next() == Some(true) => INSIDE,
            Entries::Distances => OPEN,
            // A distance from the function's own code leads to its cases, or to the global offset table.
            Entries::Unseen if self.is_within(at) => table(others, entries),
            Entries::Unseen => match (distances.next(), addresses.next()) {
                (Some(true), _) | (_, Some(true)) => INSIDE,
                _ => table(others, entries),
            },
        }
    }

    /// Whether what an entry leads to is a case of a switch. If not, it is a function; none where that does not show: at
    /// the function's own beginning, or where a part may begin that is not known to be its.
    fn is_case(&self, to: u64) -> Option<bool> {
        if to == self.image.functions[self.whole].start {
            None
        } else if self.is_within(to) {
            Some(true)
        } else {
            (self.image.begins_function(to) == Some(true)).then_some(false)
        }
    }

    /// Whether an address lies in the function, its parts included.
    pub(crate) fn is_within(&self, address: u64) -> bool {
        self.image.whole_at(address) == Some(self.whole)
    }
}
