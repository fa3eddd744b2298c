//! AArch64: our own decoding of the fixed-width words, and what each does ([`Step`]).
//!
//! Only what calls depend on is decoded exactly; of everything else it is enough to know what it may write.
//! Register 31 is the stack pointer here, and only here: where an instruction means the zero register by that
//! number, a result is dropped and an operand is the constant 0.

use crate::dataflow::{Convention, Reached};
use crate::ir::{Effect, Expr, Flow, Mem, Place, Reg, Regs, Step, Width};

/// The stack pointer's number, and the zero register's.
const SP: Reg = 31;
/// The link register's number.
const LR: Reg = 30;
/// The frame pointer's number.
const FP: Reg = 29;

/// AAPCS64: a callee need not preserve x0 to x18, and a call writes x30.
pub(crate) const CONVENTION: Convention = Convention {
    sp: SP,
    fp: FP,
    caller_saved: 0x4007_ffff,
    // What reads it lifts as a copy of it.
    sp_is_read: false,
    // It may be half of one, extended.
    whole_index: false,
};

/// Every register but the stack pointer.
const ALL: Regs = 0x7fff_ffff;

/// `__builtin_debugtrap`
const BREAKPOINT: u32 = 0xd43e_0000;

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
const fn bits(word: u32, from: u32, count: u32) -> u32 {
    (word >> from) & ((1 << count) - 1)
}

const fn bit(word: u32, at: u32) -> bool {
    word >> at & 1 == 1
}

/// A field as a signed number.
const fn signed(word: u32, from: u32, count: u32) -> i64 {
    let field = bits(word, from, count) << (32 - count);
    (field.cast_signed() >> (32 - count)) as i64
}

const fn reg(word: u32, from: u32) -> Reg {
    // Five bits.
    #[allow(clippy::cast_possible_truncation)]
    {
        bits(word, from, 5) as Reg
    }
}

const fn rd(word: u32) -> Reg {
    reg(word, 0)
}
const fn rn(word: u32) -> Reg {
    reg(word, 5)
}
const fn ra(word: u32) -> Reg {
    reg(word, 10)
}
const fn rm(word: u32) -> Reg {
    reg(word, 16)
}

/// A register that is the zero register as number 31.
const fn set(register: Reg) -> Regs {
    if register < SP { 1 << register } else { 0 }
}

/// A register that is the stack pointer as number 31.
const fn set_or_sp(register: Reg) -> Regs {
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

/// The address that an adr, adrp or literal load names.
pub(crate) fn named_address(at: u64, word: u32) -> Option<u64> {
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

/// Appends what an instruction does; one with several effects becomes several steps.
pub(crate) fn lift(at: u64, word: u32, out: &mut Vec<Step>) {
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
    out: &'a mut Vec<Step>,
}

impl Lifter<'_> {
    fn push(&mut self, effect: Effect) {
        self.out.push(Step {
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
            _ => self.push(Effect::Clobber {
                reads: ALL,
                writes: ALL,
                store: Some((Mem::ANYWHERE, u8::MAX)),
            }),
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
            self.push(Effect::Clobber {
                reads: ALL,
                writes: CONVENTION.caller_saved,
                store: Some((Mem::ANYWHERE, u8::MAX)),
            });
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
            self.push(Effect::Clobber {
                reads: pair,
                writes: if word & 0xffe0_0000 == 0xd500_0000 {
                    0
                } else {
                    pair
                },
                store: Some((Mem::ANYWHERE, u8::MAX)),
            });
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
                let mem = Mem {
                    base: Some(rn(word)),
                    index: Some((rm(word), u8::try_from(shift).unwrap_or(0))),
                    disp: 0,
                };
                if rm(word) == SP {
                    self.single(Mem::based(rn(word), 0), Writeback::None);
                } else {
                    self.single(mem, Writeback::None);
                }
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

/// A linker stub: the slot it jumps through, and how many instructions it executes.
pub(crate) fn stub(code: &[u8], address: u64) -> Option<(u64, u32)> {
    let mut chain = Chain::default();
    for (count, (at, word)) in (1..=8).zip(words(code, address)) {
        match flow(at, word) {
            Flow::JumpVia(Place::Reg(register)) => {
                let Reached::Slot(slot) = chain.reached(register)? else {
                    return None;
                };
                return Some((slot, count));
            }
            // braa x17, x16
            Flow::JumpVia(Place::Elsewhere) => {
                let Reached::Slot(slot) = chain.reached(rn(word))? else {
                    return None;
                };
                return Some((slot, count));
            }
            Flow::Next if chain.link(at, word) || is_hint(word) => {}
            _ => return None,
        }
    }
    None
}

/// A function that does nothing but pass control on: where to, and how many instructions it executes before
/// the target's first. It may set up and tear down a frame and move its arguments through it, nothing else.
pub(crate) fn thunk(code: &[u8], address: u64) -> Option<(Reached, u32)> {
    let mut chain = Chain::default();
    let mut found = None;
    let mut count = 0;
    for (at, word) in words(code, address) {
        if found.is_none() {
            count += 1;
        }
        let target = match flow(at, word) {
            Flow::Jump(to) if chain.is_empty() => {
                return found.is_none().then_some((Reached::Address(to), count));
            }
            Flow::JumpVia(Place::Reg(register)) if found.is_none() => {
                return Some((chain.reached(register)?, count));
            }
            Flow::Call(to) if chain.is_empty() => Reached::Address(to),
            Flow::CallVia(Place::Reg(register)) => chain.reached(register)?,
            Flow::Next if is_passing(word) && chain.survives(at, word) => continue,
            Flow::Next if found.is_none() && chain.link(at, word) => continue,
            Flow::Stop if word & 0xfe00_0000 == 0xd600_0000 => return found,
            _ => return None,
        };
        if found.is_some() {
            return None;
        }
        found = Some((target, count));
    }
    None
}

/// What a stub makes its target from: adrp, then add or ldr; or ldr from a literal.
#[derive(Default)]
struct Chain {
    page: Option<(Reg, u64)>,
    target: Option<(Reg, Reached)>,
}

impl Chain {
    fn is_empty(&self) -> bool {
        self.page.is_none() && self.target.is_none()
    }

    /// Takes an instruction into the chain, if it has a place there.
    fn link(&mut self, at: u64, word: u32) -> bool {
        let mut steps = Vec::new();
        lift(at, word, &mut steps);
        let [step] = steps[..] else {
            return false;
        };
        match step.effect {
            Effect::Set(to, Expr::Const(address))
                if self.is_empty() && word & 0x1f00_0000 == 0x1000_0000 =>
            {
                self.page = Some((to, address));
            }
            // ldr x16, literal
            Effect::Set(
                to,
                Expr::Load(Mem {
                    base: None,
                    index: None,
                    disp,
                }),
            ) if self.is_empty() => {
                self.target = Some((to, Reached::Slot(disp.cast_unsigned())));
            }
            Effect::Set(
                to,
                Expr::Load(Mem {
                    base: Some(base),
                    index: None,
                    disp,
                }),
            ) => match self.page {
                Some((page, address)) if page == base && self.target.is_none() => {
                    let slot = address.wrapping_add_signed(disp);
                    self.target = Some((to, Reached::Slot(slot)));
                }
                _ => return false,
            },
            Effect::Set(to, Expr::Add(from, by)) => match (self.page, self.target) {
                (Some((page, address)), None) if page == from => {
                    self.target = Some((to, Reached::Address(address.wrapping_add_signed(by))));
                }
                // add x16, x16, #lo: the slot's address, for the resolver
                (Some((page, _)), Some((target, _)))
                    if page == from && target != to && to == page => {}
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    /// Whether an instruction leaves the registers of the chain alone.
    fn survives(&self, at: u64, word: u32) -> bool {
        let held = match (self.page, self.target) {
            (_, Some((register, _))) | (Some((register, _)), None) => set(register),
            (None, None) => 0,
        };
        let mut steps = Vec::new();
        lift(at, word, &mut steps);
        steps.iter().all(|step| match step.effect {
            Effect::Set(to, _) | Effect::Pop(to) => held & set(to) == 0,
            Effect::Clobber { writes, .. } => held & writes == 0,
            Effect::None | Effect::Store { .. } | Effect::Push(_) | Effect::Realign => true,
            // An instruction of x86-64.
            Effect::Leave => false,
        })
    }

    fn reached(&self, register: Reg) -> Option<Reached> {
        self.target
            .filter(|target| target.0 == register)
            .map(|target| target.1)
    }
}

/// nop, bti, and those that sign or authenticate a pointer.
const fn is_hint(word: u32) -> bool {
    word & 0xffff_f01f == 0xd503_201f
}

/// Whether an instruction only sets up a frame or moves a value between a register and the frame.
fn is_passing(word: u32) -> bool {
    let framed = matches!(rn(word), SP | FP);
    let moves = word & 0x7fe0_ffe0 == 0x2a00_03e0 && rm(word) != SP;
    let adjusts = word & 0xbf80_0000 == 0x9100_0000 && matches!(rd(word), SP | FP) && framed;
    let single = word & 0x3b00_0000 == 0x3900_0000 || word & 0x3b20_0000 == 0x3800_0000;
    let pair = word & 0x3a00_0000 == 0x2800_0000;
    is_hint(word) || moves || adjusts || (framed && (single || pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    // An independent reading: the text of a disassembler, by its first operand and its write-back.

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
            "ldadd", "ldclr", "ldeor", "ldset", "ldsmax", "ldsmin", "ldumax", "ldumin", "swp",
            "cas",
        ]
        .iter()
        .any(|name| op.starts_with(name));
        let silent = [
            "cmp", "cmn", "tst", "ccmp", "ccmn", "prf", "msr", "sys", "cb", "tb", "br", "bl",
            "ret", "dc", "ic", "at", "tlbi", "rmif", "setf", "ctermeq", "ctermne", "cfp", "dvp",
            "cpp", "bti", "hint", "eret",
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
}
