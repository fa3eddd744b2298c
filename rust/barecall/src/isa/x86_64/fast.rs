//! Skimming: where instructions begin, where control transfers, and what each may change, without decoding them whole.
//!
//! A program's instructions have few shapes: prefix, REX byte, opcode and ModRM byte. How long an instruction is
//! (but for its address), whether it transfers control, and which registers it writes depend on nothing else. So what
//! `iced-x86` says of one instruction of a shape is remembered for all of it, and a shape that is not as simple is
//! decoded every time it is met. Of opcodes this file itself knows which of them a ModRM byte follows, and how long
//! most are; where the decoder says otherwise, it is the decoder that counts.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory};

use super::abi::SYSTEM_V;
use super::decode::{Reader, flow};
use super::effect::{effect, may_move_pointers};
use super::summary::InstructionSummary;
use crate::ir::{ControlTransfer, ControlTransfers, Flow};

/// The longest instruction, in bytes.
const LONGEST: usize = 15;
/// So many bytes from an instruction's first on are looked at, whether they belong to it or not.
pub(crate) const WINDOW: usize = 16;

/// Of a remembered shape: it has been learnt,
const KNOWN: u32 = 1 << 31;
/// it is one of the usual: it has no prefix, and [`FORMS`] knows how long it is,
const USUAL: u32 = 1 << 30;
/// it has an address behind its ModRM byte,
const ADDRESS: u32 = 1 << 29;
/// and how long it is without prefixes and address (four bits from here on). The rest are the bits of [`InstructionSummary::what`].
const LENGTH: u32 = 24;

/// So many instructions are written down at once.
const BATCH: usize = 64;

/// The prefixes that change what an opcode means, or its operands. A shape has one of them, or none.
const PREFIXES: [u8; 5] = [0x66, 0xf2, 0xf3, 0xf0, 0x67];
/// No REX byte, or one: its W, R and B; X only says more of an address.
const REX: usize = 9;
const SHAPES: usize = (1 + PREFIXES.len()) * REX * (2 << 16);

/// Every shape that was met so far, in any image. Written at most once for each shape, with what depends on nothing but
/// the shape: whoever does it writes the same.
static REMEMBERED: [AtomicU32; SHAPES] = [const { AtomicU32::new(0) }; SHAPES];

/// Appends what is known of the instructions in the first `len` bytes of `place`, a range of the reader's bytes that lies
/// at `address`, at most `most` of them, and those at which control transfers. What lies behind the `len` bytes does not
/// matter, but with [`WINDOW`] bytes more the last need not be decoded.
pub(crate) fn skim(
    reader: &mut Reader<'_>,
    place: Range<usize>,
    len: usize,
    address: u64,
    most: usize,
    summaries: &mut Vec<InstructionSummary>,
    transfers: &mut ControlTransfers,
) {
    let bytes = reader.bytes;
    let code = &bytes[place.clone()];
    let len = len.min(code.len());
    let most = summaries.len().saturating_add(most);
    let mut decoded = Instruction::default();
    let mut batch = [InstructionSummary::default(); BATCH];
    let mut transferring = [0_u8; BATCH];
    let mut at = 0;
    while at < len && summaries.len() < most {
        let first = summaries.len();
        let room = (most - first).min(BATCH);
        let (mut done, mut transferred) = (0, 0);
        while done < room {
            let Some(window) = code.get(at..).and_then(|code| code.first_chunk()) else {
                break;
            };
            let Some(Known { shape, size }) = usual(window).or_else(|| self::shape(window)) else {
                break;
            };
            if at + size > len {
                break;
            }
            let ip = address.wrapping_add(at as u64);
            batch[done] = InstructionSummary::new(ip, size, shape, transfers.len() + transferred);
            // Without a branch: which instructions transfer, no processor foresees. The next overwrites one that does not.
            transferring[transferred] = done as u8;
            transferred += usize::from(shape & InstructionSummary::TRANSFER != 0);
            at += size;
            done += 1;
        }
        for &transfer in &transferring[..transferred] {
            let summary = batch[usize::from(transfer)];
            // If it goes by a distance, it has at most eight bytes.
            let begin = summary.at().wrapping_sub(address) as usize;
            let bytes = code[begin..].first_chunk().map_or(0, first_word);
            let last = bytes.wrapping_shl(64_u32.wrapping_sub(8 * u32::from(summary.size())));
            let distance = last.cast_signed()
                >> if summary.is(InstructionSummary::NEAR) {
                    32
                } else {
                    56
                };
            let target = summary.behind().wrapping_add_signed(distance);
            transfers.push_kind(first + usize::from(transfer), summary.kind(), target);
        }
        summaries.extend_from_slice(&batch[..done]);
        if done == room || at == len {
            continue;
        }
        let ip = address.wrapping_add(at as u64);
        reader.decode(place.start + at..place.start + len, ip, &mut decoded);
        let flow = flow(&decoded);
        let what = match flow {
            Flow::CallVia(_) | Flow::JumpVia(_) => {
                InstructionSummary::POINTERS | InstructionSummary::TRANSFER
            }
            Flow::Next => InstructionSummary::VAGUE,
            _ => InstructionSummary::VAGUE | InstructionSummary::TRANSFER,
        };
        summaries.push(InstructionSummary::new(
            ip,
            decoded.len(),
            what,
            transfers.len(),
        ));
        transfers.push(summaries.len() - 1, flow);
        at += decoded.len();
    }
}

/// An instruction whose shape is remembered.
struct Known {
    shape: u32,
    /// How many bytes long it is.
    size: usize,
}

fn first_word(window: &[u8; WINDOW]) -> u64 {
    window
        .first_chunk()
        .map_or(0, |&word| u64::from_le_bytes(word))
}

/// What is known of the instruction that begins here, if it is one of the usual. The same as [`shape`], sooner: how long
/// it is, and so where the next begins, has not to wait for what is remembered.
#[inline(always)]
fn usual(window: &[u8; WINDOW]) -> Option<Known> {
    let mut word = first_word(window);
    // Without a branch: whether there is a REX byte is anybody's guess.
    let byte = word as usize;
    let has_rex = byte & 0xf0 == 0x40;
    let extended = usize::from(has_rex);
    word = if has_rex { word >> 8 } else { word };
    let mut opcode = word as usize & 0xff;
    let mut size = extended;
    if opcode == 0x0f {
        word >>= 8;
        opcode = 0x100 | word as usize & 0xff;
        size += 1;
    }
    let form = FORMS[opcode];
    let rest = (word >> 8) as usize;
    let (modrm, sib) = (rest & 0xff, rest >> 8);
    // All ones if there is a ModRM byte.
    let mask = usize::from(form >> 8);
    size += usize::from(form & 0xff) + (address(modrm, sib) & mask);
    let place = place(0, usize::from(REX_BITS[byte & 0xff]), opcode, modrm & mask);
    let shape = REMEMBERED[place].load(Ordering::Relaxed);
    // Or it was not learnt yet.
    (shape & USUAL != 0).then_some(Known { shape, size })
}

/// What is known of the instruction that begins here, if its shape tells it.
#[inline(never)]
fn shape(window: &[u8; WINDOW]) -> Option<Known> {
    let mut word = first_word(window);
    let mut prefixes = 0;
    let mut prefix = 0;
    loop {
        match PREFIX[usize::from(word as u8)] {
            0 => break,
            SEGMENT => {}
            this if prefix == 0 || prefix == usize::from(this) => prefix = this.into(),
            _ => return None,
        }
        prefixes += 1;
        word = u64::from_le_bytes(*window.get(prefixes..)?.first_chunk()?);
    }
    let byte = word as usize;
    let extended = usize::from(byte & 0xf0 == 0x40);
    word >>= 8 * extended;
    let rex = usize::from(REX_BITS[byte & 0xff]);
    let escaped = usize::from(word as u8 == 0x0f);
    word >>= 8 * escaped;
    let opcode = escaped << 8 | word as usize & 0xff;
    let rest = (word >> 8) as usize;
    let modrm = rest & usize::from(MODRM[opcode]);
    let remembered = &REMEMBERED[place(prefix, rex, opcode, modrm)];
    let mut shape = remembered.load(Ordering::Relaxed);
    if shape == 0 {
        shape = learn(prefix, rex, opcode, modrm as u8);
        remembered.store(shape, Ordering::Relaxed);
    }
    let address = if shape & ADDRESS == 0 {
        0
    } else {
        address(modrm, rest >> 8)
    };
    let size = prefixes + extended + escaped + (shape >> LENGTH & 15) as usize + address;
    let longest = if shape & InstructionSummary::TRANSFER == 0 {
        LONGEST
    } else {
        8
    };
    // A segment may say that a slot lies elsewhere.
    let elsewhere =
        prefixes != 0 && ControlTransfer::is_through_slot(InstructionSummary::kind_in(shape));
    (shape != KNOWN && size <= longest && !elsewhere).then_some(Known { shape, size })
}

/// For each byte that is a REX byte, its W, R and B, counted from 1.
const REX_BITS: [u8; 256] = {
    let mut all = [0; 256];
    let mut byte = 0x40;
    while byte < 0x50 {
        all[byte] = 1 + (byte as u8 & 1) + (byte as u8 >> 1 & 6);
        byte += 1;
    }
    all
};

/// How many bytes of address follow a ModRM byte.
fn address(modrm: usize, sib: usize) -> usize {
    let far = modrm & 0xc7 == 4 && sib & 7 == 5;
    usize::from(ADDRESSES[modrm]) + 4 * usize::from(far)
}

/// Where a shape is remembered.
const fn place(prefix: usize, rex: usize, opcode: usize, modrm: usize) -> usize {
    (prefix * REX + rex) << 17 | opcode << 8 | modrm
}

/// Asks `iced-x86` about an instruction of a shape.
#[cold]
fn learn(prefix: usize, rex: usize, opcode: usize, modrm: u8) -> u32 {
    if is_unclear(opcode) {
        return KNOWN;
    }
    // No number in it is 0, which may do nothing: shifting by it, say. An address is [rcx + rax + ...].
    let mut bytes = [1; WINDOW + 4];
    let mut len = 0;
    let mut push = |byte: u8| {
        bytes[len] = byte;
        len += 1;
    };
    if prefix != 0 {
        push(PREFIXES[prefix - 1]);
    }
    if rex != 0 {
        let bits = rex - 1;
        push(0x40 | (bits & 1) as u8 | ((bits & 6) << 1) as u8);
    }
    let before = usize::from(prefix != 0) + usize::from(rex != 0);
    if opcode >> 8 != 0 {
        push(0x0f);
    }
    push((opcode & 0xff) as u8);
    let has_modrm = MODRM[opcode] != 0;
    if has_modrm {
        push(modrm);
    }
    let instruction = Decoder::with_ip(64, &bytes, 0, DecoderOptions::NONE).decode();
    if instruction.is_invalid() {
        return KNOWN;
    }
    let is_address = has_modrm && modrm < 0xc0;
    let addressed = if is_address {
        address(modrm.into(), 1)
    } else {
        0
    };
    let size = instruction.len();
    let Some(length) = size.checked_sub(before + (opcode >> 8) + addressed) else {
        return KNOWN;
    };
    let usual = prefix == 0 && length == usize::from(FORMS[opcode] & 0xff);
    let flow = flow(&instruction);
    let (near, short) = (0x0101_0101 + size as u64, 1 + size as u64);
    let far = match flow {
        Flow::Next | Flow::Stop => 0,
        Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to) if to == near => {
            InstructionSummary::NEAR
        }
        Flow::Call(to) | Flow::Jump(to) | Flow::Branch(to) if to == short => 0,
        Flow::CallVia(place) | Flow::JumpVia(place) if place.slot() == Some(near) => {
            InstructionSummary::NEAR
        }
        _ => return KNOWN,
    };
    let writes = SYSTEM_V.writes(&effect(&instruction, &mut InstructionInfoFactory::new()));
    let lea = opcode == 0x8d && modrm & 7 == 4;
    KNOWN
        | if usual { USUAL } else { 0 }
        | if is_address { ADDRESS } else { 0 }
        | (length as u32) << LENGTH
        | far
        | InstructionSummary::of_kind(ControlTransfer::kind_of(flow))
        | InstructionSummary::writing(writes)
        | if lea || may_move_pointers(&instruction) {
            InstructionSummary::POINTERS
        } else {
            0
        }
}

/// Whether an opcode's shape tells too little: it is a prefix, one of longer opcodes, or about control registers.
const fn is_unclear(opcode: usize) -> bool {
    matches!(
        opcode,
        0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x62 | 0x64..=0x67 | 0x8f | 0xc4 | 0xc5 | 0xf0 | 0xf2 | 0xf3
            | 0x10f | 0x120..=0x127 | 0x138 | 0x13a
    )
}

/// How long instructions are by their opcodes, without prefixes, REX byte and address, and above that eight bits more,
/// all ones if there is a ModRM byte; those behind 0F come second. Some are longer: those are not among the usual.
const FORMS: [u16; 512] = {
    let mut all = [0; 512];
    let mut opcode = 0;
    while opcode < 512 {
        let immediate = match opcode {
            0..=0x3f if opcode & 7 == 4 => 1,
            0..=0x3f if opcode & 7 == 5 => 4,
            0x6a | 0x6b | 0x70..=0x80 | 0x83 | 0xa8 | 0xb0..=0xb7 | 0xc0 | 0xc1 | 0xc6 | 0xeb => 1,
            0x68 | 0x69 | 0x81 | 0xa9 | 0xb8..=0xbf | 0xc7 | 0xe8 | 0xe9 | 0x180..=0x18f => 4,
            0x170..=0x173 | 0x1a4 | 0x1ac | 0x1ba | 0x1c2 | 0x1c4..=0x1c6 => 1,
            _ => 0,
        };
        let modrm = MODRM[opcode] as u16;
        all[opcode] = (modrm << 8) | (1 + (modrm & 1) + immediate);
        opcode += 1;
    }
    all
};

/// All ones for each opcode that a ModRM byte follows; those behind 0F come second.
const MODRM: [u8; 512] = {
    let mut all = [0; 512];
    let mut opcode = 0;
    while opcode < 512 {
        let is = match opcode {
            0..=0x3f => opcode & 7 < 4,
            0x63 | 0x69 | 0x6b | 0x80..=0x8e | 0xc0 | 0xc1 | 0xc6 | 0xc7 => true,
            0xd0..=0xd3 | 0xd8..=0xdf | 0xf6 | 0xf7 | 0xfe | 0xff => true,
            0x104..=0x10c | 0x10e | 0x130..=0x137 | 0x177 | 0x180..=0x18f => false,
            0x1a0..=0x1a2 | 0x1a8..=0x1aa | 0x1c8..=0x1cf => false,
            _ => opcode >= 0x100,
        };
        if is {
            all[opcode] = 0xff;
        }
        opcode += 1;
    }
    all
};

/// For each byte that is a prefix, which of [`PREFIXES`], counted from 1, or [`SEGMENT`].
const PREFIX: [u8; 256] = {
    let mut all = [0; 256];
    let mut n = 0;
    while n < PREFIXES.len() {
        all[PREFIXES[n] as usize] = n as u8 + 1;
        n += 1;
    }
    let segments = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
    let mut n = 0;
    while n < segments.len() {
        all[segments[n]] = SEGMENT;
        n += 1;
    }
    all
};

/// A segment only says more of an address.
const SEGMENT: u8 = u8::MAX;

/// How many bytes of address follow each ModRM byte, if the SIB byte among them asks for no more.
const ADDRESSES: [u8; 256] = {
    let mut all = [0; 256];
    let mut modrm = 0;
    while modrm < 0xc0 {
        let sib = if modrm & 7 == 4 { 1 } else { 0 };
        all[modrm] = sib
            + match modrm >> 6 {
                0 if modrm & 7 == 5 => 4,
                0 => 0,
                1 => 1,
                _ => 4,
            };
        modrm += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use super::super::abi::SYSTEM_V;
    use super::super::tests::noise;
    use super::*;

    /// How many instructions there are, and how many of them are known by their shapes.
    #[derive(Debug, Default)]
    struct Tally {
        all: usize,
        known: usize,
    }

    /// Skims `code`, as far as `most` instructions, and compares with the decoder's word on each.
    fn compare(code: &[u8], most: usize, tally: &mut Tally) -> Result<(), String> {
        let mut summaries = Vec::new();
        let mut transfers = ControlTransfers::default();
        let mut reader = Reader::new(code);
        let all = 0..code.len();
        skim(
            &mut reader,
            all,
            code.len(),
            0x1000,
            most,
            &mut summaries,
            &mut transfers,
        );
        let mut info = InstructionInfoFactory::new();
        let mut decoded = Instruction::default();
        let mut at = 0;
        let mut transfer = transfers.iter();
        for (index, summary) in summaries.iter().enumerate() {
            let ip = 0x1000 + at as u64;
            Reader::new(&code[at..]).decode(0..code.len() - at, ip, &mut decoded);
            let here = || format!("{:02x?}", &code[at..(at + 16).min(code.len())]);
            if summary.at() != ip || usize::from(summary.size()) != decoded.len() {
                return Err(format!(
                    "{}: {} bytes, not {}",
                    here(),
                    summary.size(),
                    decoded.len()
                ));
            }
            let flow = flow(&decoded);
            let skimmed = if summary.is(InstructionSummary::TRANSFER) {
                transfer
                    .next()
                    .map(|transfer| (transfer.index as usize, transfers.flow(transfer)))
            } else {
                Some((index, Flow::Next))
            };
            if skimmed != Some((index, flow)) {
                return Err(format!("{}: {skimmed:?}, not {flow:?}", here()));
            }
            tally.all += 1;
            if !summary.is(InstructionSummary::VAGUE) {
                tally.known += 1;
                let writes = SYSTEM_V.writes(&effect(&decoded, &mut info));
                let missed = writes & !summary.writes();
                if missed != 0
                    || may_move_pointers(&decoded) && !summary.is(InstructionSummary::POINTERS)
                {
                    return Err(format!(
                        "{}: {missed:#x} is written as well, or pointers move",
                        here()
                    ));
                }
            }
            at += decoded.len();
        }
        if (at == code.len() || summaries.len() == most) && transfer.next().is_none() {
            Ok(())
        } else {
            Err("it is not all of it".to_owned())
        }
    }

    /// Every shape, with several addresses and numbers behind it: as the decoder has it.
    #[test]
    fn every_shape_is_as_the_decoder_has_it() {
        let prefixes: [&[u8]; 9] = [
            &[],
            &[0x64],
            &[0x2e],
            &[0x66],
            &[0xf2],
            &[0xf3],
            &[0xf0],
            &[0x67],
            &[0x2e, 0x66],
        ];
        // The SIB byte first: with a base, without, and without even an index.
        let rests = [
            [0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0x85, 0xff, 0x7f, 0x80, 0x12, 0xe8, 3, 1, 0x90, 0],
            [0x65, 8, 0xff, 0xff, 0xff, 0x7f, 0x3f, 0x21, 0xc3, 0x0f],
        ];
        let rexes = [0, 0x41, 0x42, 0x48, 0x4d];
        let mut tally = Tally::default();
        let mut code = Vec::new();
        for (prefix, rex) in prefixes
            .iter()
            .flat_map(|prefix| rexes.map(|rex| (prefix, rex)))
        {
            for (opcode, modrm) in
                (0..0x200).flat_map(|opcode| (0..=0xff).map(move |modrm| (opcode, modrm)))
            {
                for rest in rests {
                    code.clear();
                    code.extend_from_slice(prefix);
                    code.extend((rex != 0).then_some(rex));
                    code.extend((opcode > 0xff).then_some(0x0f));
                    code.extend([(opcode & 0xff) as u8, modrm]);
                    code.extend_from_slice(&rest);
                    code.extend_from_slice(&[0x90; WINDOW]);
                    compare(&code, 1, &mut tally).unwrap();
                }
            }
        }
        assert!(tally.known > tally.all / 2, "{tally:?}");
    }

    #[test]
    fn noise_and_real_code_are_as_the_decoder_has_them() {
        let mut tally = Tally::default();
        compare(&noise(1 << 21), usize::MAX, &mut tally).unwrap();
        let image = crate::Image::current().unwrap();
        if image.architecture() != crate::Architecture::X86_64 {
            return;
        }
        let mut real = Tally::default();
        for piece in image.functions.iter().take(2000) {
            let len = usize::try_from(piece.end - piece.start).unwrap();
            compare(image.contents(piece.start, len), usize::MAX, &mut real).unwrap();
        }
        // Nearly all is known by its shape, or nothing would be gained.
        assert!(real.known > real.all - real.all / 30, "{real:?}");
    }
}
