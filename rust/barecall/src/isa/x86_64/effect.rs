//! What each instruction does to registers and memory.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

use super::abi::SP;
use super::decode::{bit, memory, memory_or_anywhere, number, whole};
use crate::ir::{Effect, Expr, Mem, Width};

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
                let expr = memory(instruction).and_then(|mem| match (mem.base, mem.index) {
                    (None, None) => Some(Expr::Const(mem.disp.cast_unsigned())),
                    (Some(base), None) => Some(Expr::Add(base, mem.disp)),
                    (Some(base), Some((index, shift))) if mem.disp == 0 => {
                        Some(Expr::Sum(base, index, shift))
                    }
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
