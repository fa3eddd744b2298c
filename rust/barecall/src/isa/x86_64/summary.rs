//! What is kept of each instruction of a function.

use crate::ir::{ControlTransfer, STORES};

/// What is known of an x86-64 instruction without decoding it.
#[derive(Clone, Copy, Default)]
pub(crate) struct InstructionSummary {
    at: u64,
    /// The registers it writes, its length, and the bits below.
    pub(crate) what: u32,
    /// The first control transfer that is not before it.
    transfer: u32,
}

impl InstructionSummary {
    /// It may write memory.
    const STORES: u32 = 1 << 16;
    /// It may change the stack or frame pointer or do something with what they hold, or is a call.
    pub const POINTERS: u32 = 1 << 17;
    /// What it changes is not known.
    pub const VAGUE: u32 = 1 << 18;
    /// It transfers control,
    pub const TRANSFER: u32 = 1 << 19;
    /// by or through what lies at a distance of four bytes, not one, if at a distance,
    pub const NEAR: u32 = 1 << 20;
    /// and this is the kind of transfer (three bits from here on).
    const KIND: u32 = 21;
    /// How many bytes long it is.
    const LENGTH: u32 = 24;

    /// Of `what`, only that counts which depends on the kind of instruction alone: all but its length.
    pub fn new(at: u64, len: usize, what: u32, transfer: usize) -> Self {
        Self {
            at,
            what: what & ((1 << Self::LENGTH) - 1) | (len as u32) << Self::LENGTH,
            transfer: transfer as u32,
        }
    }

    /// A kind of transfer, as bits.
    pub fn of_kind(kind: u8) -> u32 {
        let transfer = if kind == ControlTransfer::NONE {
            0
        } else {
            Self::TRANSFER
        };
        transfer | u32::from(kind) << Self::KIND
    }

    /// The same back.
    pub const fn kind_in(what: u32) -> u8 {
        (what >> Self::KIND & 7) as u8
    }

    /// Which kind of transfer it is.
    pub const fn kind(&self) -> u8 {
        Self::kind_in(self.what)
    }

    /// What [`Convention::writes`](crate::ir::Convention::writes) says, as bits.
    pub fn writing(writes: u64) -> u32 {
        (writes & 0xffff) as u32
            | if writes & STORES != 0 {
                Self::STORES
            } else {
                0
            }
    }

    /// The same back.
    pub const fn written(what: u32) -> u64 {
        (what & 0xffff) as u64 | if what & Self::STORES != 0 { STORES } else { 0 }
    }

    /// Where it is.
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// The first control transfer that is not before it.
    pub const fn transfer(&self) -> usize {
        self.transfer as usize
    }

    /// Where the next is.
    pub const fn behind(&self) -> u64 {
        self.at.wrapping_add(self.size() as u64)
    }

    /// The registers it writes, and [`STORES`].
    pub const fn writes(&self) -> u64 {
        Self::written(self.what)
    }

    pub const fn is(&self, what: u32) -> bool {
        self.what & what != 0
    }

    /// How many bytes long it is.
    pub const fn size(&self) -> u8 {
        (self.what >> Self::LENGTH) as u8
    }
}
