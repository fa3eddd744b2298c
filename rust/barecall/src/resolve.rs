//! Where a call ends up: through slots, stubs and thunks to the symbol that finally gets control.

use std::sync::atomic::Ordering;

use crate::cgo;
use crate::dataflow::Reached;
use crate::image::{Architecture, Bound, Image, Name};
use crate::isa::aarch64;
use crate::isa::x86_64;
use crate::names;
use crate::route::Route;

/// Where a call ends up, and through what.
pub(crate) struct Journey {
    pub end: End,
    pub via: Vec<String>,
    pub instructions: Option<u32>,
    stub: bool,
    thunk: bool,
    /// It is not decided what lies before the end.
    open: bool,
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

/// What is known of a piece, in [`Image::thunks`].
const NOT_ASKED: u8 = 0;
const NO_THUNK: u8 = 1;
const THUNK: u8 = 2;
const CGO: u8 = 3;

impl Image {
    /// What an address is called: a function, or a distance into one.
    pub(crate) fn label(&self, address: u64) -> String {
        if let Some(name) = self.name_at(address) {
            return names::demangle(self.text(name));
        }
        match self.function_at(address) {
            Some(function) if function.mangled().is_some() => {
                format!(
                    "{}+{:#x}",
                    function.name(),
                    address.wrapping_sub(function.address())
                )
            }
            _ => format!("{address:#x}"),
        }
    }

    /// Follows a call through stubs and thunks to its end.
    pub(crate) fn follow(&self, reached: Reached) -> Journey {
        let mut journey = Journey {
            end: End::Unknown,
            via: Vec::new(),
            instructions: Some(1),
            stub: false,
            thunk: false,
            open: false,
        };
        let mut next = match reached {
            Reached::Address(to) | Reached::Held(to) => self.arrive(to),
            Reached::Slot(at) | Reached::Loaded(at) => self.through_slot(at),
            Reached::Pointer | Reached::Undecided | Reached::Inside => Next::Nowhere,
        };
        loop {
            if journey.via.len() > LONGEST_CHAIN {
                next = Next::Nowhere;
            }
            match next {
                Next::Nowhere => {
                    journey.instructions = None;
                    return journey;
                }
                Next::End(end) => {
                    journey.end = end;
                    return journey;
                }
                Next::Lazy(name) => {
                    // The first call goes through the dynamic linker's resolver.
                    journey.instructions = None;
                    journey.stub = true;
                    journey.end = End::Symbol(name);
                    return journey;
                }
                Next::Undefined(name) => {
                    // The linker decides what lies between.
                    journey.instructions = None;
                    journey.open = true;
                    journey.end = End::Symbol(name);
                    return journey;
                }
                Next::Cgo { at, name } => {
                    // How many instructions the runtime executes, only a walk can tell.
                    journey.instructions = None;
                    journey.thunk = true;
                    journey.via.push(self.label(at));
                    journey.via.push(cgo::RUNTIME.to_owned());
                    journey.end = End::Cgo(name);
                    return journey;
                }
                Next::Stub {
                    at,
                    instructions,
                    bound,
                } => {
                    journey.stub = true;
                    journey.instructions = journey.instructions.map(|known| known + instructions);
                    journey.via.push(match bound {
                        Bound::Symbol(name) | Bound::Lazily(name) => {
                            format!(
                                "{}@{}",
                                names::demangle(self.text(name)),
                                self.format.stub()
                            )
                        }
                        _ => self.label(at),
                    });
                    next = self.through(bound);
                }
                Next::Thunk {
                    at,
                    instructions,
                    to,
                } => {
                    journey.thunk = true;
                    journey.instructions = journey.instructions.map(|known| known + instructions);
                    journey.via.push(self.label(at));
                    next = match to {
                        Reached::Address(to) => self.arrive(to),
                        Reached::Slot(slot) => self.through_slot(slot),
                        _ => Next::Nowhere,
                    };
                }
            }
        }
    }

    fn through_slot(&self, slot: u64) -> Next {
        self.bound(slot)
            .map_or(Next::Nowhere, |bound| self.through(bound))
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
        self.piece_from(to)
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
            return match self.decode_stub(to) {
                Some((slot, instructions)) => match self.bound(slot) {
                    Some(bound) => Next::Stub {
                        at: to,
                        instructions,
                        bound,
                    },
                    None => Next::Nowhere,
                },
                None => Next::Nowhere,
            };
        }
        if self.is_retpoline(to) {
            return Next::Nowhere;
        }
        if let Some(name) = self.cgo(to) {
            return Next::Cgo { at: to, name };
        }
        match self.thunk(to) {
            Some((reached, instructions)) => Next::Thunk {
                at: to,
                instructions,
                to: reached,
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
        match self.architecture {
            Architecture::X86_64 => x86_64::stub(self.contents(address, 32), address),
            Architecture::Aarch64 => aarch64::stub(self.contents(address, 32), address),
        }
    }

    /// Whether this is a retpoline (`-mretpoline`, `-mindirect-branch=thunk`): it calls its own end, which puts a
    /// register in the place of the return address, and returns to that.
    fn is_retpoline(&self, address: u64) -> bool {
        const LARGEST: u64 = 64;
        if self.architecture != Architecture::X86_64 {
            return false;
        }
        let &[0xe8, a, b, c, d] = self.contents(address, 5) else {
            return false;
        };
        let distance = i32::from_le_bytes([a, b, c, d]);
        let end = address.wrapping_add(5).wrapping_add_signed(distance.into());
        // mov %reg, (%rsp); ret
        end.wrapping_sub(address) < LARGEST
            && matches!(self.contents(end, 5), [0x48 | 0x4c, 0x89, register, 0x24, 0xc3] if register & 0xc7 == 4)
    }

    /// The name of the function at this address, if it is Go's own side of a call into C.
    fn cgo(&self, address: u64) -> Option<Name> {
        let known = &self.thunks[self.piece_from(address)?];
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
    fn thunk(&self, address: u64) -> Option<(Reached, u32)> {
        const LARGEST: u64 = 96;
        // Where names are missing, several functions are one piece; what is asked of its middle is not kept.
        let (piece, begins) = match self.piece_from(address) {
            Some(piece) => (piece, true),
            None => (self.piece_at(address)?, false),
        };
        let size = self.functions[piece].end - address;
        let known = &self.thunks[piece];
        if begins && (size > LARGEST || known.load(Ordering::Relaxed) == NO_THUNK) {
            known.store(NO_THUNK, Ordering::Relaxed);
            return None;
        }
        let size = size.min(LARGEST);
        let code = self.contents(address, usize::try_from(size).ok()?);
        let found = match self.architecture {
            Architecture::X86_64 => x86_64::thunk(code, address),
            Architecture::Aarch64 => aarch64::thunk(code, address),
        };
        let found = found.filter(|found| match found.0 {
            Reached::Slot(slot) => self.is_constant(slot),
            // A function that jumps to itself passes nothing on.
            Reached::Address(to) if begins => self.piece_at(to) != Some(piece),
            Reached::Address(to) => to != address && !self.is_within_one(address, to),
            _ => false,
        });
        if !begins {
            return found;
        }
        known.store(
            if found.is_some() { THUNK } else { NO_THUNK },
            Ordering::Relaxed,
        );
        found
    }

    /// Whether both lie in the same function with a name, its parts included, and `to` is not its beginning: a jump
    /// there goes on in that function. Its beginning may be jumped to from a function that lies in the same piece.
    fn is_within_one(&self, from: u64, to: u64) -> bool {
        match (self.function_at(from), self.function_at(to)) {
            (Some(one), Some(other)) => {
                one.mangled().is_some() && one.address() == other.address() && to != one.address()
            }
            _ => false,
        }
    }

    pub(crate) fn route(&self, reached: Reached) -> Route {
        let plain = match reached {
            // Nearly all calls.
            Reached::Address(to) if self.is_end(to) => return Route::Direct,
            Reached::Address(_) => Route::Direct,
            Reached::Slot(_) => Route::Got,
            Reached::Held(_) | Reached::Loaded(_) => Route::Register,
            Reached::Pointer => return Route::Pointer,
            Reached::Undecided | Reached::Inside => return Route::Unresolved,
        };
        let journey = self.follow(reached);
        match (journey.end, journey.thunk, journey.stub) {
            (End::Unknown, ..) => Route::Unresolved,
            (_, true, _) => Route::Thunk,
            _ if journey.open => Route::Unresolved,
            (_, false, true) => Route::Plt,
            _ => plain,
        }
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
        instructions: u32,
        bound: Bound,
    },
    Thunk {
        at: u64,
        instructions: u32,
        to: Reached,
    },
}
