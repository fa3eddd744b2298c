//! The interface of an instruction set.

use crate::ir::{CallTarget, Convention};
use crate::target::Format;

/// What an architecture has to tell about its machine code, beside decoding whole functions.
pub(crate) trait InstructionSet {
    /// The calling convention of functions in images of a format.
    fn convention(&self, format: Format) -> &'static Convention;

    /// Reads a linker stub: returns the slot it jumps through, and how many instructions it executes.
    fn stub(&self, code: &[u8], address: u64) -> Option<(u64, u32)>;

    /// Reads a function that does nothing but pass control on: returns where to, and how many instructions it
    /// executes before the target's first. It may set up and tear down a frame and move its arguments through it,
    /// nothing else.
    fn thunk(&self, code: &[u8], address: u64) -> Option<(CallTarget, u32)>;

    /// Whether this code jumps through a register in the disguise of a return.
    fn is_retpoline(&self, _code: &[u8]) -> bool {
        false
    }

    /// The length in bytes of the instruction that `code` begins with; at least 1.
    fn length(&self, code: &[u8]) -> usize;

    /// The instruction that `code` begins with, as text.
    fn text(&self, code: &[u8], address: u64) -> String;
}
