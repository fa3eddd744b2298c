//! Compares short-cuts with what the decoder says, over bytes of every kind.

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic};

use super::abi::{FP, SP};
use super::decode::{Reader, flow};
use super::effect::{effect, may_move_pointers};
use crate::ir::{Effect, Expr, Flow, Reg};

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
            let alone = Decoder::with_ip(64, &code[range], 0x1000, DecoderOptions::NONE).decode();
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
