//! Our own decoding of the fixed-width words, and where control goes.

use super::abi::{LR, SP};
use crate::ir::{Flow, Place, Reg, Regs};

/// `__builtin_debugtrap`
pub(super) const BREAKPOINT: u32 = 0xd43e_0000;

/// The words of `code`; a remainder of fewer than four bytes is no instruction.
pub(crate) fn words(code: &[u8], address: u64) -> impl Iterator<Item = (u64, u32)> + '_ {
    let words = code.chunks_exact(4).map(|word| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(word);
        u32::from_le_bytes(bytes)
    });
    (0u64..)
        .map(move |n| address.wrapping_add(4 * n))
        .zip(words)
}

/// `count` bits of a word from bit `from` up.
pub(super) const fn bits(word: u32, from: u32, count: u32) -> u32 {
    (word >> from) & ((1 << count) - 1)
}

pub(super) const fn bit(word: u32, at: u32) -> bool {
    word >> at & 1 == 1
}

/// A field as a signed number.
pub(super) const fn signed(word: u32, from: u32, count: u32) -> i64 {
    let field = bits(word, from, count) << (32 - count);
    (field.cast_signed() >> (32 - count)) as i64
}

pub(super) const fn reg(word: u32, from: u32) -> Reg {
    // Five bits.
    #[allow(clippy::cast_possible_truncation)]
    {
        bits(word, from, 5) as Reg
    }
}

pub(super) const fn rd(word: u32) -> Reg {
    reg(word, 0)
}
pub(super) const fn rn(word: u32) -> Reg {
    reg(word, 5)
}
pub(super) const fn ra(word: u32) -> Reg {
    reg(word, 10)
}
pub(super) const fn rm(word: u32) -> Reg {
    reg(word, 16)
}

/// A register that is the zero register as number 31.
pub(super) const fn set(register: Reg) -> Regs {
    if register < SP { 1 << register } else { 0 }
}

/// A register that is the stack pointer as number 31.
pub(super) const fn set_or_sp(register: Reg) -> Regs {
    1 << register
}

/// Where control goes after an instruction.
pub(crate) fn flow(at: u64, word: u32) -> Flow {
    let to = |from, count| at.wrapping_add_signed(signed(word, from, count) * 4);
    if word & 0x7c00_0000 == 0x1400_0000 {
        return if bit(word, 31) {
            Flow::Call(to(0, 26))
        } else {
            Flow::Jump(to(0, 26))
        };
    }
    // cbz, cbnz; b.cond, bc.cond
    if word & 0x7e00_0000 == 0x3400_0000 || word & 0xff00_0000 == 0x5400_0000 {
        return Flow::Branch(to(5, 19));
    }
    // tbz, tbnz
    if word & 0x7e00_0000 == 0x3600_0000 {
        return Flow::Branch(to(5, 14));
    }
    // cb<cc>: compare and branch
    if word & 0x7e00_0000 == 0x7400_0000 {
        return Flow::Branch(to(5, 9));
    }
    if word & 0xfe00_0000 == 0xd600_0000 {
        let place = if bits(word, 10, 6) == 0 && !bit(word, 24) {
            Place::Reg(rn(word))
        } else {
            // braa, blraaz …: the pointer's signature is taken off first.
            Place::Elsewhere
        };
        return match bits(word, 21, 3) {
            0 => Flow::JumpVia(place),
            1 => Flow::CallVia(place),
            // A return through another register is a jump in disguise.
            2 if bits(word, 10, 6) == 0 && rn(word) != LR => Flow::JumpVia(place),
            // ret, retaa, eret, drps
            _ => Flow::Stop,
        };
    }
    match word >> 24 {
        // retaasppc, retabsppc
        0x55 => Flow::Stop,
        // svc, hvc and smc come back, and from brk #0xf000 if a debugger wants it; traps do not.
        0xd4 if bits(word, 21, 3) != 0 && word != BREAKPOINT => Flow::Stop,
        // udf
        0 if word >> 16 == 0 => Flow::Stop,
        _ => Flow::Next,
    }
}
