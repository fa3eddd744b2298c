//! What one instruction does that a walk has to know.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind,
    Register,
};

/// One decoded instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Insn {
    /// Its length in bytes.
    pub(super) len: u64,
    /// The function it belongs to, as the caller of [`Insn::decode`] numbers them.
    pub(super) symbol: u32,
    /// `call`: it leaves a return address behind.
    pub(super) call: bool,
    /// `lock …`, or `xchg` with memory.
    pub(super) atomic: bool,
    /// `syscall`.
    pub(super) syscall: bool,
    /// `rep movs` and the like: one step is one repetition.
    pub(super) repeats: bool,
    /// `int3`: the trap it makes is the program's own.
    pub(super) breakpoint: bool,
    /// The next instruction is always the one behind it, and the stack stays the
    /// same.
    pub(super) straight: bool,
    /// A `jmp`, `call` or conditional jump that says where it goes.
    pub(super) branch: Option<Branch>,
    /// What it does to the stack pointer.
    pub(super) stack: StackPointer,
}

/// Where an instruction may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Branch {
    pub(super) target: u64,
    /// It may as well go on behind itself.
    pub(super) conditional: bool,
}

/// What an instruction does to the stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StackPointer {
    /// Nothing, or a move within the stack: `push`, `call`, `sub rsp, 8` …
    Moves,
    /// Sets it from a register: `mov rsp, rax`, `leave`.
    Sets,
    /// Loads it from memory: `mov rsp, [rdi+0x38]`.
    Loads,
}

/// The longest instruction, in bytes.
pub(super) const MAX_LEN: usize = 15;

impl Insn {
    /// Decodes the instruction at `address`.
    pub(super) fn decode(bytes: &[u8], address: u64, symbol: u32) -> Self {
        let insn = decode(bytes, address);
        let stack = stack_pointer(&insn);
        let exchange = insn.mnemonic() == Mnemonic::Xchg && has_memory_operand(&insn);
        Self {
            len: insn.len().max(1) as u64,
            symbol,
            call: insn.mnemonic() == Mnemonic::Call,
            atomic: insn.has_lock_prefix() || exchange,
            syscall: insn.mnemonic() == Mnemonic::Syscall,
            repeats: insn.is_string_instruction()
                && (insn.has_rep_prefix() || insn.has_repne_prefix()),
            breakpoint: insn.mnemonic() == Mnemonic::Int3,
            branch: branch(&insn),
            straight: insn.flow_control() == FlowControl::Next
                && stack == StackPointer::Moves
                && !insn.is_invalid(),
            stack,
        }
    }
}

/// The instruction in Intel syntax, a jump's target relative to the instruction
/// pointer as it is in the code: `call qword ptr [rip+0x2fe2]`.
pub(super) fn text(bytes: &[u8], address: u64) -> String {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_rip_relative_addresses(true);
    options.set_space_after_operand_separator(true);
    options.set_branch_leading_zeros(false);
    options.set_show_branch_size(false);
    let mut text = String::new();
    formatter.format(&decode(bytes, address), &mut text);
    text
}

/// Where a near `call` or `jmp` goes, if the instruction says.
pub(super) fn target(bytes: &[u8], address: u64) -> Option<u64> {
    branch(&decode(bytes, address)).map(|branch| branch.target)
}

fn decode(bytes: &[u8], address: u64) -> Instruction {
    Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode()
}

fn branch(insn: &Instruction) -> Option<Branch> {
    let conditional = match insn.flow_control() {
        FlowControl::ConditionalBranch => true,
        FlowControl::UnconditionalBranch | FlowControl::Call => false,
        _ => return None,
    };
    let says = insn.op0_kind() == OpKind::NearBranch64;
    says.then(|| Branch {
        target: insn.near_branch_target(),
        conditional,
    })
}

fn has_memory_operand(insn: &Instruction) -> bool {
    (0..insn.op_count()).any(|operand| insn.op_kind(operand) == OpKind::Memory)
}

fn stack_pointer(insn: &Instruction) -> StackPointer {
    let names_it = |operand| {
        insn.op_kind(operand) == OpKind::Register
            && insn.op_register(operand).full_register() == Register::RSP
    };
    match insn.mnemonic() {
        Mnemonic::Leave => StackPointer::Sets,
        Mnemonic::Pop if names_it(0) => StackPointer::Loads,
        Mnemonic::Add | Mnemonic::Sub | Mnemonic::And | Mnemonic::Inc | Mnemonic::Dec => {
            StackPointer::Moves
        }
        Mnemonic::Push | Mnemonic::Call => StackPointer::Moves,
        Mnemonic::Lea if insn.memory_base() == Register::RSP => StackPointer::Moves,
        Mnemonic::Lea if names_it(0) => StackPointer::Sets,
        _ if !(0..insn.op_count()).any(names_it) => StackPointer::Moves,
        _ if has_memory_operand(insn) => StackPointer::Loads,
        _ => StackPointer::Sets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insn(bytes: &[u8]) -> Insn {
        Insn::decode(bytes, 0x1000, 0)
    }

    #[test]
    fn only_what_sets_the_stack_pointer_can_switch_stacks() {
        for (bytes, stack, text) in [
            (&[0x48, 0x89, 0xfc][..], StackPointer::Sets, "mov rsp, rdi"),
            (
                &[0x48, 0x8b, 0x67, 0x38],
                StackPointer::Loads,
                "mov rsp, [rdi+0x38]",
            ),
            (&[0x48, 0x94], StackPointer::Sets, "xchg rax, rsp"),
            (&[0x5c], StackPointer::Loads, "pop rsp"),
            (&[0xc9], StackPointer::Sets, "leave"),
            (
                &[0x48, 0x8d, 0x65, 0xd8],
                StackPointer::Sets,
                "lea rsp, [rbp-0x28]",
            ),
        ] {
            assert_eq!(insn(bytes).stack, stack, "{text}");
        }
        for ordinary in [
            &[0x55][..],                     // push rbp
            &[0x5d],                         // pop rbp
            &[0xc3],                         // ret
            &[0x48, 0x83, 0xec, 0x08],       // sub rsp, 8
            &[0x48, 0x83, 0xe4, 0xe0],       // and rsp, -32
            &[0x48, 0x8d, 0x64, 0x24, 0x08], // lea rsp, [rsp+8]
            &[0x48, 0x89, 0x27],             // mov [rdi], rsp: memory is written
        ] {
            let stack = insn(ordinary).stack;
            // A store of rsp names it, and never moves it: the walk looks only
            // where it moved.
            let store = ordinary == [0x48, 0x89, 0x27];
            assert!(stack == StackPointer::Moves || store, "{ordinary:x?}");
        }
    }

    #[test]
    fn atomics_are_lock_and_exchange_with_memory() {
        for (bytes, atomic, text) in [
            (
                &[0xf0, 0x48, 0x0f, 0xb1, 0x0f][..],
                true,
                "lock cmpxchg [rdi], rcx",
            ),
            (&[0x87, 0x07], true, "xchg [rdi], eax"),
            (&[0x87, 0xc8], false, "xchg eax, ecx"),
            (&[0x48, 0x0f, 0xb1, 0x0f], false, "cmpxchg [rdi], rcx"),
        ] {
            assert_eq!(insn(bytes).atomic, atomic, "{text}");
        }
    }

    #[test]
    fn text_is_position_independent() {
        assert_eq!(
            text(&[0xff, 0x15, 0xe2, 0x2f, 0, 0], 0x1000),
            "call qword ptr [rip+0x2fe2]"
        );
        assert_eq!(text(&[0xff, 0xe0], 0x1000), "jmp rax");
        assert_eq!(target(&[0xe8, 0, 0, 0, 0], 0x1000), Some(0x1005));
    }
}
