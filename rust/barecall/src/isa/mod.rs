//! Instruction sets: a folder for each, with the same file names, behind one interface.
//!
//! - `abi`: registers and calling conventions
//! - `decode`: instructions from bytes, where control goes after each, and their text
//! - `effect`: what each does to registers and memory, in terms of [`crate::ir`]
//! - `stub`: code that only passes control on

pub(crate) mod aarch64;
mod instruction_set;
mod passing;
pub(crate) mod x86_64;

use crate::target::Architecture;
pub(crate) use instruction_set::InstructionSet;

/// The instruction set of an architecture.
pub(crate) const fn of(architecture: Architecture) -> &'static dyn InstructionSet {
    match architecture {
        Architecture::X86_64 => &x86_64::X86_64,
        Architecture::Aarch64 => &aarch64::Aarch64,
    }
}
