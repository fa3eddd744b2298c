//! x86-64.

mod abi;
mod decode;
mod effect;
mod fast;
mod stub;
mod summary;
#[cfg(test)]
mod tests;

use crate::ir::{CallTarget, Convention};
use crate::isa::instruction_set::InstructionSet;
use crate::target::Format;
pub(crate) use decode::Reader;
pub(crate) use effect::effect;
pub(crate) use fast::{WINDOW, skim};
pub(crate) use summary::InstructionSummary;

/// The instruction set.
pub(super) struct X86_64;

impl InstructionSet for X86_64 {
    fn convention(&self, format: Format) -> &'static Convention {
        abi::convention(format)
    }

    fn stub(&self, code: &[u8], address: u64) -> Option<(u64, u32)> {
        stub::stub(code, address)
    }

    fn thunk(&self, code: &[u8], address: u64) -> Option<(CallTarget, u32)> {
        stub::thunk(code, address)
    }

    fn is_retpoline(&self, code: &[u8]) -> bool {
        stub::is_retpoline(code)
    }

    fn length(&self, code: &[u8]) -> usize {
        decode::one(code, 0).len()
    }

    fn text(&self, code: &[u8], address: u64) -> String {
        decode::text(code, address)
    }
}
