//! x86-64, through `iced-x86`: decoding, and what each instruction does ([`Step`]).

mod fast;

use std::ops::Range;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic,
    OpAccess, OpKind, Register,
};

use crate::dataflow::{Convention, Reached};
use crate::image::Format;
use crate::ir::{Effect, Expr, Flow, Mem, Place, Reg, Regs, Width};
pub(crate) use fast::{WINDOW, skim};

/// The stack pointer's number.
const SP: Reg = 4;
/// The frame pointer's number.
const FP: Reg = 5;

/// System V: a callee need not preserve rax, rcx, rdx, rsi, rdi, r8 to r11.
const SYSTEM_V: Convention = Convention {
    sp: SP,
    fp: FP,
    caller_saved: 0b0000_1111_1100_0111,
    sp_is_read: true,
    whole_index: true,
};

/// Windows: rsi and rdi are preserved. The 32 bytes above the return address are the callee's, so that nothing
/// is kept there across a call.
const WINDOWS: Convention = Convention {
    sp: SP,
    fp: FP,
    caller_saved: 0b0000_1111_0000_0111,
    sp_is_read: true,
    whole_index: true,
};

/// The calling convention of an image's functions.
pub(crate) const fn convention(format: Format) -> &'static Convention {
    match format {
        Format::Elf | Format::MachO => &SYSTEM_V,
        Format::Pe => &WINDOWS,
    }
}

/// Whether an address relative to this register may lie in the function's own frame.
pub(crate) const fn may_be_frame(base: Reg) -> bool {
    matches!(base, SP | FP)
}

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
    match instruction.flow_control() {
        FlowControl::XbeginXabortXend if instruction.op0_kind() == OpKind::NearBranch64 => {
            // A transaction that fails goes on there.
            Flow::Branch(instruction.near_branch64())
        }
        FlowControl::Next | FlowControl::XbeginXabortXend => Flow::Next,
        // A system call comes back; a debugger lets the program go on after int3. ud2 and hlt end a path.
        FlowControl::Interrupt => Flow::Next,
        FlowControl::Call => match instruction.op0_kind() {
            OpKind::NearBranch64 => Flow::Call(instruction.near_branch64()),
            // syscall, sysenter: into the kernel, not to a symbol.
            _ => Flow::Next,
        },
        FlowControl::UnconditionalBranch => match instruction.op0_kind() {
            OpKind::NearBranch64 => Flow::Jump(instruction.near_branch64()),
            _ => Flow::Stop,
        },
        FlowControl::ConditionalBranch => match instruction.op0_kind() {
            OpKind::NearBranch64 => Flow::Branch(instruction.near_branch64()),
            _ => Flow::Stop,
        },
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
fn number(register: Register) -> Option<Reg> {
    if register.is_gpr64() {
        u8::try_from(register.number()).ok()
    } else {
        None
    }
}

/// The number of the 64-bit register that this one is part of.
fn whole(register: Register) -> Option<Reg> {
    if register.is_gpr() {
        number(register.full_register())
    } else {
        None
    }
}

fn bit(register: Register) -> Regs {
    whole(register).map_or(0, |n| 1 << n)
}

/// The memory operand; none if it is relative to a segment or uses vector or 32-bit registers.
fn memory(instruction: &Instruction) -> Option<Mem> {
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

fn memory_or_anywhere(instruction: &Instruction) -> Mem {
    memory(instruction).unwrap_or(Mem::ANYWHERE)
}

/// What an instruction does to registers and memory.
pub(crate) fn effect(instruction: &Instruction, info: &mut InstructionInfoFactory) -> Effect {
    use Mnemonic as M;
    let kind0 = instruction.op0_kind();
    let kind1 = instruction.op1_kind();
    let reg0 = if kind0 == OpKind::Register {
        number(instruction.op0_register())
    } else {
        None
    };
    let reg1 = if kind1 == OpKind::Register {
        number(instruction.op1_register())
    } else {
        None
    };
    match instruction.mnemonic() {
        M::Nop
        | M::Endbr64
        | M::Cmp
        | M::Test
        | M::Ucomiss
        | M::Ucomisd
        | M::Comiss
        | M::Comisd
        | M::Bt
        | M::Pause => {
            return Effect::None;
        }
        M::Call | M::Jmp | M::Ret | M::Ud2 | M::Int3 => return Effect::None,
        M::Leave => return Effect::Leave,
        // Newer than the decoder, perhaps: it may do anything, and go on.
        M::INVALID => {
            return Effect::Clobber {
                reads: 0xffff,
                writes: 0xffff,
                store: Some((Mem::ANYWHERE, u8::MAX)),
            };
        }
        _ if instruction.is_jcc_short_or_near() => return Effect::None,
        M::Mov => {
            if let Some(dst) = reg0 {
                let expr = match kind1 {
                    OpKind::Register => reg1.map(Expr::Copy),
                    OpKind::Memory => memory(instruction).map(Expr::Load),
                    OpKind::Immediate64 | OpKind::Immediate32to64 => {
                        Some(Expr::Const(instruction.immediate(1)))
                    }
                    _ => None,
                };
                if let Some(expr) = expr {
                    return Effect::Set(dst, expr);
                }
            }
            // mov r32, imm32 zero-extends: how non-PIE code takes a function's address.
            if kind0 == OpKind::Register
                && instruction.op0_register().is_gpr32()
                && kind1 == OpKind::Immediate32
                && let Some(dst) = whole(instruction.op0_register())
            {
                return Effect::Set(dst, Expr::Const(u64::from(instruction.immediate32())));
            }
            if kind0 == OpKind::Memory {
                let mem = memory_or_anywhere(instruction);
                let width = u8::try_from(instruction.memory_size().size()).unwrap_or(64);
                return Effect::Store {
                    mem,
                    width,
                    from: reg1,
                };
            }
        }
        M::Lea => {
            if let Some(dst) = reg0 {
                let expr = memory(instruction).and_then(|mem| match mem {
                    Mem {
                        base: None,
                        index: None,
                        disp,
                    } => Some(Expr::Const(disp.cast_unsigned())),
                    Mem {
                        base: Some(base),
                        index: None,
                        disp,
                    } => Some(Expr::Add(base, disp)),
                    Mem {
                        base: Some(base),
                        index: Some((index, shift)),
                        disp: 0,
                    } => Some(Expr::Sum(base, index, shift)),
                    _ => None,
                });
                if let Some(expr) = expr {
                    return Effect::Set(dst, expr);
                }
            }
            // The address is computed, nothing is read or written there.
            let reads = bit(instruction.memory_base()) | bit(instruction.memory_index());
            return Effect::Clobber {
                reads,
                writes: bit(instruction.op0_register()),
                store: None,
            };
        }
        M::Movsxd => {
            if let (Some(dst), OpKind::Memory, Some(mem)) = (reg0, kind1, memory(instruction)) {
                return Effect::Set(dst, Expr::Entry(mem, Width::I32));
            }
        }
        M::Movzx | M::Movsx if kind1 == OpKind::Memory => {
            let width = match (instruction.mnemonic(), instruction.memory_size().size()) {
                (M::Movzx, 1) => Some(Width::U8),
                (M::Movzx, 2) => Some(Width::U16),
                (M::Movsx, 1) => Some(Width::I8),
                (M::Movsx, 2) => Some(Width::I16),
                _ => None,
            };
            if let (Some(dst), Some(width), Some(mem)) = (
                whole(instruction.op0_register()),
                width,
                memory(instruction),
            ) {
                return Effect::Set(dst, Expr::Entry(mem, width));
            }
        }
        M::Add | M::Sub => {
            if let Some(dst) = reg0 {
                let add = instruction.mnemonic() == M::Add;
                match kind1 {
                    OpKind::Immediate8to64 | OpKind::Immediate32to64 => {
                        let by = instruction.immediate(1).cast_signed();
                        return Effect::Set(
                            dst,
                            Expr::Add(dst, if add { by } else { by.wrapping_neg() }),
                        );
                    }
                    OpKind::Register if add => {
                        if let Some(src) = reg1 {
                            return Effect::Set(dst, Expr::Sum(dst, src, 0));
                        }
                    }
                    OpKind::Memory if add => {
                        if let Some(mem) = memory(instruction) {
                            return Effect::Set(dst, Expr::Plus(dst, mem));
                        }
                    }
                    _ => {}
                }
            }
        }
        M::Xor
            if kind0 == OpKind::Register
                && kind1 == OpKind::Register
                && instruction.op0_register() == instruction.op1_register()
                && instruction.op0_register().size() >= 4 =>
        {
            if let Some(dst) = whole(instruction.op0_register()) {
                return Effect::Set(dst, Expr::Const(0));
            }
        }
        M::And if reg0 == Some(SP) => return Effect::Realign,
        M::Push => {
            return match kind0 {
                OpKind::Register if reg0.is_some() => Effect::Push(reg0),
                _ if instruction.stack_pointer_increment() == -8 => Effect::Push(None),
                _ => everything(instruction, info),
            };
        }
        M::Pop => {
            if let Some(dst) = reg0 {
                return Effect::Pop(dst);
            }
        }
        M::Cmovo
        | M::Cmovno
        | M::Cmovb
        | M::Cmovae
        | M::Cmove
        | M::Cmovne
        | M::Cmovbe
        | M::Cmova
        | M::Cmovs
        | M::Cmovns
        | M::Cmovp
        | M::Cmovnp
        | M::Cmovl
        | M::Cmovge
        | M::Cmovle
        | M::Cmovg => {
            if let (Some(dst), Some(src)) = (reg0, reg1) {
                return Effect::Set(dst, Expr::Either(src));
            }
        }
        _ => {}
    }
    everything(instruction, info)
}

/// The catch-all: all registers that are read and written, and the memory that is.
fn everything(instruction: &Instruction, info: &mut InstructionInfoFactory) -> Effect {
    // A register that only addresses memory is not "read": its value goes nowhere.
    let addressing = bit(instruction.memory_base()) | bit(instruction.memory_index());
    let named = (0..instruction.op_count())
        .filter(|&n| instruction.op_kind(n) == OpKind::Register)
        .fold(0, |all, n| all | bit(instruction.op_register(n)));
    let info = info.info(instruction);
    let (mut reads, mut writes, mut store) = (0, 0, None);
    for used in info.used_registers() {
        let register = bit(used.register());
        match used.access() {
            OpAccess::Read | OpAccess::CondRead => reads |= register,
            OpAccess::Write | OpAccess::CondWrite => writes |= register,
            OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
                reads |= register;
                writes |= register;
            }
            _ => {}
        }
    }
    for used in info.used_memory() {
        if matches!(
            used.access(),
            OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
        ) {
            // A segment other than fs and gs is flat; string instructions report theirs as es.
            if matches!(used.segment(), Register::FS | Register::GS) {
                continue;
            }
            let simple =
                used.index() == Register::None && (1..=255).contains(&used.memory_size().size());
            let mem = match number(used.base()) {
                _ if used.base() == Register::RIP => Mem::at(instruction.ip_rel_memory_address()),
                Some(base) if simple => Mem::based(base, used.displacement().cast_signed()),
                None if simple && used.base() == Register::None => Mem::at(used.displacement()),
                // How far from there is not known: repeated, scattered, or too large (fxsave).
                Some(base) => Mem::around(base),
                None => Mem::ANYWHERE,
            };
            let width = u8::try_from(used.memory_size().size()).unwrap_or(u8::MAX);
            store = Some(if store.is_none() {
                (mem, width)
            } else {
                (Mem::ANYWHERE, u8::MAX)
            });
        }
    }
    // The kernel answers in rax.
    if matches!(
        instruction.mnemonic(),
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Int
    ) {
        writes |= 1;
    }
    // Pushing and the like read the stack pointer too, and leave it where it is.
    let unseen = (addressing | 1 << SP) & !named;
    Effect::Clobber {
        reads: reads & !unseen,
        writes,
        store,
    }
}

/// Whether an instruction may write rsp or rbp or copy what they hold, or is a call or an indirect jump. That it
/// only addresses memory by them does not count.
pub(crate) fn may_move_pointers(instruction: &Instruction) -> bool {
    let pointer = |register: Register| {
        use Register as R;
        matches!(
            register,
            R::RSP | R::ESP | R::SP | R::SPL | R::RBP | R::EBP | R::BP | R::BPL
        )
    };
    // Pushes, pops and calls.
    instruction.is_stack_instruction()
        || pointer(instruction.op0_register())
        || pointer(instruction.op1_register())
        || pointer(instruction.op2_register())
        || pointer(instruction.op3_register())
        || match instruction.mnemonic() {
            Mnemonic::Lea => {
                pointer(instruction.memory_base()) || pointer(instruction.memory_index())
            }
            Mnemonic::Jmp | Mnemonic::Sysenter | Mnemonic::Sysexit | Mnemonic::INVALID => true,
            _ => false,
        }
}

/// A linker stub: the slot it jumps through, and how many instructions it executes.
pub(crate) fn stub(code: &[u8], address: u64) -> Option<(u64, u32)> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    for count in 1..=4 {
        let instruction = decoder.decode();
        match flow(&instruction) {
            Flow::JumpVia(Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            })) => return Some((disp.cast_unsigned(), count)),
            Flow::Next if matches!(instruction.mnemonic(), Mnemonic::Endbr64 | Mnemonic::Nop) => {}
            // mold's: mov $index, %r11d, for the resolver
            Flow::Next
                if instruction.mnemonic() == Mnemonic::Mov
                    && instruction.op0_register() == Register::R11D
                    && instruction.op1_kind() == OpKind::Immediate32 => {}
            // .plt.sec and .plt split the lazy half off: push index; jmp plt0 is not what a call lands on.
            _ => return None,
        }
    }
    None
}

/// A function that does nothing but pass control on: where to, and how many instructions it executes before
/// the target's first. It may set up and tear down a frame and move its arguments through it, nothing else.
pub(crate) fn thunk(code: &[u8], address: u64) -> Option<(Reached, u32)> {
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut found = None;
    let mut count = 0;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        if found.is_none() {
            count += 1;
        }
        let target = match flow(&instruction) {
            Flow::Jump(to) => return found.is_none().then_some((Reached::Address(to), count)),
            Flow::JumpVia(Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            })) if found.is_none() => {
                return Some((Reached::Slot(disp.cast_unsigned()), count));
            }
            Flow::Call(to) => Reached::Address(to),
            Flow::CallVia(Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            })) => Reached::Slot(disp.cast_unsigned()),
            Flow::Next if is_passing(&instruction) => continue,
            Flow::Stop if instruction.flow_control() == FlowControl::Return => return found,
            _ => return None,
        };
        if found.is_some() {
            return None;
        }
        found = Some((target, count));
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an effect changes rsp or rbp or takes what they hold elsewhere.
    fn moves_pointers(effect: &Effect) -> bool {
        let pointer = |register: &Reg| [SP, FP].contains(register);
        match effect {
            Effect::None => false,
            Effect::Set(to, expr) => {
                pointer(to)
                    || match expr {
                        Expr::Const(_) | Expr::Load(_) | Expr::Entry(..) => false,
                        Expr::Copy(from)
                        | Expr::Add(from, _)
                        | Expr::Either(from)
                        | Expr::Plus(from, _) => pointer(from),
                        Expr::Sum(a, b, _) | Expr::Offset(a, b, ..) => pointer(a) || pointer(b),
                    }
            }
            Effect::Store { from, .. } => from.is_some_and(|from| pointer(&from)),
            Effect::Push(_) | Effect::Pop(_) | Effect::Leave | Effect::Realign => true,
            Effect::Clobber { reads, writes, .. } => {
                (writes & (1 << SP | 1 << FP)) | (reads & 1 << FP) != 0
            }
        }
    }

    /// The instructions of `code` that move the pointers or are calls, how many of them `may_move_pointers` does not
    /// foresee, and how many instructions it foresees nothing for.
    fn foreseen(code: &[u8], may_move: impl Fn(&Instruction) -> bool) -> (usize, usize, usize) {
        let mut info = InstructionInfoFactory::new();
        let (mut moving, mut missed, mut passed) = (0, 0, 0);
        let mut reader = Reader::new(code);
        let mut decoded = Instruction::default();
        let mut at = 0;
        while at < code.len() {
            reader.decode(at..code.len(), 0x1000 + at as u64, &mut decoded);
            at += decoded.len();
            let instruction = &decoded;
            let flow = flow(instruction);
            let calls = matches!(flow, Flow::Call(_) | Flow::CallVia(_) | Flow::JumpVia(_));
            let moves = calls || moves_pointers(&effect(instruction, &mut info));
            let may = may_move(instruction);
            moving += usize::from(moves);
            missed += usize::from(moves && !may);
            passed += usize::from(!may);
        }
        (moving, missed, passed)
    }

    /// Bytes of every kind, the same each time (xorshift).
    pub(super) fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[4]
        };
        (0..len).map(|_| next()).collect()
    }

    /// An instruction ends with its range, whatever lies behind.
    #[test]
    fn a_reader_sees_no_more_than_its_range() {
        let code = noise(1 << 14);
        let mut reader = Reader::new(&code);
        let (mut decoded, mut cut) = (Instruction::default(), 0);
        for at in 0..code.len() {
            for end in at + 1..(at + 16).min(code.len()) {
                let range = at..end;
                reader.decode(range.clone(), 0x1000, &mut decoded);
                let alone =
                    Decoder::with_ip(64, &code[range], 0x1000, DecoderOptions::NONE).decode();
                assert_eq!(decoded.code(), alone.code(), "{:02x?}", &code[at..end]);
                assert!(alone.is_invalid() || decoded == alone);
                assert!(decoded.len() <= end - at);
                cut += usize::from(alone.is_invalid());
            }
        }
        assert!(cut > 1 << 14, "{cut}");
    }

    #[test]
    fn nothing_moves_the_pointers_unforeseen() {
        let (moving, missed, passed) = foreseen(&noise(1 << 20), may_move_pointers);
        assert!(moving > 10_000 && passed > 10_000, "{moving} {passed}");
        assert_eq!(missed, 0, "of {moving}");
        // The control: without its last rule, `lea` and jumps are missed.
        let less = |instruction: &Instruction| {
            instruction.mnemonic() != Mnemonic::Lea && may_move_pointers(instruction)
        };
        assert!(foreseen(&noise(1 << 20), less).1 > 0);
    }
}
