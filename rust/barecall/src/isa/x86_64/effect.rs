//! What each instruction does to registers and memory.

use iced_x86::{
    ConditionCode, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
};

use super::abi::SP;
use super::decode::{bit, memory, number, whole};
use crate::ir::{Effect, Expr, Mem, Width};

/// What an instruction does to registers and memory.
pub(crate) fn effect(instruction: &Instruction, info: &mut InstructionInfoFactory) -> Effect {
    exactly(instruction).unwrap_or_else(|| everything(instruction, info))
}

/// What an instruction does, where it is one whose result the data flow follows.
fn exactly(instruction: &Instruction) -> Option<Effect> {
    use Mnemonic as M;
    let (kind0, kind1) = (instruction.op0_kind(), instruction.op1_kind());
    // Of an operand that is not a register, none is.
    let register0 = number(instruction.op0_register());
    let register1 = number(instruction.op1_register());
    let set = |expr| Some(Effect::Set(register0?, expr));
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
        | M::Pause => Some(Effect::None),
        M::Call | M::Jmp | M::Ret | M::Ud2 | M::Int3 => Some(Effect::None),
        M::Leave => Some(Effect::Leave),
        // Newer than the decoder, perhaps: it may do anything, and go on.
        M::INVALID => Some(Effect::anything(0xffff, 0xffff)),
        _ if instruction.is_jcc_short_or_near() => Some(Effect::None),
        M::Mov if kind0 == OpKind::Memory => Some(Effect::Store {
            mem: memory(instruction).unwrap_or(Mem::ANYWHERE),
            width: u8::try_from(instruction.memory_size().size()).unwrap_or(64),
            from: register1,
        }),
        M::Mov => match kind1 {
            OpKind::Register => set(Expr::Copy(register1?)),
            OpKind::Memory => set(Expr::Load(memory(instruction)?)),
            OpKind::Immediate64 | OpKind::Immediate32to64 => {
                set(Expr::Const(instruction.immediate(1)))
            }
            // mov r32, imm32 zero-extends: how non-PIE code takes a function's address.
            OpKind::Immediate32 if instruction.op0_register().is_gpr32() => {
                let value = Expr::Const(instruction.immediate32().into());
                Some(Effect::Set(whole(instruction.op0_register())?, value))
            }
            _ => None,
        },
        M::Lea => {
            let address = memory(instruction).and_then(|mem| match (mem.base, mem.index) {
                (None, None) => set(Expr::Const(mem.disp.cast_unsigned())),
                (Some(base), None) => set(Expr::Add(base, mem.disp)),
                (Some(base), Some((index, shift))) if mem.disp == 0 => {
                    set(Expr::Sum(base, index, shift))
                }
                _ => None,
            });
            // The address is computed, nothing is read or written there.
            address.or_else(|| {
                Some(Effect::Clobber {
                    reads: bit(instruction.memory_base()) | bit(instruction.memory_index()),
                    writes: bit(instruction.op0_register()),
                    store: None,
                })
            })
        }
        M::Movsxd if kind1 == OpKind::Memory => set(Expr::Entry(memory(instruction)?, Width::I32)),
        M::Movzx | M::Movsx if kind1 == OpKind::Memory => {
            let width = match (instruction.mnemonic(), instruction.memory_size().size()) {
                (M::Movzx, 1) => Width::U8,
                (M::Movzx, 2) => Width::U16,
                (M::Movsx, 1) => Width::I8,
                (M::Movsx, 2) => Width::I16,
                _ => return None,
            };
            let entry = Expr::Entry(memory(instruction)?, width);
            Some(Effect::Set(whole(instruction.op0_register())?, entry))
        }
        M::Add | M::Sub => {
            let add = instruction.mnemonic() == M::Add;
            match kind1 {
                OpKind::Immediate8to64 | OpKind::Immediate32to64 => {
                    let by = instruction.immediate(1).cast_signed();
                    set(Expr::Add(
                        register0?,
                        if add { by } else { by.wrapping_neg() },
                    ))
                }
                OpKind::Register if add => set(Expr::Sum(register0?, register1?, 0)),
                OpKind::Memory if add => set(Expr::Plus(register0?, memory(instruction)?)),
                _ => None,
            }
        }
        M::Xor
            if kind0 == OpKind::Register
                && kind1 == OpKind::Register
                && instruction.op0_register() == instruction.op1_register()
                && instruction.op0_register().size() >= 4 =>
        {
            let register = whole(instruction.op0_register())?;
            Some(Effect::Set(register, Expr::Const(0)))
        }
        M::And if register0 == Some(SP) => Some(Effect::Realign),
        M::Push if register0.is_some() => Some(Effect::Push(register0)),
        M::Push if instruction.stack_pointer_increment() == -8 => Some(Effect::Push(None)),
        M::Pop => Some(Effect::Pop(register0?)),
        // cmov: of the instructions with a condition, the only ones that have two registers.
        _ if instruction.condition_code() != ConditionCode::None => set(Expr::Either(register1?)),
        _ => None,
    }
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
