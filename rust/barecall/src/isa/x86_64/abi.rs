//! Registers and calling conventions.

use crate::ir::{Convention, Reg};
use crate::target::Format;

/// The stack pointer's number.
pub(super) const SP: Reg = 4;
/// The frame pointer's number.
pub(super) const FP: Reg = 5;

/// System V: a callee need not preserve rax, rcx, rdx, rsi, rdi, r8 to r11.
pub(super) const SYSTEM_V: Convention = Convention {
    sp: SP,
    fp: FP,
    caller_saved: 0b0000_1111_1100_0111,
    sp_is_read: true,
    whole_index: true,
};

/// Windows: rsi and rdi are preserved. The 32 bytes above the return address are the callee's, so that nothing
/// is kept there across a call.
const WINDOWS: Convention = Convention {
    caller_saved: 0b0000_1111_0000_0111,
    ..SYSTEM_V
};

/// The calling convention of an image's functions.
pub(super) const fn convention(format: Format) -> &'static Convention {
    match format {
        Format::Elf | Format::MachO => &SYSTEM_V,
        Format::Pe => &WINDOWS,
    }
}
