//! AArch64.
//!
//! Register 31 is the stack pointer here, and only here: where an instruction means the zero register by that
//! number, a result is dropped and an operand is the constant 0.

mod abi;
mod decode;
mod effect;
mod stub;
#[cfg(test)]
mod tests;

use crate::ir::{CallTarget, Convention};
use crate::isa::instruction_set::InstructionSet;
use crate::target::Format;
pub(crate) use decode::{flow, words};
pub(crate) use effect::lift;

/// The instruction set.
pub(super) struct Aarch64;

impl InstructionSet for Aarch64 {
    fn convention(&self, _: Format) -> &'static Convention {
        &abi::CONVENTION
    }

    fn stub(&self, code: &[u8], address: u64) -> Option<(u64, u32)> {
        stub::stub(code, address)
    }

    fn thunk(&self, code: &[u8], address: u64) -> Option<(CallTarget, u32)> {
        stub::thunk(code, address)
    }

    fn length(&self, _: &[u8]) -> usize {
        4
    }

    fn text(&self, code: &[u8], address: u64) -> String {
        effect::text(code, address)
    }
}
