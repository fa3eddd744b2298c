//! Fields of AArch64 instructions that relocations set.

use object::elf::{self, RelocationType};

/// Sets a field of an instruction, if the value fits.
pub(super) fn bits(word: u32, low: u32, width: u32, value: i64, must_fit: bool) -> Option<u32> {
    if must_fit && (value < 0 || value >= 1 << width) {
        return None;
    }
    let mask = (1u32 << width) - 1;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "masked"
    )]
    let value = (value as u32) & mask;
    Some(word & !(mask << low) | (value << low))
}

/// Sets a signed distance in instructions.
pub(super) fn distance(word: u32, low: u32, width: u32, to: u64, at: u64) -> Option<u32> {
    let by = to.wrapping_sub(at).cast_signed();
    let reach = 1i64 << (width + 1);
    if by % 4 != 0 || by < -reach || by >= reach {
        return None;
    }
    bits(word, low, width, by >> 2, false)
}

/// Sets the distance in pages of an `adrp`.
pub(super) fn adrp(word: u32, to: u64, at: u64) -> Option<u32> {
    let pages = (to & !0xfff).wrapping_sub(at & !0xfff).cast_signed() >> 12;
    adr(word, pages)
}

/// Sets the value of an `adr` (or `adrp`).
pub(super) fn adr(word: u32, value: i64) -> Option<u32> {
    if !(-(1 << 20)..1 << 20).contains(&value) {
        return None;
    }
    let word = bits(word, 29, 2, value & 3, false)?;
    bits(word, 5, 19, value >> 2, false)
}

/// The value that an `adr` (or `adrp`) has.
pub(super) fn adr_value(word: u32) -> i64 {
    let value = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    i64::from((value << 11).cast_signed() >> 11)
}

/// `b`, `bl`
pub(super) fn is_branch(word: u32) -> bool {
    word & 0x7c00_0000 == 0x1400_0000
}

/// `b.cond`, `cbz`, `tbz`: never to a symbol that a compiler would call.
pub(super) fn is_near_branch(word: u32) -> bool {
    word & 0xff00_0000 == 0x5400_0000 || word & 0x7c00_0000 == 0x3400_0000
}

pub(super) fn is_adrp(word: u32) -> bool {
    word & 0x9f00_0000 == 0x9000_0000
}

/// The twelve bits of an `add`, or of a load or store.
pub(super) fn low_value(word: u32) -> i64 {
    i64::from(word >> 10 & 0xfff)
}

/// Which relocation puts the low twelve bits of an address into this instruction, and by how much they are shifted:
/// an `add`, or a load or store, which counts in words of its width.
pub(super) fn low_kind(word: u32) -> (RelocationType, u32) {
    if word & 0x1f00_0000 == 0x1100_0000 {
        return (elf::R_AARCH64_ADD_ABS_LO12_NC, 0);
    }
    match (word >> 30, word >> 26 & 1, word >> 23 & 1) {
        // 128 bits: a vector register's whole
        (0, 1, 1) => (elf::R_AARCH64_LDST128_ABS_LO12_NC, 4),
        (0, ..) => (elf::R_AARCH64_LDST8_ABS_LO12_NC, 0),
        (1, ..) => (elf::R_AARCH64_LDST16_ABS_LO12_NC, 1),
        (2, ..) => (elf::R_AARCH64_LDST32_ABS_LO12_NC, 2),
        _ => (elf::R_AARCH64_LDST64_ABS_LO12_NC, 3),
    }
}
