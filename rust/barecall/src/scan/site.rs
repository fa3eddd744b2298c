//! What is kept of a call: an image may have millions.

use std::ops::Range;

use crate::ir::CallTarget;
use crate::route::Route;

/// What one worker found of an image's calls.
#[derive(Default)]
pub(crate) struct Found {
    pub sites: Vec<Site>,
    /// The first fragment that was looked through at a time, and which sites those are.
    pub runs: Vec<(usize, Range<usize>)>,
}

/// A call.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub at: u64,
    /// The address or slot that it reaches; what kind of address it is, `kind` says.
    // Apart from each other they take half the space.
    address: u64,
    /// The function it is in.
    pub from: u32,
    pub len: u8,
    pub tail: bool,
    kind: Kind,
    pub route: Route,
}

/// A [`CallTarget`] without its address.
#[derive(Clone, Copy)]
enum Kind {
    Address,
    RegisterAddress,
    Slot,
    RegisterSlot,
    Pointer,
    Undecided,
    IntraFunction,
}

impl Site {
    pub(crate) const fn new(
        at: u64,
        len: u8,
        from: u32,
        tail: bool,
        target: CallTarget,
        route: Route,
    ) -> Self {
        let (kind, address) = match target {
            CallTarget::Address(to) => (Kind::Address, to),
            CallTarget::RegisterAddress(to) => (Kind::RegisterAddress, to),
            CallTarget::Slot(slot) => (Kind::Slot, slot),
            CallTarget::RegisterSlot(slot) => (Kind::RegisterSlot, slot),
            CallTarget::Pointer => (Kind::Pointer, 0),
            CallTarget::Undecided => (Kind::Undecided, 0),
            CallTarget::IntraFunction => (Kind::IntraFunction, 0),
        };
        Self {
            at,
            address,
            from,
            len,
            tail,
            kind,
            route,
        }
    }

    pub(crate) const fn target(&self) -> CallTarget {
        match self.kind {
            Kind::Address => CallTarget::Address(self.address),
            Kind::RegisterAddress => CallTarget::RegisterAddress(self.address),
            Kind::Slot => CallTarget::Slot(self.address),
            Kind::RegisterSlot => CallTarget::RegisterSlot(self.address),
            Kind::Pointer => CallTarget::Pointer,
            Kind::Undecided => CallTarget::Undecided,
            Kind::IntraFunction => CallTarget::IntraFunction,
        }
    }
}
