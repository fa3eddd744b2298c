//! What functions agree upon, and what differs between architectures beside.

use super::operation::{Effect, Reg, Regs};

/// What differs between architectures.
pub(crate) struct Convention {
    pub sp: Reg,
    /// The register that holds the frame's address, in functions that keep it.
    pub fp: Reg,
    /// What a call may overwrite.
    pub caller_saved: Regs,
    /// Whether an instruction that reads the stack pointer does something with it, so that its value gets out.
    pub sp_is_read: bool,
    /// Whether an address's index, before it is shifted, is all of its register.
    pub whole_index: bool,
}

/// Beside registers: memory may be written.
pub(crate) const STORES: u64 = 1 << 62;

impl Convention {
    /// Whether an address relative to this register may lie in the function's own frame.
    pub(crate) const fn may_be_frame(&self, base: Reg) -> bool {
        base == self.sp || base == self.fp
    }

    /// The registers that an effect writes, and [`STORES`].
    pub(crate) fn writes(&self, effect: &Effect) -> u64 {
        let sp = 1 << self.sp;
        match *effect {
            Effect::None => 0,
            Effect::Set(register, _) => 1 << register,
            Effect::Store { .. } => STORES,
            Effect::Push(_) => sp | STORES,
            Effect::Pop(to) => sp | 1 << to,
            Effect::Leave => sp | 1 << self.fp,
            Effect::Realign => sp,
            Effect::Clobber { writes, store, .. } => {
                u64::from(writes) | if store.is_some() { STORES } else { 0 }
            }
        }
    }
}
