//! Deciding an indirect call or jump by a few instructions before it: nearly all are through what the program computes,
//! or a switch's jump, and need no data flow.

use std::ops::ControlFlow;

use super::Scanner;
use crate::function::word;
use crate::image::{Architecture, Image};
use crate::ir::{CallTarget, Convention, Effect, Expr, Flow, Mem, Place, Reg, Width};

/// So many instructions before the call are looked at,
const BEFORE: usize = 256;
/// and so many jumps are gone back.
const HOPS: usize = 8;

/// So many of a table's entries are looked at until one tells what it is.
const LOOKED_AT: u64 = 4;

/// What is to be found out of the registers before an instruction.
#[derive(Clone, Copy)]
enum Seek {
    /// Whether what this one holds comes from the program: then the target is no constant.
    Value(Reg, Through),
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
enum Through {
    Itself,
    /// the address from which it is loaded,
    Memory,
    /// or one of several parts of either.
    Part,
}

/// The next instruction back is looked at, or there is an answer: none if only the data flow has one.
type Next = ControlFlow<Option<CallTarget>, Seek>;

const OPEN: Next = ControlFlow::Break(None);
const POINTER: Next = ControlFlow::Break(Some(CallTarget::Pointer));
const INSIDE: Next = ControlFlow::Break(Some(CallTarget::IntraFunction));

impl Seek {
    const fn registers(self) -> u64 {
        match self {
            Self::Value(register, _) => 1 << register,
            Self::Table(bases, _) => bases,
        }
    }

    /// What is left when these registers get something that the program computes.
    const fn overwritten(self, registers: u64) -> Next {
        match self {
            Self::Value(register, _) if registers & (1 << register) != 0 => POINTER,
            Self::Value(..) => ControlFlow::Continue(self),
            Self::Table(bases, entries) => table(bases & !registers, entries),
        }
    }

    /// What is said where no way is known how control gets there.
    const fn without_a_way(self, jump: bool, convention: &Convention) -> Option<CallTarget> {
        match self {
            // The address was taken before a loop, say. Nobody but a switch adds an array's element to that.
            Self::Table(_, Entries::Distances) => Some(CallTarget::IntraFunction),
            // What a call loads from an address in a register alone is the program's.
            Self::Value(register, Through::Memory)
                if !jump && !convention.may_be_frame(register) =>
            {
                Some(CallTarget::Pointer)
            }
            Self::Table(_, Entries::Unseen) | Self::Value(..) => None,
        }
    }
}

/// Whether one of these holds a table's address, if there are any.
const fn table(bases: u64, entries: Entries) -> Next {
    match bases {
        0 => OPEN,
        _ => ControlFlow::Continue(Seek::Table(bases, entries)),
    }
}

impl Scanner<'_> {
    /// Whether an indirect call or jump certainly goes through no constant of the image, seen from some instructions
    /// before it on one way there: if one brings what the program computes, no other matters. Only ever finds `pointer`,
    /// or that a jump is a switch's; a bare route needs the data flow.
    pub(super) fn locally(
        &mut self,
        whole: usize,
        index: usize,
        place: Place,
        jump: bool,
    ) -> Option<CallTarget> {
        if self.image.architecture != Architecture::X86_64 {
            return None;
        }
        let call = Indirect { whole, jump };
        let begun = match place {
            Place::Reg(register) => ControlFlow::Continue(Seek::Value(register, Through::Itself)),
            Place::Mem(mem) => self.loaded(call, mem),
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
                let is_entry = self.graph.body.at(0) == self.image.functions[whole].start;
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
            let body = &mut self.graph.body;
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
                Flow::Call(_) | Flow::CallVia(_) => self.graph.never_returns(flow),
                Flow::Next | Flow::Branch(_) => false,
            };
            if ends {
                // Only by a jump control gets behind this one: one is enough.
                hops += 1;
                self.hops = self.hops.checked_sub(1)?;
                let behind = self.graph.body.at(earlier + 1);
                match self.graph.body.transfers.one_to(behind) {
                    Some(from) if hops <= HOPS => earlier = from,
                    _ => return seek.without_a_way(jump, self.convention),
                }
                continue;
            }
            let next = match flow {
                Flow::Call(_) | Flow::CallVia(_) => {
                    seek.overwritten(self.convention.caller_saved.into())
                }
                _ => {
                    let effect = self.graph.body.effect(earlier);
                    self.before(call, seek, effect)
                }
            };
            match next {
                ControlFlow::Continue(next) => seek = next,
                ControlFlow::Break(found) => return found,
            }
        }
        seek.without_a_way(jump, self.convention)
    }

    /// What is to be found out before an instruction that has this effect.
    fn before(&self, call: Indirect, seek: Seek, effect: Effect) -> Next {
        let same = ControlFlow::Continue(seek);
        match effect {
            Effect::Set(to, expr) if seek.registers() & (1 << to) != 0 => match seek {
                Seek::Value(_, through) => self.value(call, through, expr),
                Seek::Table(bases, entries) => self.bases(call, bases & !(1 << to), entries, expr),
            },
            Effect::Clobber { writes, .. } => match seek {
                // Some other way to a switch's case, perhaps.
                Seek::Value(register, _) if call.jump && writes & (1 << register) != 0 => OPEN,
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
    fn value(&self, call: Indirect, through: Through, expr: Expr) -> Next {
        match expr {
            Expr::Copy(from) => ControlFlow::Continue(Seek::Value(from, through)),
            Expr::Load(mem) if through == Through::Itself => self.loaded(call, mem),
            Expr::Plus(register, mem) if call.jump && through == Through::Itself => {
                let entry = Expr::Entry(mem, Width::I64);
                self.bases(call, 1 << register, Entries::Unseen, entry)
            }
            // Of constants only those that are code are remembered in the frame.
            Expr::Load(_) => POINTER,
            Expr::Sum(a, b, _) | Expr::Offset(a, b, ..)
                if call.jump && through == Through::Itself =>
            {
                table(1 << a | 1 << b, Entries::Unseen)
            }
            Expr::Sum(_, b, _) | Expr::Offset(_, b, ..) if !call.jump => {
                ControlFlow::Continue(Seek::Value(b, Through::Part))
            }
            Expr::Entry(..) | Expr::Plus(..) if !call.jump => POINTER,
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
    fn loaded(&self, call: Indirect, mem: Mem) -> Next {
        match mem {
            Mem {
                base: None,
                index: None,
                ..
            } => OPEN,
            Mem {
                base: Some(base),
                index: None,
                ..
            } if self.convention.may_be_frame(base) => OPEN,
            Mem {
                base: Some(base),
                index: None,
                ..
            } => ControlFlow::Continue(Seek::Value(base, Through::Memory)),
            // A switch's table may have constants for its bounds; other jumps are calls.
            Mem {
                base: None, disp, ..
            } if call.jump => self.table_or(call, disp.cast_unsigned(), 0, Entries::Unseen),
            Mem {
                base: Some(base),
                index: Some((index, _)),
                ..
            } if call.jump => table(1 << base | 1 << index, Entries::Unseen),
            Mem {
                index: Some((index, 0)),
                ..
            } => ControlFlow::Continue(Seek::Value(index, Through::Part)),
            // Something of an array.
            Mem { index: Some(_), .. } => POINTER,
        }
    }

    /// Which registers may hold a table's address, besides these.
    fn bases(&self, call: Indirect, others: u64, entries: Entries, expr: Expr) -> Next {
        match expr {
            Expr::Const(at) => self.table_or(call, at, others, entries),
            Expr::Entry(
                Mem {
                    base: None, disp, ..
                },
                _,
            ) => self.table_or(call, disp.cast_unsigned(), others, entries),
            Expr::Copy(from) | Expr::Add(from, _) => table(others | 1 << from, entries),
            Expr::Sum(a, b, _) | Expr::Offset(a, b, ..) => table(others | 1 << a | 1 << b, entries),
            Expr::Entry(
                Mem {
                    base: Some(base),
                    index: Some(_),
                    ..
                },
                _,
            ) if others == 1 << base => table(others, Entries::Distances),
            Expr::Entry(
                Mem {
                    base: Some(base), ..
                },
                _,
            ) => table(others | 1 << base, entries),
            Expr::Plus(register, mem) => {
                let entry = Expr::Entry(mem, Width::I64);
                self.bases(call, others | 1 << register, entries, entry)
            }
            Expr::Load(_) | Expr::Either(_) => table(others, entries),
        }
    }

    /// What a constant address says: whether a switch's table lies there. If not, these registers may hold one.
    fn table_or(&self, call: Indirect, at: u64, others: u64, entries: Entries) -> Next {
        let (near, _) = self.image.constants(at, 4 * LOOKED_AT).as_chunks();
        let distances = near
            .iter()
            .map(|&entry| at.wrapping_add_signed(i32::from_le_bytes(entry).into()));
        let mut distances = distances.filter_map(|to| self.is_case(call, to));
        let mut addresses = (0..LOOKED_AT)
            .filter_map(|n| self.image.pointer(at.wrapping_add(8 * n)))
            .filter_map(|to| self.is_case(call, to));
        match entries {
            Entries::Distances => match distances.next() {
                // An array of functions.
                Some(false) => OPEN,
                // Not one that may be written.
                None if near.is_empty() => OPEN,
                Some(true) | None => INSIDE,
            },
            // A distance from the function's own code leads to its cases, or to the global offset table.
            Entries::Unseen if call.holds(self.image, at) => table(others, entries),
            Entries::Unseen => match (distances.next(), addresses.next()) {
                (Some(true), _) | (_, Some(true)) => INSIDE,
                _ => table(others, entries),
            },
        }
    }

    /// Whether what an entry leads to is a case of a switch. If not, it is a function; none where that does not show: at
    /// the function's own beginning, or where a part may begin that is not known to be its.
    fn is_case(&self, call: Indirect, to: u64) -> Option<bool> {
        if to == self.image.functions[call.whole].start {
            None
        } else if call.holds(self.image, to) {
            Some(true)
        } else {
            (self.image.begins_function(to) == Some(true)).then_some(false)
        }
    }
}

/// The call or jump that is looked at.
#[derive(Clone, Copy)]
struct Indirect {
    /// The function it is in.
    whole: usize,
    jump: bool,
}

impl Indirect {
    /// Whether an address lies in the function.
    fn holds(self, image: &Image, address: u64) -> bool {
        image.piece_at(address).is_some_and(|piece| {
            piece == self.whole || image.functions[piece].part_of == Some(word(self.whole))
        })
    }
}
