//! Code that only passes control on: the linker's stubs, thunks, and retpolines.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::decode::flow;
use crate::ir::{CallTarget, Flow, Place};
use crate::isa::passing::{self, Passing};

/// Reads a linker stub. It executes at most four instructions.
pub(crate) fn stub(code: &[u8], address: u64) -> Option<(u64, u32)> {
    let classified = instructions(code, address).map(|instruction| {
        match (flow(&instruction), instruction.mnemonic()) {
            (Flow::JumpVia(place), _) => through(place).map_or(Passing::Other, Passing::Jumps),
            (Flow::Next, Mnemonic::Endbr64 | Mnemonic::Nop) => Passing::Prepares,
            // mold's: mov $index, %r11d, for the resolver
            (Flow::Next, Mnemonic::Mov)
                if instruction.op0_register() == Register::R11D
                    && instruction.op1_kind() == OpKind::Immediate32 =>
            {
                Passing::Prepares
            }
            // .plt.sec and .plt split the lazy half off: push index; jmp plt0 is not what a call lands on.
            _ => Passing::Other,
        }
    });
    passing::slot(classified.take(4))
}

/// Reads a function that does nothing but pass control on.
pub(super) fn thunk(code: &[u8], address: u64) -> Option<(CallTarget, u32)> {
    passing::target(
        instructions(code, address).map(|instruction| match flow(&instruction) {
            Flow::Jump(to) => Passing::Jumps(CallTarget::Address(to)),
            Flow::JumpVia(place) => through(place).map_or(Passing::Other, Passing::Jumps),
            Flow::Call(to) => Passing::Calls(CallTarget::Address(to)),
            Flow::CallVia(place) => through(place).map_or(Passing::Other, Passing::Calls),
            Flow::Next if is_passing(&instruction) => Passing::Prepares,
            Flow::Stop if instruction.flow_control() == FlowControl::Return => Passing::Returns,
            _ => Passing::Other,
        }),
    )
}

fn through(place: Place) -> Option<CallTarget> {
    place.slot().map(CallTarget::Slot)
}

fn instructions(code: &[u8], address: u64) -> impl Iterator<Item = Instruction> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    std::iter::from_fn(move || decoder.can_decode().then(|| decoder.decode()))
}

/// Whether this is a retpoline (`-mretpoline`, `-mindirect-branch=thunk`): it calls its own end, which puts a
/// register in the place of the return address, and returns to that.
pub(super) fn is_retpoline(code: &[u8]) -> bool {
    const LARGEST: usize = 64;
    let &[0xe8, a, b, c, d, ref behind @ ..] = code else {
        return false;
    };
    let distance = usize::try_from(i32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    // mov %reg, (%rsp); ret
    distance < LARGEST - 5
        && matches!(
            behind.get(distance..),
            Some([0x48 | 0x4c, 0x89, register, 0x24, 0xc3, ..]) if register & 0xc7 == 4
        )
}

/// Whether an instruction only sets up a frame or moves a value between a register and the frame.
fn is_passing(instruction: &Instruction) -> bool {
    let framed = matches!(instruction.memory_base(), Register::RSP | Register::RBP)
        && instruction.memory_index() == Register::None;
    let any_register = |n| instruction.op_kind(n) == OpKind::Register;
    match instruction.mnemonic() {
        Mnemonic::Endbr64 | Mnemonic::Nop | Mnemonic::Leave => true,
        Mnemonic::Push | Mnemonic::Pop => any_register(0),
        Mnemonic::Mov => {
            (any_register(0) || (instruction.op0_kind() == OpKind::Memory && framed))
                && (any_register(1) || (instruction.op1_kind() == OpKind::Memory && framed))
        }
        Mnemonic::Sub | Mnemonic::Add => {
            instruction.op0_register() == Register::RSP && !any_register(1)
        }
        _ => false,
    }
}
