//! Decoding, through `iced-x86`, and where control goes.

use std::ops::Range;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Formatter as _, Instruction, IntelFormatter,
    MemorySizeOptions, OpKind, Register,
};

use crate::ir::{Flow, Mem, Place, Reg, Regs};

/// Decodes one instruction here and one there: to set a decoder up for each takes as long as to decode it.
pub(crate) struct Reader<'a> {
    pub bytes: &'a [u8],
    decoder: Decoder<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            decoder: Decoder::new(64, bytes, DecoderOptions::NONE),
        }
    }

    /// Decodes the instruction that `code`, a range of the bytes that lies at `address`, begins with. Bytes that are no
    /// instruction become an invalid one of one byte.
    pub(crate) fn decode(
        &mut self,
        code: Range<usize>,
        address: u64,
        instruction: &mut Instruction,
    ) {
        let is_there = self.decoder.set_position(code.start).is_ok();
        if is_there {
            self.decoder.set_ip(address);
            self.decoder.decode_out(instruction);
        }
        // The decoder saw more than the range.
        if !is_there || instruction.len() > code.len() {
            let bytes = self.bytes.get(code).unwrap_or(&[]);
            Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode_out(instruction);
        }
        // The decoder takes as many bytes as it looked at: the next instruction's first among them.
        if instruction.is_invalid() {
            instruction.set_len(1);
            instruction.set_next_ip(address.wrapping_add(1));
        }
    }
}

/// Where control goes after an instruction.
pub(crate) fn flow(instruction: &Instruction) -> Flow {
    let is_near = instruction.op0_kind() == OpKind::NearBranch64;
    let near = is_near.then(|| instruction.near_branch64());
    match instruction.flow_control() {
        FlowControl::Next => Flow::Next,
        // A transaction that fails goes on there.
        FlowControl::XbeginXabortXend => near.map_or(Flow::Next, Flow::Branch),
        // A system call comes back; a debugger lets the program go on after int3. ud2 and hlt end a path.
        FlowControl::Interrupt => Flow::Next,
        // syscall, sysenter: into the kernel, not to a symbol.
        FlowControl::Call => near.map_or(Flow::Next, Flow::Call),
        FlowControl::UnconditionalBranch => near.map_or(Flow::Stop, Flow::Jump),
        FlowControl::ConditionalBranch => near.map_or(Flow::Stop, Flow::Branch),
        FlowControl::IndirectCall => Flow::CallVia(place(instruction)),
        FlowControl::IndirectBranch => Flow::JumpVia(place(instruction)),
        // Newer than the decoder, perhaps.
        FlowControl::Exception if instruction.is_invalid() => Flow::Next,
        FlowControl::Return | FlowControl::Exception => Flow::Stop,
    }
}

fn place(instruction: &Instruction) -> Place {
    // A far call's or jump's operand is a selector and an offset.
    if matches!(
        instruction.code(),
        Code::Call_m1616
            | Code::Call_m1632
            | Code::Call_m1664
            | Code::Jmp_m1616
            | Code::Jmp_m1632
            | Code::Jmp_m1664
    ) {
        return Place::Elsewhere;
    }
    match instruction.op0_kind() {
        OpKind::Register => number(instruction.op0_register()).map_or(Place::Elsewhere, Place::Reg),
        OpKind::Memory => memory(instruction).map_or(Place::Elsewhere, Place::Mem),
        _ => Place::Elsewhere,
    }
}

/// A 64-bit register's number.
pub(super) fn number(register: Register) -> Option<Reg> {
    let number = register.is_gpr64().then(|| register.number())?;
    u8::try_from(number).ok()
}

/// The number of the 64-bit register that this one is part of.
pub(super) fn whole(register: Register) -> Option<Reg> {
    let full = register.is_gpr().then(|| register.full_register())?;
    number(full)
}

pub(super) fn bit(register: Register) -> Regs {
    whole(register).map_or(0, |n| 1 << n)
}

/// The memory operand; none if it is relative to a segment or uses vector or 32-bit registers.
pub(super) fn memory(instruction: &Instruction) -> Option<Mem> {
    if matches!(instruction.segment_prefix(), Register::FS | Register::GS) {
        return None;
    }
    if instruction.is_ip_rel_memory_operand() {
        return Some(Mem::at(instruction.ip_rel_memory_address()));
    }
    let base = match instruction.memory_base() {
        Register::None => None,
        register => Some(number(register)?),
    };
    let index = match instruction.memory_index() {
        Register::None => None,
        register => Some((
            number(register)?,
            u8::try_from(instruction.memory_index_scale().trailing_zeros()).ok()?,
        )),
    };
    Some(Mem {
        base,
        index,
        disp: instruction.memory_displacement64().cast_signed(),
    })
}

/// The instruction that `code` begins with.
pub(super) fn one(code: &[u8], address: u64) -> Instruction {
    Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode()
}

/// An instruction as text.
pub(super) fn text(code: &[u8], address: u64) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_rip_relative_addresses(true);
    options.set_space_after_operand_separator(true);
    options.set_space_between_memory_add_operators(true);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_leading_zeros(false);
    options.set_memory_size_options(MemorySizeOptions::Always);
    let mut text = String::new();
    formatter.format(&one(code, address), &mut text);
    text
}
