//! Compares lifted effects with an independent reading: a disassembler's text, by its first operand and its
//! write-back.

use super::abi::SP;
use super::effect::lift;
use crate::ir::{Effect, Regs};

/// What an instruction's text says that it writes: registers (bit 31: the stack pointer), and memory or not.
/// None where the text is no instruction.
fn said(text: &str) -> Option<(Regs, bool)> {
    let text = text.split("//").next()?.trim();
    let (op, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    if op.starts_with('.') || op == "udf" || op == "invalid" {
        return None;
    }
    let number = |operand: &str| -> Option<Regs> {
        let operand = operand.trim().trim_end_matches('!');
        let operand = operand.trim_matches(['[', ']']);
        match operand {
            "sp" | "wsp" => return Some(1 << 31),
            "xzr" | "wzr" => return Some(0),
            _ => {}
        }
        let n: u32 = operand.strip_prefix(['x', 'w'])?.parse().ok()?;
        Some(1 << n)
    };
    let store = op.starts_with("st");
    let exclusive = ["stxr", "stlxr", "stxp", "stlxp"]
        .iter()
        .any(|name| op.starts_with(name));
    let atomic = [
        "ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp", "cas",
    ]
    .iter()
    .any(|name| op.starts_with(name));
    let silent = [
        "cmp", "cmn", "tst", "ccmp", "ccmn", "prf", "msr", "sys", "cb", "tb", "br", "bl", "ret",
        "dc", "ic", "at", "tlbi", "rmif", "setf", "ctermeq", "ctermne", "cfp", "dvp", "cpp", "bti",
        "hint", "eret",
    ];
    let silent =
        op == "b" || op.starts_with("b.") || silent.iter().any(|name| op.starts_with(name));
    let mut writes = 0;
    let (registers, address) = rest.split_once('[').unwrap_or((rest, ""));
    if !silent && (!store || exclusive) {
        let mut operands = registers.split(',');
        writes |= operands.next().and_then(number).unwrap_or(0);
        let pair = ["ldp", "ldnp", "ldxp", "ldaxp", "ldpsw", "ldiapp"].contains(&op);
        if pair || atomic {
            writes |= operands.next().and_then(number).unwrap_or(0);
        }
    }
    let back = rest.contains("]!") || address.contains("],");
    if back {
        writes |= address
            .split([',', ']'])
            .next()
            .and_then(number)
            .unwrap_or(0);
    }
    Some((writes, store || atomic))
}

/// What the lifter says.
fn lifted(word: u32) -> (Regs, bool) {
    let mut steps = Vec::new();
    lift(0x10_0000, word, &mut steps);
    steps
        .iter()
        .fold((0, false), |(writes, stores), step| match step.effect {
            Effect::Set(to, _) => (writes | 1 << to, stores),
            Effect::Realign => (writes | 1 << SP, stores),
            Effect::Store { .. } => (writes, true),
            Effect::Clobber {
                writes: more,
                store,
                ..
            } => (writes | more, stores || store.is_some()),
            _ => (writes, stores),
        })
}

#[test]
fn nothing_is_written_that_the_lifter_does_not_say() {
    use yaxpeax_arch::{Decoder as _, U8Reader};
    let decoder = yaxpeax_arm::armv8::a64::InstDecoder::default();
    // xorshift: the same words every time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut checked = 0;
    for _ in 0..400_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = u32::try_from(state >> 32).unwrap();
        let Ok(instruction) = decoder.decode(&mut U8Reader::new(&word.to_le_bytes())) else {
            continue;
        };
        let text = instruction.to_string();
        let Some((writes, stores)) = said(&text) else {
            continue;
        };
        let (ours, ours_store) = lifted(word);
        assert!(
            writes & !ours == 0 && (ours_store || !stores),
            "{word:#010x} {text}: writes {writes:#x}, memory {stores}; lifted to {ours:#x}, memory {ours_store}"
        );
        checked += 1;
    }
    assert!(checked > 100_000, "only {checked} words were instructions");
}
