//! Registers and the calling convention.

use crate::ir::{Convention, Reg, Regs};

/// The stack pointer's number, and the zero register's.
pub(super) const SP: Reg = 31;
/// The link register's number.
pub(super) const LR: Reg = 30;
/// The frame pointer's number.
pub(super) const FP: Reg = 29;

/// AAPCS64: a callee need not preserve x0 to x18, and a call writes x30.
pub(super) const CONVENTION: Convention = Convention {
    sp: SP,
    fp: FP,
    caller_saved: 0x4007_ffff,
    // What reads it lifts as a copy of it.
    sp_is_read: false,
    // It may be half of one, extended.
    whole_index: false,
};

/// Every register but the stack pointer.
pub(super) const ALL: Regs = 0x7fff_ffff;
