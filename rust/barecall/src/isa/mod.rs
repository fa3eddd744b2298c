//! Instruction sets: one folder for each architecture, with the same file names.

pub(crate) mod aarch64;
pub(crate) mod x86_64;
