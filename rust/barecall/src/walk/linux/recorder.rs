//! The counting: which of the instructions that were executed are the way out,
//! the callee, and the way back. It knows no process, only what it is told.

use std::ops::Range;

use super::insn::{Insn, StackPointer};

/// What the record has to ask the program for.
pub(super) trait Inspect {
    /// The eight bytes at an address, 0 where there is nothing.
    fn word(&mut self, address: u64) -> u64;
    /// The mapping that an address lies in; empty where there is none.
    fn mapping(&mut self, address: u64) -> Range<u64>;
}

/// Where a thread stands: its instruction pointer and its stack pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) ip: u64,
    pub(super) sp: u64,
}

/// What an instruction brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The walk goes on.
    OnTheWay,
    /// `from` is back: the walk is done.
    Done,
    /// `from` returned and had not reached `to`.
    Returned,
    /// `to` was left without a return.
    Left,
}

/// Which stretch of the walk is being executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    Out,
    Callee,
    Back,
}

/// A stretch of instructions in one function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) symbol: u32,
    pub(super) instructions: u64,
    pub(super) stack_switches: u64,
    pub(super) atomics: u64,
    pub(super) syscalls: u64,
}

/// The record of a walk in the making.
#[derive(Debug)]
pub(super) struct Recorder {
    from: Vec<Range<u64>>,
    to: u64,
    stretch: Stretch,
    /// Where `from` returns to, and the stack pointer it has then.
    entered_from: Position,
    /// Where `from` goes on after the call, and the stack pointer it has then.
    resume: Position,
    /// Where `to` returns to, and the stack pointer it has then.
    return_of_to: Position,
    stack: Stack,
    /// The address of the last instruction executed in `from` before `to`.
    pub(super) call_at: u64,
    pub(super) out: Vec<Visit>,
    pub(super) callee: u64,
    pub(super) back: Vec<Visit>,
}

impl Recorder {
    /// A record that begins at the first instruction of `from`, whose code is in
    /// the given ranges.
    pub(super) fn new(
        from: Vec<Range<u64>>,
        to: u64,
        start: Position,
        memory: &mut impl Inspect,
    ) -> Self {
        let entered_from = Position {
            ip: memory.word(start.sp),
            sp: start.sp + 8,
        };
        Self {
            from,
            to,
            stretch: Stretch::Out,
            entered_from,
            resume: entered_from,
            return_of_to: entered_from,
            stack: Stack::new(start.sp, memory),
            call_at: start.ip,
            out: Vec::new(),
            callee: 0,
            back: Vec::new(),
        }
    }

    /// Which stretch is being executed.
    pub(super) fn stretch(&self) -> Stretch {
        self.stretch
    }

    /// Whether going on from one address to another is of no consequence: neither
    /// arrives at `to`, nor enters or leaves `from`.
    pub(super) fn is_plain(&self, before: u64, after: u64) -> bool {
        after != self.to && self.in_from(before) == self.in_from(after)
    }

    /// Takes down one instruction: it was executed at `before` and led to `after`.
    pub(super) fn executed(
        &mut self,
        insn: &Insn,
        before: Position,
        after: Position,
        memory: &mut impl Inspect,
    ) -> Progress {
        let switched = self.stack.moved(insn.stack, before.sp, after.sp, memory);
        match self.stretch {
            Stretch::Out => self.executed_out(insn, switched, before, after, memory),
            Stretch::Callee => {
                self.callee += 1;
                if after.ip == self.return_of_to.ip && after.sp >= self.return_of_to.sp {
                    self.stretch = Stretch::Back;
                    self.back_yet(after)
                } else if self.in_from(after.ip) && self.is_above(after.sp, self.return_of_to.sp) {
                    Progress::Left
                } else {
                    Progress::OnTheWay
                }
            }
            Stretch::Back => {
                push(&mut self.back, insn, switched);
                self.back_yet(after)
            }
        }
    }

    fn executed_out(
        &mut self,
        insn: &Insn,
        switched: bool,
        before: Position,
        after: Position,
        memory: &mut impl Inspect,
    ) -> Progress {
        if self.in_from(before.ip) {
            self.out.clear();
            self.call_at = before.ip;
            if insn.call {
                self.resume = Position {
                    ip: before.ip + insn.len,
                    sp: before.sp,
                };
            } else if !self.in_from(after.ip) || after.ip == self.to {
                // It jumped out of `from`: a tail call, whose return address is
                // that of `from` itself.
                self.resume = Position {
                    ip: memory.word(after.sp),
                    sp: after.sp + 8,
                };
            }
        }
        push(&mut self.out, insn, switched);
        if after.ip == self.to {
            self.return_of_to = Position {
                ip: memory.word(after.sp),
                sp: after.sp + 8,
            };
            self.stretch = Stretch::Callee;
        } else if after == self.entered_from {
            return Progress::Returned;
        }
        Progress::OnTheWay
    }

    /// Whether `from` is back. The stack pointer tells the caller from a
    /// recursion of it further down the same stack.
    fn back_yet(&self, after: Position) -> Progress {
        let there = self.in_from(after.ip) || after.ip == self.resume.ip;
        let deeper = after.sp < self.resume.sp && self.stack.contains(self.resume.sp);
        if there && !deeper {
            Progress::Done
        } else {
            Progress::OnTheWay
        }
    }

    fn in_from(&self, ip: u64) -> bool {
        self.from.iter().any(|range| range.contains(&ip))
    }

    fn is_above(&self, sp: u64, limit: u64) -> bool {
        sp >= limit && self.stack.contains(limit)
    }
}

fn push(visits: &mut Vec<Visit>, insn: &Insn, switched: bool) {
    let mut visit = visits.pop_if(|last| last.symbol == insn.symbol);
    let visit = visit.get_or_insert_with(|| Visit {
        symbol: insn.symbol,
        ..Visit::default()
    });
    visit.instructions += 1;
    visit.stack_switches += u64::from(switched);
    visit.atomics += u64::from(insn.atomic);
    visit.syscalls += u64::from(insn.syscall);
    visits.push(*visit);
}

/// What is known of the stack in use.
#[derive(Debug)]
struct Stack {
    mapping: Range<u64>,
    lowest: u64,
    highest: u64,
}

/// How far a register may take the stack pointer within one mapping: further
/// than this is no variable-length array but another stack.
const VARIABLE_LENGTH: u64 = 64 * 1024;

impl Stack {
    fn new(sp: u64, memory: &mut impl Inspect) -> Self {
        Self {
            mapping: memory.mapping(sp),
            lowest: sp,
            highest: sp,
        }
    }

    /// Follows the stack pointer, and says whether it moved to another stack.
    fn moved(
        &mut self,
        how: StackPointer,
        before: u64,
        after: u64,
        memory: &mut impl Inspect,
    ) -> bool {
        if before == after {
            return false;
        }
        if how != StackPointer::Moves && self.is_another(how, after, memory) {
            *self = Self::new(after, memory);
            return true;
        }
        self.lowest = self.lowest.min(after);
        self.highest = self.highest.max(after);
        false
    }

    fn is_another(&mut self, how: StackPointer, sp: u64, memory: &mut impl Inspect) -> bool {
        if !self.mapping.contains(&sp) {
            // A stack that grew has a new start and the same end.
            let now = memory.mapping(sp);
            if now.end != self.mapping.end {
                return true;
            }
            self.mapping = now;
        }
        let reach = if how == StackPointer::Loads {
            0
        } else {
            VARIABLE_LENGTH
        };
        sp + reach < self.lowest || sp > self.highest + reach
    }

    fn contains(&self, sp: u64) -> bool {
        self.mapping.contains(&sp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const FROM: Range<u64> = 0x1000..0x1100;
    const TO: u64 = 0x5000;
    const STACK: u64 = 0x7000_0000;

    /// Two stacks, and what was pushed on them.
    #[derive(Default)]
    struct Words(HashMap<u64, u64>);

    impl Inspect for Words {
        fn word(&mut self, address: u64) -> u64 {
            self.0.get(&address).copied().unwrap_or(0)
        }
        fn mapping(&mut self, address: u64) -> Range<u64> {
            let start = address & !0xff_ffff;
            start..start + 0x100_0000
        }
    }

    struct Told {
        record: Recorder,
        memory: Words,
        at: Position,
    }

    impl Told {
        fn begin() -> Self {
            let at = Position {
                ip: FROM.start,
                sp: STACK,
            };
            let mut memory = Words(HashMap::from([(STACK, 0x900)]));
            let record = Recorder::new(vec![FROM], TO, at, &mut memory);
            Self { record, memory, at }
        }

        fn step(&mut self, insn: Insn, ip: u64, sp: u64) -> Progress {
            let before = std::mem::replace(&mut self.at, Position { ip, sp });
            self.record
                .executed(&insn, before, self.at, &mut self.memory)
        }

        fn plain(&mut self, ip: u64) -> Progress {
            let symbol = u32::try_from(self.at.ip >> 12).unwrap();
            self.step(Insn { symbol, ..plain() }, ip, self.at.sp)
        }

        fn call(&mut self, ip: u64) -> Progress {
            let symbol = u32::try_from(self.at.ip >> 12).unwrap();
            let sp = self.at.sp - 8;
            self.memory.0.insert(sp, self.at.ip + 5);
            self.step(
                Insn {
                    symbol,
                    call: true,
                    ..plain()
                },
                ip,
                sp,
            )
        }

        fn ret(&mut self) -> Progress {
            let symbol = u32::try_from(self.at.ip >> 12).unwrap();
            let ip = self.memory.word(self.at.sp);
            self.step(Insn { symbol, ..plain() }, ip, self.at.sp + 8)
        }
    }

    fn plain() -> Insn {
        Insn {
            len: 5,
            symbol: 0,
            call: false,
            atomic: false,
            syscall: false,
            repeats: false,
            breakpoint: false,
            straight: false,
            branch: None,
            stack: StackPointer::Moves,
        }
    }

    /// Instructions out, in the callee, and back.
    fn counts(told: &Told) -> (u64, u64, u64) {
        let count = |visits: &[Visit]| visits.iter().map(|visit| visit.instructions).sum();
        let record = &told.record;
        (count(&record.out), record.callee, count(&record.back))
    }

    #[test]
    fn a_bare_call_is_one_out_and_none_back() {
        let mut told = Told::begin();
        told.plain(0x1004);
        told.call(TO);
        told.plain(TO + 4);
        assert_eq!(told.ret(), Progress::Done);
        assert_eq!(counts(&told), (1, 2, 0));
    }

    #[test]
    fn a_bare_tail_call_is_back_in_the_callers_caller() {
        let mut told = Told::begin();
        told.plain(TO);
        assert_eq!(told.ret(), Progress::Done);
        assert_eq!(counts(&told), (1, 1, 0));
    }

    #[test]
    fn an_excursion_before_the_call_is_not_the_way_out() {
        let mut told = Told::begin();
        told.call(0x3000);
        told.plain(0x3004);
        told.ret();
        told.call(0x4000);
        told.call(TO);
        told.ret();
        assert_eq!(told.ret(), Progress::Done);
        let out = told.record.out.iter();
        let symbols: Vec<_> = out.map(|s| (s.symbol, s.instructions)).collect();
        assert_eq!(symbols, [(1, 1), (4, 1)]);
        assert_eq!(counts(&told).2, 1, "the helper's own return");
    }

    #[test]
    fn a_callee_that_recurses_or_tail_calls_is_followed_to_its_own_return() {
        let mut told = Told::begin();
        told.call(TO);
        told.call(TO);
        told.ret();
        told.plain(0x6000);
        assert_eq!(told.ret(), Progress::Done);
        assert_eq!(counts(&told), (1, 4, 0));
    }

    #[test]
    fn a_callee_that_calls_back_its_caller_has_not_returned() {
        let mut told = Told::begin();
        told.call(TO);
        told.call(FROM.start);
        assert_eq!(told.ret(), Progress::OnTheWay);
        assert_eq!(told.ret(), Progress::Done);
    }

    #[test]
    fn a_shim_that_was_tail_called_is_walked_back() {
        let mut told = Told::begin();
        told.plain(0x3000);
        told.call(TO);
        told.ret();
        assert_eq!(told.ret(), Progress::Done);
        assert_eq!(counts(&told), (2, 1, 1));
    }

    #[test]
    fn a_caller_that_returns_has_not_called() {
        let mut told = Told::begin();
        told.plain(0x1004);
        assert_eq!(told.ret(), Progress::Returned);
    }

    #[test]
    fn a_long_jump_into_the_caller_is_no_return() {
        let mut told = Told::begin();
        told.call(TO);
        assert_eq!(told.step(plain(), 0x1080, STACK), Progress::Left);
    }

    #[test]
    fn the_stack_is_another_in_another_mapping_or_far_off() {
        let set = |how| Insn {
            stack: how,
            ..plain()
        };
        let mut told = Told::begin();
        told.call(0x3000);
        told.step(set(StackPointer::Loads), 0x3004, 0x4000_0000);
        told.step(set(StackPointer::Sets), 0x3008, STACK - 8);
        told.step(set(StackPointer::Sets), 0x300c, STACK - 0x2000);
        told.step(set(StackPointer::Sets), 0x3010, STACK - 8);
        told.step(set(StackPointer::Loads), 0x3014, STACK - 0x4000);
        told.step(set(StackPointer::Sets), 0x3018, STACK - 0x40_0000);
        let switches: u64 = told.record.out.iter().map(|s| s.stack_switches).sum();
        assert_eq!(
            switches, 4,
            "out, back, (array, array gone,) near load, far set"
        );
    }
}
