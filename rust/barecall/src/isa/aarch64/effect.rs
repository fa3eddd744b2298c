//! What each instruction does to registers and memory.

use super::abi::{ALL, CONVENTION, LR, SP};
use super::decode::{BREAKPOINT, bit, bits, flow, ra, rd, rm, rn, set, set_or_sp, signed, words};
use std::fmt::Write as _;

use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

use crate::ir::{Effect, Expr, Flow, Mem, Op, Reg, Regs, Width};

/// The address that an adr, adrp or literal load names.
fn named_address(at: u64, word: u32) -> Option<u64> {
    let mut steps = Vec::new();
    if word & 0x1f00_0000 == 0x1000_0000 || word & 0x3b00_0000 == 0x1800_0000 {
        lift(at, word, &mut steps);
    }
    match steps.first()?.effect {
        Effect::Set(_, Expr::Const(to)) => Some(to),
        Effect::Set(_, Expr::Load(mem)) => Some(mem.disp.cast_unsigned()),
        _ => None,
    }
}

/// An instruction as text.
pub(super) fn text(code: &[u8], address: u64) -> String {
    let Some((_, word)) = words(code, address).next() else {
        return String::new();
    };
    // A branch's target is an address here, as in x86-64's listing; the crate prints distances.
    let target = match flow(address, word) {
        Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) => Some(to),
        _ => named_address(address, word),
    };
    let mut text = String::new();
    if let Ok(instruction) = InstDecoder::default().decode(&mut U8Reader::new(code)) {
        // A String takes everything.
        let _ = write!(text, "{instruction}");
    }
    // What the crate does not know (some of the newer tag instructions) it calls invalid.
    if text.is_empty() || text.starts_with("invalid") {
        return format!(".inst {word:#010x}");
    }
    if let Some(to) = target
        && let Some(at) = text.rfind("$")
    {
        text.truncate(at);
        let _ = write!(text, "{to:#x}");
    }
    text
}

/// Appends what an instruction does; one with several effects becomes several steps.
pub(crate) fn lift(at: u64, word: u32, out: &mut Vec<Op>) {
    let flow = flow(at, word);
    let before = out.len();
    if flow == Flow::Next {
        Lifter { at, word, out }.effects();
    }
    if out.len() == before {
        Lifter { at, word, out }.push(Effect::None);
    }
    if let Some(last) = out.last_mut() {
        last.flow = flow;
    }
}

struct Lifter<'a> {
    at: u64,
    word: u32,
    out: &'a mut Vec<Op>,
}

impl Lifter<'_> {
    fn push(&mut self, effect: Effect) {
        self.out.push(Op {
            at: self.at,
            len: 4,
            effect,
            flow: Flow::Next,
        });
    }

    /// A result; one for the zero register is dropped.
    fn set(&mut self, register: Reg, expr: Expr) {
        if register != SP {
            self.push(Effect::Set(register, expr));
        }
    }

    fn clobber(&mut self, reads: Regs, writes: Regs) {
        self.push(Effect::Clobber {
            reads,
            writes,
            store: None,
        });
    }

    /// A result computed from a register that may be the stack pointer: its value goes somewhere unseen.
    fn derive(&mut self, from: Reg, reads: Regs, into: Reg) {
        if from == SP && into != SP {
            self.push(Effect::Set(into, Expr::Copy(SP)));
            self.clobber(reads | set(into), set(into));
        } else {
            self.clobber(reads | set(from), set_or_sp(into));
        }
    }

    fn effects(&mut self) {
        let word = self.word;
        match bits(word, 25, 4) {
            0b1000 | 0b1001 => self.immediate(),
            0b1010 | 0b1011 => self.system(),
            0b0100 | 0b0110 | 0b1100 | 0b1110 => self.memory(),
            0b0101 | 0b1101 => self.register(),
            0b0111 | 0b1111 => self.vector(),
            0b0010 => self.scalable(),
            // SME and what is not allocated yet.
            _ => self.push(Effect::anything(ALL, ALL)),
        }
    }

    fn immediate(&mut self) {
        let word = self.word;
        let wide = bit(word, 31);
        match bits(word, 23, 3) {
            0 | 1 => {
                let by = signed(word, 5, 19) << 2 | i64::from(bits(word, 29, 2));
                let to = if wide {
                    (self.at & !0xfff).wrapping_add_signed(by << 12)
                } else {
                    self.at.wrapping_add_signed(by)
                };
                self.set(rd(word), Expr::Const(to));
            }
            2 => {
                let by = i64::from(bits(word, 10, 12)) << if bit(word, 22) { 12 } else { 0 };
                let by = if bit(word, 30) { -by } else { by };
                // adds, subs: 31 is the zero register (cmp).
                if bit(word, 29) && rd(word) == SP {
                    return;
                }
                if wide {
                    self.push(Effect::Set(rd(word), Expr::Add(rn(word), by)));
                } else {
                    self.derive(rn(word), 0, rd(word));
                }
            }
            // addg, subg
            3 => self.derive(rn(word), 0, rd(word)),
            4 => {
                let and = bits(word, 29, 2) == 0;
                if and && wide && rd(word) == SP {
                    // The stack is aligned: sub x9, sp, #n; and sp, x9, #-64
                    self.push(Effect::Set(SP, Expr::Copy(rn(word))));
                    self.push(Effect::Realign);
                } else if bits(word, 29, 2) == 3 {
                    self.clobber(set(rn(word)), set(rd(word)));
                } else {
                    self.clobber(set(rn(word)), set_or_sp(rd(word)));
                }
            }
            5 => {
                let shift = 16 * bits(word, 21, 2);
                let value = u64::from(bits(word, 5, 16)) << shift;
                let mask = if wide { u64::MAX } else { 0xffff_ffff };
                match bits(word, 29, 2) {
                    0 => self.set(rd(word), Expr::Const(!value & mask)),
                    2 => self.set(rd(word), Expr::Const(value & mask)),
                    _ => self.clobber(0, set(rd(word))),
                }
            }
            // autiasppc, autibsppc
            7 if word & 0xffc0_001f == 0xf380_001f => {
                self.clobber(0, 1 << LR);
            }
            6 => self.clobber(set(rn(word)), set(rd(word))),
            _ => self.clobber(set(rn(word)) | set(rm(word)), set(rd(word))),
        }
    }

    fn system(&mut self) {
        let word = self.word;
        if word == BREAKPOINT {
            // Waits for the debugger.
        } else if word >> 24 == 0xd4 {
            // Into the kernel, which writes where the arguments say.
            self.push(Effect::anything(ALL, CONVENTION.caller_saved));
        } else if word & 0xffff_f01f == 0xd503_201f {
            match bits(word, 5, 7) {
                // nop, yield, wfe, wfi, sev, sevl; esb, psb, tsb, csdb; bti
                0..=5 | 16..=18 | 20 | 32..=39 => {}
                // paciasp, autia1716, xpaclri, chkfeat and what may come
                _ => self.clobber(0, 1 << 16 | 1 << 17 | 1 << LR),
            }
        } else if word & 0xffff_f000 == 0xd503_3000 {
            // Barriers.
        } else if word & 0xffe0_0000 == 0xd520_0000 {
            // mrs, sysl
            self.clobber(0, set(rd(word)));
        } else {
            // msr; sys, of which dc zva writes memory; pairs of registers
            let pair = set(rd(word)) | set((rd(word) + 1).min(SP));
            let is_msr = word & 0xffe0_0000 == 0xd500_0000;
            self.push(Effect::anything(pair, if is_msr { 0 } else { pair }));
        }
    }

    fn register(&mut self) {
        let word = self.word;
        let (d, n, m) = (rd(word), rn(word), rm(word));
        let wide = bit(word, 31);
        let sources = set(n) | set(m);
        match (bits(word, 24, 5), bits(word, 21, 3)) {
            (0x0a, _) => {
                // orr with the zero register and no shift: mov
                let plain = word & 0x7fe0_ffe0 == 0x2a00_03e0;
                match (plain, m) {
                    (true, SP) => self.set(d, Expr::Const(0)),
                    (true, _) if wide => self.set(d, Expr::Copy(m)),
                    _ => self.clobber(sources, set(d)),
                }
            }
            (0x0b, op) if op & 1 == 0 => {
                let shift = u8::try_from(bits(word, 10, 6)).unwrap_or(0);
                let add = wide && !bit(word, 30) && op == 0;
                match (add, n, m) {
                    (true, SP, SP) => self.set(d, Expr::Const(0)),
                    (true, _, SP) => self.set(d, Expr::Copy(n)),
                    (true, SP, _) if shift == 0 => self.set(d, Expr::Copy(m)),
                    (true, _, _) if n != SP => self.set(d, Expr::Sum(n, m, shift)),
                    _ => self.clobber(sources, set(d)),
                }
            }
            (0x0b, op) => {
                if bit(word, 29) && d == SP {
                    // cmp, cmn
                    return;
                }
                let shift = u8::try_from(bits(word, 10, 3)).unwrap_or(0);
                let add = wide && !bit(word, 30) && op == 1;
                let extend = match bits(word, 13, 3) {
                    0 => Some(Width::U8),
                    1 => Some(Width::U16),
                    2 => Some(Width::U32),
                    4 => Some(Width::I8),
                    5 => Some(Width::I16),
                    6 => Some(Width::I32),
                    _ => None,
                };
                match (add, extend) {
                    (true, _) if m == SP => self.push(Effect::Set(d, Expr::Copy(n))),
                    (true, None) => self.push(Effect::Set(d, Expr::Sum(n, m, shift))),
                    (true, Some(width)) => {
                        self.push(Effect::Set(d, Expr::Offset(n, m, width, shift)));
                    }
                    _ => self.derive(n, sources & !set(n), d),
                }
            }
            // addpt, subpt
            (0x1a, 0) if bits(word, 13, 3) == 1 => self.derive(n, set(m), d),
            // ccmp, ccmn
            (0x1a, 2) => {}
            (0x1a, 4) if wide && word & 0x6000_0c00 == 0 => self.select(d, n, m),
            // Two operands; of these, irg takes the stack pointer. One operand: all of bits 20 to 16 say which.
            (0x1a, 6) if bit(word, 30) => self.clobber(set(n), set(d)),
            (0x1a, 6) => {
                if n == SP {
                    self.derive(n, set(m), d);
                } else {
                    self.clobber(sources, set_or_sp(d) & if is_irg(word) { !0 } else { ALL });
                }
            }
            (0x1b, _) => self.clobber(sources | set(ra(word)), set(d)),
            _ => self.clobber(sources, set(d)),
        }
    }

    /// csel
    fn select(&mut self, d: Reg, n: Reg, m: Reg) {
        let (first, second) = if d == m { (m, n) } else { (n, m) };
        if second == SP {
            // Nothing but one register's value, or 0.
            self.clobber(set(first), set(d));
            return;
        }
        if first == SP {
            self.set(d, Expr::Const(0));
        } else if first != d {
            self.set(d, Expr::Copy(first));
        }
        self.set(d, Expr::Either(second));
    }

    /// Floating point and vectors: few of these write a general-purpose register.
    fn vector(&mut self) {
        let word = self.word;
        let converts = word & 0x5f20_fc00 == 0x1e20_0000 || word & 0x5f20_0000 == 0x1e00_0000;
        let copies = word & 0x9f20_8400 == 0x0e00_0400;
        // scvtf, ucvtf, fmov d0, x1; of the copies all but umov and smov: these only read one.
        let reads = (converts && matches!(bits(word, 16, 5), 2 | 3 | 7 | 15))
            || (copies && !matches!(bits(word, 11, 4), 5 | 7));
        if reads {
            self.clobber(set(rn(word)), 0);
        } else if converts || copies {
            self.clobber(0, set(rd(word)));
        }
    }

    /// SVE: the result, if it is a general-purpose register, is always the lowest field.
    fn scalable(&mut self) {
        let word = self.word;
        let frame = word & 0xffa0_f000 == 0x0420_5000; // addvl and its kin
        if frame {
            self.derive(rm(word), 0, rd(word));
            return;
        }
        let memory = bit(word, 31).then(|| (Mem::around(rn(word)), u8::MAX));
        self.push(Effect::Clobber {
            reads: set(rn(word)) | set(rm(word)) | set(rd(word)),
            writes: set(rd(word)),
            store: memory,
        });
    }

    fn memory(&mut self) {
        let word = self.word;
        match word & 0x3b00_0000 {
            0x1800_0000 => self.literal(),
            0x2800_0000 | 0x2900_0000 => self.pair(),
            0x3900_0000 => {
                let size = self.size();
                let disp = i64::from(bits(word, 10, 12)) * i64::from(size);
                self.single(Mem::based(rn(word), disp), Writeback::None);
            }
            0x3800_0000 if !bit(word, 21) => {
                let by = signed(word, 12, 9);
                match bits(word, 10, 2) {
                    1 => self.single(Mem::based(rn(word), 0), Writeback::After(by)),
                    3 => self.single(Mem::based(rn(word), 0), Writeback::Before(by)),
                    _ => self.single(Mem::based(rn(word), by), Writeback::None),
                }
            }
            0x3800_0000 if bits(word, 10, 2) == 2 => {
                let scale = self.size().trailing_zeros();
                let shift = if bit(word, 12) { scale } else { 0 };
                let mut mem = Mem::based(rn(word), 0);
                if rm(word) != SP {
                    mem.index = Some((rm(word), u8::try_from(shift).unwrap_or(0)));
                }
                self.single(mem, Writeback::None);
            }
            _ => self.other_memory(),
        }
    }

    /// How many bytes a load or store of one register moves.
    fn size(&self) -> u8 {
        let word = self.word;
        if bit(word, 26) && bit(word, 23) && word >> 30 == 0 {
            16
        } else {
            1 << (word >> 30)
        }
    }

    /// ldr from a literal near the code.
    fn literal(&mut self) {
        let word = self.word;
        if bit(word, 26) {
            self.push(Effect::None);
            return;
        }
        let at = self.at.wrapping_add_signed(signed(word, 5, 19) * 4);
        match word >> 30 {
            1 => self.set(rd(word), Expr::Load(Mem::at(at))),
            3 => {}
            _ => self.clobber(0, set(rd(word))),
        }
    }

    /// ldr, str and their kin, one register.
    fn single(&mut self, mem: Mem, writeback: Writeback) {
        let word = self.word;
        let (t, n, size, vector) = (rd(word), rn(word), self.size(), bit(word, 26));
        let opc = bits(word, 22, 2);
        self.before(n, writeback);
        if vector {
            if opc & 1 == 0 {
                self.store(mem, size, None);
            }
        } else if opc == 0 {
            let from = (size == 8 && t != SP).then_some(t);
            self.store(mem, size, from);
        } else if word >> 30 == 3 && opc == 2 {
            // prfm
        } else {
            let expr = match (size, opc) {
                (8, _) => Expr::Load(mem),
                (4, 1) => Expr::Entry(mem, Width::U32),
                (4, _) => Expr::Entry(mem, Width::I32),
                (2, 1) => Expr::Entry(mem, Width::U16),
                (2, _) => Expr::Entry(mem, Width::I16),
                (_, 1) => Expr::Entry(mem, Width::U8),
                _ => Expr::Entry(mem, Width::I8),
            };
            self.set(t, expr);
            // ldrsh w0 and ldrsb w0 extend to 32 bits only: no entry of a table is added to an address so.
            if size < 4 && opc == 3 {
                self.clobber(0, set(t));
            }
        }
        self.after(n, writeback);
        if writeback != Writeback::None && t == n && !vector {
            // Unpredictable.
            self.clobber(0, set_or_sp(n));
        }
    }

    /// ldp, stp and their kin.
    fn pair(&mut self) {
        let word = self.word;
        let (t, t2, n, vector, load) = (rd(word), ra(word), rn(word), bit(word, 26), bit(word, 22));
        let opc = word >> 30;
        let size: u8 = match (vector, opc) {
            (true, _) => 4 << opc.min(2),
            (false, 0) => 4,
            // stgp moves 16 bytes at a time, and ldpsw 4.
            (false, 1) if load => 4,
            _ => 8,
        };
        let scale = if !vector && !load && opc == 1 {
            16
        } else {
            size
        };
        let by = signed(word, 15, 7) * i64::from(scale);
        let (writeback, disp) = match bits(word, 23, 2) {
            1 => (Writeback::After(by), 0),
            3 => (Writeback::Before(by), 0),
            _ => (Writeback::None, by),
        };
        self.before(n, writeback);
        let step = i64::from(size);
        let mut halves = [(t, disp), (t2, disp + step)];
        // The half that overwrites the base comes last.
        if load && t == n {
            halves.reverse();
        }
        for (register, disp) in halves {
            let mem = Mem::based(n, disp);
            match (load, vector) {
                (false, _) => {
                    let whole = size == 8 && !vector && register != SP;
                    self.store(mem, size, whole.then_some(register));
                }
                (true, true) => {}
                (true, false) if size == 8 => self.set(register, Expr::Load(mem)),
                (true, false) => self.clobber(0, set(register)),
            }
        }
        self.after(n, writeback);
        if writeback != Writeback::None && !vector && (t == n || t2 == n) {
            self.clobber(0, set_or_sp(n));
        }
    }

    /// Exclusives, atomics, vector structures, tags and memory copies: everything they may write is lost.
    fn other_memory(&mut self) {
        let word = self.word;
        let (t, n) = (rd(word), rn(word));
        // Exclusive, ordered and compare-and-swap; atomics; ldapr and ldapur: no write-back.
        let exclusive = word & 0x3f00_0000 == 0x0800_0000;
        let atomic = word & 0x3b20_0c00 == 0x3820_0000;
        let ordered = word & 0x3f20_0c00 == 0x1900_0000;
        // ld1 … st4, without and with write-back
        let structure = word & 0xbe00_0000 == 0x0c00_0000;
        let mut writes = set(t) | set(ra(word)) | set(rm(word)) | set((rm(word) + 1).min(SP));
        let mut reads = writes;
        let mut mem = Mem::around(n);
        let mut width = u8::MAX;
        if exclusive || atomic || ordered {
            // ld64b and its kin move eight registers.
            if atomic && word >> 30 == 3 && bit(word, 15) {
                (reads, writes) = (ALL, ALL);
            }
            let by = if ordered { signed(word, 12, 9) } else { 0 };
            mem = Mem::based(n, by);
            width = 64;
        } else if structure {
            reads = 0;
            writes = if bit(word, 23) { set_or_sp(n) } else { 0 };
        } else {
            writes |= set_or_sp(n);
        }
        self.push(Effect::Clobber {
            reads,
            writes,
            store: (!structure || !bit(word, 22)).then_some((mem, width)),
        });
    }

    fn store(&mut self, mem: Mem, width: u8, from: Option<Reg>) {
        self.push(Effect::Store { mem, width, from });
    }

    fn before(&mut self, base: Reg, writeback: Writeback) {
        if let Writeback::Before(by) = writeback {
            self.push(Effect::Set(base, Expr::Add(base, by)));
        }
    }

    fn after(&mut self, base: Reg, writeback: Writeback) {
        if let Writeback::After(by) = writeback {
            self.push(Effect::Set(base, Expr::Add(base, by)));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writeback {
    None,
    /// Pre-index.
    Before(i64),
    /// Post-index.
    After(i64),
}

const fn is_irg(word: u32) -> bool {
    word & 0xffe0_fc00 == 0x9ac0_1000
}
