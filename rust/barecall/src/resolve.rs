//! Where a call ends up: through slots, stubs and thunks to the symbol that finally gets control.

use std::sync::atomic::Ordering;

use crate::cgo;
use crate::image::{Bound, Image, Name};
use crate::ir::CallTarget;
use crate::isa;
use crate::names;
use crate::route::Route;

/// Where a call ends up, and through what.
#[derive(Clone)]
pub(crate) struct Destination {
    pub end: End,
    /// The stubs and thunks in between, by name.
    pub via: Vec<String>,
    /// How many instructions execute up to the end's first; none if that cannot be known.
    pub instructions: Option<u32>,
    pub route: Route,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Symbol(Name),
    Address(u64),
    /// The C function that Go's own side of a call, a symbol of that name, is for.
    Cgo(Name),
    Unknown,
}

/// A chain of stubs and thunks longer than this is taken for a cycle.
const LONGEST_CHAIN: usize = 16;

/// What is known of a fragment, in [`Image::thunks`].
const NOT_ASKED: u8 = 0;
const NO_THUNK: u8 = 1;
const THUNK: u8 = 2;
const CGO: u8 = 3;

impl Image {
    /// The function that contains an address, as an index into `functions`.
    pub(crate) fn whole_at(&self, address: u64) -> Option<usize> {
        let piece = self.fragment_at(address)?;
        let whole = self.functions[piece].part_of;
        Some(whole.map_or(piece, |whole| whole as usize))
    }

    /// What an address is called: a function, or a distance into one.
    pub(crate) fn label(&self, address: u64) -> String {
        if let Some(name) = self.name_at(address) {
            return names::demangle(self.text(name));
        }
        let whole = self.whole_at(address).map(|whole| self.functions[whole]);
        match whole.and_then(|whole| Some((whole.name?, whole.start))) {
            Some((name, start)) => {
                let name = names::demangle(self.text(name));
                format!("{name}+{:#x}", address.wrapping_sub(start))
            }
            None => format!("{address:#x}"),
        }
    }

    /// How a call gets to its target.
    pub(crate) fn route(&self, target: CallTarget) -> Route {
        match target {
            // Nearly all calls.
            CallTarget::Address(to) if self.is_end(to) => Route::Direct,
            _ => self.resolve(target).route,
        }
    }

    /// Follows a call through stubs and thunks to its end.
    pub(crate) fn resolve(&self, target: CallTarget) -> Destination {
        let mut via = Vec::new();
        let mut instructions = Some(1);
        let (mut stub, mut thunk, mut open) = (false, false, false);
        let mut next = self.next(target);
        let end = loop {
            if via.len() > LONGEST_CHAIN {
                next = Next::Nowhere;
            }
            match next {
                Next::Nowhere => break End::Unknown,
                Next::End(end) => break end,
                // The first call goes through the dynamic linker's resolver.
                Next::Lazy(name) => {
                    (instructions, stub) = (None, true);
                    break End::Symbol(name);
                }
                // The linker decides what lies between.
                Next::Undefined(name) => {
                    (instructions, open) = (None, true);
                    break End::Symbol(name);
                }
                // How many instructions the runtime executes, only a walk can tell.
                Next::Cgo { at, name } => {
                    via.extend([self.label(at), cgo::RUNTIME.to_owned()]);
                    (instructions, thunk) = (None, true);
                    break End::Cgo(name);
                }
                Next::Stub { at, count, bound } => {
                    stub = true;
                    instructions = instructions.map(|known| known + count);
                    via.push(match bound {
                        Bound::Symbol(name) | Bound::Lazily(name) => {
                            let name = names::demangle(self.text(name));
                            format!("{name}@{}", self.format.stub())
                        }
                        _ => self.label(at),
                    });
                    next = self.through(bound);
                }
                Next::Thunk { at, count, to } => {
                    thunk = true;
                    instructions = instructions.map(|known| known + count);
                    via.push(self.label(at));
                    next = self.next(to);
                }
            }
        };
        let route = match end {
            End::Unknown if matches!(target, CallTarget::Pointer) => Route::Pointer,
            End::Unknown => Route::Unresolved,
            _ if thunk => Route::Thunk,
            _ if open => Route::Unresolved,
            _ if stub => Route::Plt,
            _ => plain(target),
        };
        Destination {
            instructions: instructions.filter(|_| end != End::Unknown),
            end,
            via,
            route,
        }
    }

    fn next(&self, target: CallTarget) -> Next {
        match target {
            CallTarget::Address(to) | CallTarget::RegisterAddress(to) => self.arrive(to),
            CallTarget::Slot(at) | CallTarget::RegisterSlot(at) => {
                let bound = self.bound(at);
                bound.map_or(Next::Nowhere, |bound| self.through(bound))
            }
            CallTarget::Pointer | CallTarget::Undecided | CallTarget::IntraFunction => {
                Next::Nowhere
            }
        }
    }

    fn through(&self, bound: Bound) -> Next {
        match bound {
            Bound::Symbol(name) => Next::End(End::Symbol(name)),
            Bound::Lazily(name) => Next::Lazy(name),
            Bound::Address(to) => self.arrive(to),
            // An ifunc: the loader asks its resolver before the program starts.
            Bound::Resolved(resolver) => Next::End(End::Address(resolver)),
            Bound::Other => Next::Nowhere,
        }
    }

    /// Whether control certainly has arrived at this address: all that [`Self::arrive`] asks was asked of this function
    /// before.
    fn is_end(&self, to: u64) -> bool {
        self.fragment_from(to)
            .is_some_and(|piece| self.thunks[piece].load(Ordering::Relaxed) == NO_THUNK)
    }

    fn arrive(&self, to: u64) -> Next {
        if self.is_end(to) {
            return Next::End(End::Address(to));
        }
        if let Some(name) = self.undefined(to) {
            return Next::Undefined(name);
        }
        let Some(section) = self.section_at(to).filter(|section| section.executable) else {
            return Next::Nowhere;
        };
        if section.stubs {
            let stub = self.decode_stub(to);
            return match stub.and_then(|(slot, count)| Some((self.bound(slot)?, count))) {
                Some((bound, count)) => Next::Stub {
                    at: to,
                    count,
                    bound,
                },
                None => Next::Nowhere,
            };
        }
        if isa::of(self.architecture).is_retpoline(self.contents(to, 72)) {
            return Next::Nowhere;
        }
        if let Some(name) = self.cgo(to) {
            return Next::Cgo { at: to, name };
        }
        match self.thunk(to) {
            Some((target, count)) => Next::Thunk {
                at: to,
                count,
                to: target,
            },
            None => Next::End(End::Address(to)),
        }
    }

    /// What the linker's stub at this address jumps through.
    pub(crate) fn stub(&self, address: u64) -> Option<Bound> {
        self.section_at(address).filter(|section| section.stubs)?;
        self.bound(self.decode_stub(address)?.0)
    }

    fn decode_stub(&self, address: u64) -> Option<(u64, u32)> {
        isa::of(self.architecture).stub(self.contents(address, 32), address)
    }

    /// The name of the function at this address, if it is Go's own side of a call into C.
    fn cgo(&self, address: u64) -> Option<Name> {
        let known = &self.thunks[self.fragment_from(address)?];
        // Asked for every call: what is known already need not be read again.
        match known.load(Ordering::Relaxed) {
            NOT_ASKED | CGO => {}
            _ => return None,
        }
        let name = self.name_at(address)?;
        cgo::callee(self.text(name))?;
        known.store(CGO, Ordering::Relaxed);
        Some(name)
    }

    /// Where the function at this address passes control on to, if it does nothing else.
    fn thunk(&self, address: u64) -> Option<(CallTarget, u32)> {
        const LARGEST: u64 = 96;
        // Where names are missing, several functions are one piece; what is asked of its middle is not kept.
        let (piece, begins) = match self.fragment_from(address) {
            Some(piece) => (piece, true),
            None => (self.fragment_at(address)?, false),
        };
        let size = self.functions[piece].end - address;
        let known = &self.thunks[piece];
        if begins && (size > LARGEST || known.load(Ordering::Relaxed) == NO_THUNK) {
            known.store(NO_THUNK, Ordering::Relaxed);
            return None;
        }
        let code = self.contents(address, usize::try_from(size.min(LARGEST)).ok()?);
        let found = isa::of(self.architecture).thunk(code, address);
        let found = found.filter(|found| match found.0 {
            CallTarget::Slot(slot) => self.is_constant(slot),
            // A function that jumps to itself passes nothing on.
            CallTarget::Address(to) if begins => self.fragment_at(to) != Some(piece),
            CallTarget::Address(to) => to != address && !self.is_within_one(address, to),
            _ => false,
        });
        if begins {
            let found = if found.is_some() { THUNK } else { NO_THUNK };
            known.store(found, Ordering::Relaxed);
        }
        found
    }

    /// Whether both lie in the same function with a name, its parts included, and `to` is not its beginning: a jump
    /// there goes on in that function. Its beginning may be jumped to from a function that lies in the same piece.
    fn is_within_one(&self, from: u64, to: u64) -> bool {
        self.whole_at(from).is_some_and(|whole| {
            let function = self.functions[whole];
            function.name.is_some() && function.start != to && self.whole_at(to) == Some(whole)
        })
    }
}

/// The route of a call that nothing lies in between.
const fn plain(target: CallTarget) -> Route {
    match target {
        CallTarget::Address(_) => Route::Direct,
        CallTarget::Slot(_) => Route::Got,
        CallTarget::RegisterAddress(_) | CallTarget::RegisterSlot(_) => Route::Register,
        CallTarget::Pointer => Route::Pointer,
        CallTarget::Undecided | CallTarget::IntraFunction => Route::Unresolved,
    }
}

enum Next {
    Nowhere,
    End(End),
    Lazy(Name),
    /// To a symbol that this object leaves undefined.
    Undefined(Name),
    /// To Go's own side of a call into C.
    Cgo {
        at: u64,
        name: Name,
    },
    Stub {
        at: u64,
        count: u32,
        bound: Bound,
    },
    Thunk {
        at: u64,
        count: u32,
        to: CallTarget,
    },
}
