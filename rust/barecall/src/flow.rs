//! What a register holds when a call goes through it: a data flow over one function's control-flow graph.
//!
//! The analysis is conditional on nothing but the instructions: every block starts from what all its
//! predecessors leave behind, loops run to a fixed point, jump tables are read from the image, spill slots
//! are followed through the stack, and blocks that only unwinding can enter start from what every call in
//! the function may leave behind. What it loses it calls [`Value::Unknown`]; such a call is `unresolved`.
//!
//! Assumed, as every unwinder and debugger does: callees keep the callee-saved registers and the stack
//! pointer of the platform's calling convention, and write to a caller's frame only through an address
//! that the caller gave away.

use std::collections::BTreeSet;

use crate::image::Image;
use crate::step::{Effect, Expr, Flow, Mem, Place, Reg, Regs, Step, Width};

/// Where a call through a register or memory goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// To this address, which the instruction itself names.
    Address(u64),
    /// To this address, which a register holds.
    Held(u64),
    /// To what this slot of the image holds, loaded by the call itself.
    Slot(u64),
    /// To what this slot of the image holds, loaded into a register or spilled earlier.
    Loaded(u64),
    /// Not a constant of the image.
    Pointer,
    /// Could not be decided.
    Undecided,
    /// A jump within the function: no call.
    Inside,
}

/// What differs between architectures.
pub(crate) struct Convention {
    pub sp: Reg,
    /// What a call may overwrite.
    pub caller_saved: Regs,
}

/// Decides every indirect call and jump of a function: pairs of an index into `steps` and its target.
///
/// `steps` are the function's instructions in order of address, all its parts; `entry` is the address it
/// is entered at.
pub(crate) fn reached(
    image: &Image,
    convention: &Convention,
    steps: &[Step],
    entry: u64,
) -> Vec<(usize, Reached)> {
    let mut graph = Graph::new(image, convention, steps, entry);
    if graph.leaders.len() > MOST_BLOCKS {
        return undecided(steps);
    }
    graph.solve();
    graph.report()
}

/// Every indirect call and jump, where the function is too large to be followed.
fn undecided(steps: &[Step]) -> Vec<(usize, Reached)> {
    let indirect = |step: &Step| matches!(step.flow, Flow::CallVia(_) | Flow::JumpVia(_));
    (0..steps.len())
        .filter(|&index| indirect(&steps[index]))
        .map(|index| (index, Reached::Undecided))
        .collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// Computed by the program when it runs.
    Dynamic,
    /// Lost by the analysis.
    Unknown,
    /// This number or address.
    Const(u64),
    /// What the image's slot at this address holds once it is loaded.
    Slot(u64),
    /// An address in the frame: a base and a distance from it.
    Stack(Base, i64),
    /// An entry of a jump table, or the address made from it.
    Entry(usize),
    Target(usize),
    /// Something read from a table that could not be told: a jump through it goes anywhere.
    Indexed,
}

/// What frame addresses are relative to: the stack pointer at entry, the same after rounding, or
/// the stack pointer at the beginning of a block whose past is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    Entry,
    Rounded,
    Block,
}

impl Value {
    fn join(self, other: Self) -> Self {
        use Value::{Dynamic, Entry, Indexed, Target, Unknown};
        match (self, other) {
            (a, b) if a == b => a,
            (Unknown, _) | (_, Unknown) => Unknown,
            (Entry(_) | Target(_) | Indexed, _) | (_, Entry(_) | Target(_) | Indexed) => Indexed,
            _ => Dynamic,
        }
    }
}

/// A jump table: where its entries are, how wide, and how an entry becomes an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Table {
    at: u64,
    /// None: entries are whole addresses.
    width: Option<Width>,
    base: u64,
    shift: u8,
}

/// More entries than this and the table is taken for something else.
const MOST_ENTRIES: u64 = 1 << 14;

/// More words of the frame than this are not followed.
const MOST_SLOTS: usize = 256;
/// More tables than this in a function, and no jump through a further one is followed.
const MOST_TABLES: usize = 4096;
/// More blocks than this, and nothing is decided: each takes a kilobyte.
const MOST_BLOCKS: usize = 100_000;
/// Pieces of dead code that only lead to themselves, each taken by itself.
const MOST_ORPHANS: usize = 64;

/// A word of the frame and what it holds.
type FrameSlot = (Base, i64, Value);

#[derive(Clone)]
struct State {
    registers: [Value; 32],
    /// Frame slots that hold something other than `elsewhere`, sorted.
    slots: Vec<FrameSlot>,
    elsewhere: Value,
    /// Whether the address of anything in the frame got out of the function's hands. From one address every
    /// other can be reached (an element before, a member before: `container_of`), so one is as good as all.
    escaped: bool,
}

impl State {
    fn entry(sp: Reg) -> Self {
        let mut state = Self {
            registers: [Value::Dynamic; 32],
            slots: Vec::new(),
            elsewhere: Value::Dynamic,
            escaped: false,
        };
        state.registers[usize::from(sp)] = Value::Stack(Base::Entry, 0);
        state
    }

    /// Nothing is known but that there is a stack.
    fn unknown(sp: Reg) -> Self {
        let mut state = Self {
            registers: [Value::Unknown; 32],
            slots: Vec::new(),
            elsewhere: Value::Unknown,
            escaped: true,
        };
        state.registers[usize::from(sp)] = Value::Stack(Base::Block, 0);
        state
    }

    fn get(&self, register: Reg) -> Value {
        self.registers[usize::from(register & 31)]
    }

    fn set(&mut self, register: Reg, value: Value) {
        self.registers[usize::from(register & 31)] = value;
    }

    fn slot(&self, base: Base, at: i64) -> Value {
        match self
            .slots
            .binary_search_by_key(&(base, at), |slot| (slot.0, slot.1))
        {
            Ok(index) => self.slots[index].2,
            Err(_) => self.elsewhere,
        }
    }

    /// Writes `width` bytes of the frame; a value followed needs a whole word.
    fn write(&mut self, base: Base, at: i64, width: u8, value: Value) {
        let end = at.saturating_add(i64::from(width));
        // Where the bases lie to one another is not known.
        if self.slots.first().is_some_and(|slot| slot.0 != base)
            || self.slots.last().is_some_and(|slot| slot.0 != base)
        {
            self.slots.retain(|slot| slot.0 == base);
        }
        let from = self
            .slots
            .partition_point(|slot| (slot.0, slot.1.saturating_add(7)) < (base, at));
        let to = self
            .slots
            .partition_point(|slot| (slot.0, slot.1) < (base, end));
        if from < to {
            self.slots.drain(from..to);
        }
        let value = if width == 8 { value } else { Value::Dynamic };
        // One too many is not followed: it reads as what lies elsewhere, which is no constant.
        if value != self.slot(base, at) && self.slots.len() < MOST_SLOTS {
            let index = self
                .slots
                .partition_point(|slot| (slot.0, slot.1) < (base, at));
            self.slots.insert(index, (base, at, value));
        }
    }

    /// The address got out of the function's hands.
    fn escape(&mut self, value: Value) {
        self.escaped |= matches!(value, Value::Stack(..));
    }

    /// One value or another. If one is an address in the frame, it is not recognised in the result any more:
    /// a write through that may hit the frame.
    fn either(&mut self, a: Value, b: Value) -> Value {
        if a != b {
            self.escape(a);
            self.escape(b);
        }
        a.join(b)
    }

    /// Somebody else may have written to the frame, if its address escaped.
    fn disturb(&mut self) {
        if self.escaped {
            self.slots.clear();
        }
    }

    /// A call to code that keeps to no convention, or comes back again later with the frame as it is then.
    fn forget(&mut self, sp: Reg) {
        let top = self.get(sp);
        self.registers = [Value::Unknown; 32];
        self.set(sp, top);
        self.escaped = true;
        self.slots.clear();
        self.elsewhere = Value::Unknown;
    }

    /// Joins `other` in; whether anything changed.
    fn join(&mut self, other: &Self) -> bool {
        let mut changed = false;
        let escaped = self.escaped;
        for (register, theirs) in other.registers.iter().enumerate() {
            let mine = self.registers[register];
            let joined = self.either(mine, *theirs);
            changed |= joined != mine;
            self.registers[register] = joined;
        }
        self.escaped |= other.escaped;
        changed |= self.escaped != escaped;
        if self.slots != other.slots || self.elsewhere != other.elsewhere {
            let keys = merged(&self.slots, &other.slots);
            let joined: Vec<_> = keys
                .map(|(base, at)| (base, at, self.slot(base, at).join(other.slot(base, at))))
                .collect();
            self.elsewhere = self.elsewhere.join(other.elsewhere);
            let before = std::mem::take(&mut self.slots);
            self.slots = joined
                .into_iter()
                .filter(|&(base, at, value)| value != self.slot(base, at))
                .collect();
            changed |= before != self.slots;
        }
        changed
    }
}

/// The places of two sorted lists of slots, each once.
fn merged<'s>(a: &'s [FrameSlot], b: &'s [FrameSlot]) -> impl Iterator<Item = (Base, i64)> + 's {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    std::iter::from_fn(move || {
        let key = |slot: &&FrameSlot| (slot.0, slot.1);
        let next = match (a.peek().map(key), b.peek().map(key)) {
            (Some(a), Some(b)) => a.min(b),
            (a, b) => a.or(b)?,
        };
        a.next_if(|slot| key(slot) == next);
        b.next_if(|slot| key(slot) == next);
        Some(next)
    })
}

struct Graph<'a> {
    image: &'a Image,
    convention: &'a Convention,
    steps: &'a [Step],
    entry: usize,
    /// Steps at which a block begins, ascending.
    leaders: Vec<usize>,
    /// What is known at the beginning of each block.
    states: Vec<Option<State>>,
    tables: Vec<Table>,
    /// A jump within the function went who knows where: blocks are taken one by one, from nothing.
    lost: bool,
}

impl<'a> Graph<'a> {
    fn new(image: &'a Image, convention: &'a Convention, steps: &'a [Step], entry: u64) -> Self {
        let mut graph = Self {
            image,
            convention,
            steps,
            entry: 0,
            leaders: Vec::new(),
            states: Vec::new(),
            tables: Vec::new(),
            lost: false,
        };
        graph.entry = graph.index(entry).unwrap_or(0);
        graph.leaders.push(graph.entry);
        for (index, step) in steps.iter().enumerate() {
            if index > 0 && steps[index - 1].at != step.at && !graph.follows(index) {
                graph.leaders.push(index);
            }
            let target = match step.flow {
                Flow::Call(to) => {
                    // A subroutine within the function.
                    graph.leaders.extend(graph.index(to));
                    continue;
                }
                Flow::Next | Flow::CallVia(_) => continue,
                Flow::Jump(to) | Flow::Branch(to) => graph.index(to),
                Flow::JumpVia(_) | Flow::Stop => None,
            };
            graph.leaders.extend(target);
            if index + 1 < steps.len() {
                graph.leaders.push(index + 1);
            }
        }
        graph
    }

    /// The first step at an address of this function.
    fn index(&self, address: u64) -> Option<usize> {
        let at = self.steps.partition_point(|step| step.at < address);
        (self.steps.get(at)?.at == address).then_some(at)
    }

    /// Whether an address lies in the middle of an instruction: a jump there executes something else.
    fn within(&self, address: u64) -> bool {
        let after = self.steps.partition_point(|step| step.at <= address);
        after.checked_sub(1).is_some_and(|before| {
            let step = self.steps[before];
            address > step.at && address - step.at < step.len.into()
        })
    }

    fn block(&self, leader: usize) -> Option<usize> {
        self.leaders.binary_search(&leader).ok()
    }

    fn end(&self, block: usize) -> usize {
        self.leaders
            .get(block + 1)
            .copied()
            .unwrap_or(self.steps.len())
    }

    /// Brings every block's state to a fixed point.
    fn solve(&mut self) {
        // Reading a jump table may reveal that a block begins in the middle of another: begin again.
        for _ in 0..8 {
            self.leaders.sort_unstable();
            self.leaders.dedup();
            self.states = vec![None; self.leaders.len()];
            match self.run() {
                Run::Settled => return,
                Run::NewLeaders(found) => self.leaders.extend(found),
                Run::Lost => break,
            }
        }
        self.lost = true;
        self.leaders.sort_unstable();
        self.leaders.dedup();
        self.states = vec![Some(State::unknown(self.convention.sp)); self.leaders.len()];
    }

    fn run(&mut self) -> Run {
        let Some(entry) = self.block(self.entry) else {
            return Run::Lost;
        };
        self.states[entry] = Some(State::entry(self.convention.sp));
        let mut pending = BTreeSet::from([entry]);
        for block in self.entered_otherwise() {
            join_into(&mut self.states[block], &State::unknown(self.convention.sp));
            pending.insert(block);
        }
        // Visits to blocks, and to their successors, of which a jump table has many.
        let mut budget = (1 << 12) + 128 * self.leaders.len();
        // Blocks that only unwinding enters.
        let mut pads: Option<Vec<usize>> = None;
        let mut orphans = 0;
        loop {
            match self.propagate(&mut pending, &mut budget) {
                Run::Settled => {}
                other => return other,
            }
            if pads.is_none() && self.unreached().next().is_none() {
                return Run::Settled;
            }
            let pads = pads.get_or_insert_with(|| self.without_predecessor());
            let thrown = self.after_calls();
            for &pad in &*pads {
                if join_into(&mut self.states[pad], &thrown) {
                    pending.insert(pad);
                }
            }
            if pending.is_empty() {
                // Dead code that only leads to itself.
                let Some(orphan) = self.unreached().next() else {
                    return Run::Settled;
                };
                orphans += 1;
                if orphans > MOST_ORPHANS {
                    return Run::Lost;
                }
                pads.push(orphan);
            }
        }
    }

    fn propagate(&mut self, pending: &mut BTreeSet<usize>, budget: &mut usize) -> Run {
        let mut found = Vec::new();
        let mut successors = Vec::new();
        while let Some(block) = pending.pop_first() {
            let Some(mut state) = self.states[block].clone() else {
                continue;
            };
            successors.clear();
            if !self.walk(block, &mut state, &mut successors) {
                return Run::Lost;
            }
            let Some(left) = budget.checked_sub(1 + successors.len()) else {
                return Run::Lost;
            };
            *budget = left;
            for &leader in &successors {
                match self.block(leader) {
                    None => found.push(leader),
                    Some(next) if join_into(&mut self.states[next], &state) => {
                        pending.insert(next);
                    }
                    Some(_) => {}
                }
            }
        }
        if found.is_empty() {
            Run::Settled
        } else {
            Run::NewLeaders(found)
        }
    }

    /// Blocks that are entered with nothing known: subroutines within the function, and what lies behind
    /// another function inside this one, which may fall into it.
    fn entered_otherwise(&self) -> Vec<usize> {
        let subroutines = self.steps.iter().filter_map(|step| match step.flow {
            Flow::Call(to) => self.index(to).filter(|&leader| leader != self.entry),
            _ => None,
        });
        let remainders = (1..self.steps.len()).filter(|&n| {
            self.steps[n - 1].at != self.steps[n].at
                && !self.follows(n)
                && self.image.is_remainder(self.steps[n].at)
        });
        subroutines
            .chain(remainders)
            .filter_map(|leader| self.block(leader))
            .collect()
    }

    /// Blocks that nothing reaches and nothing in the function jumps to or falls into.
    fn without_predecessor(&self) -> Vec<usize> {
        let mut entered = vec![false; self.leaders.len()];
        for (index, step) in self.steps.iter().enumerate() {
            if let Flow::Jump(to) | Flow::Branch(to) = step.flow
                && let Some(block) = self.index(to).and_then(|leader| self.block(leader))
            {
                entered[block] = true;
            }
            if !matches!(step.flow, Flow::Jump(_) | Flow::JumpVia(_) | Flow::Stop)
                && let Some(block) = self.block(index + 1).filter(|_| self.follows(index + 1))
            {
                entered[block] = true;
            }
        }
        self.unreached().filter(|&block| !entered[block]).collect()
    }

    /// Blocks that nothing reaches so far. Nops that align the next block fall into it, but never run.
    fn unreached(&self) -> impl Iterator<Item = usize> {
        (0..self.leaders.len()).filter(|&block| {
            self.states[block].is_none()
                && self.steps[self.leaders[block]..self.end(block)]
                    .iter()
                    .any(|step| step.effect != Effect::None || step.flow != Flow::Next)
        })
    }

    /// What any call in the blocks reached so far may leave behind for a landing pad.
    fn after_calls(&mut self) -> State {
        let mut thrown: Option<State> = None;
        for block in 0..self.leaders.len() {
            let Some(mut state) = self.states[block].clone() else {
                continue;
            };
            for index in self.leaders[block]..self.end(block) {
                let step = self.steps[index];
                self.apply(&mut state, &step.effect);
                match step.flow {
                    Flow::Call(_) | Flow::CallVia(_) => {
                        self.call(&mut state, step.flow);
                        join_into(&mut thrown, &state);
                    }
                    // Should a table be longer than it was taken for, this is where its other cases begin.
                    Flow::JumpVia(_) => {
                        join_into(&mut thrown, &state);
                    }
                    _ => {}
                }
            }
        }
        thrown.unwrap_or_else(|| State::unknown(self.convention.sp))
    }

    /// Runs a block from `state`; its successors' first steps go to `successors`. False: control goes who knows where.
    fn walk(&mut self, block: usize, state: &mut State, successors: &mut Vec<usize>) -> bool {
        let end = self.end(block);
        for index in self.leaders[block]..end {
            let step = self.steps[index];
            self.apply(state, &step.effect);
            match step.flow {
                Flow::Next => {}
                Flow::Call(to) => {
                    self.call(state, step.flow);
                    if self.image.never_returns(to) {
                        return true;
                    }
                }
                Flow::CallVia(_) => self.call(state, step.flow),
                Flow::Jump(to) => {
                    successors.extend(self.index(to));
                    return !self.within(to);
                }
                Flow::Branch(to) if self.within(to) => return false,
                Flow::Branch(to) => successors.extend(self.index(to)),
                Flow::Stop => return true,
                Flow::JumpVia(place) => {
                    return match self.jump(state, place) {
                        Jump::Out => true,
                        Jump::Lost => false,
                        Jump::Inside(targets) => {
                            successors.extend(targets);
                            true
                        }
                    };
                }
            }
        }
        if end < self.steps.len() && self.follows(end) {
            successors.push(end);
        }
        true
    }

    /// Whether the step lies directly behind the one before it, not in another part of the function.
    fn follows(&self, index: usize) -> bool {
        index > 0 && {
            let before = self.steps[index - 1];
            before.at + u64::from(before.len) == self.steps[index].at
        }
    }

    fn call(&self, state: &mut State, flow: Flow) {
        let callee = match flow {
            Flow::Call(to) => Value::Const(to),
            Flow::CallVia(Place::Reg(register)) => state.get(register),
            Flow::CallVia(Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            })) => Value::Slot(disp.cast_unsigned()),
            _ => Value::Unknown,
        };
        let odd = match callee {
            // A subroutine within the function; a recursive call keeps to the convention.
            Value::Const(to) if self.index(to).is_some_and(|step| step != self.entry) => true,
            Value::Const(to) => self.image.returns_twice(to),
            Value::Slot(at) => self.image.holds_what_returns_twice(at),
            _ => false,
        };
        if odd {
            state.forget(self.convention.sp);
            return;
        }
        for register in 0..32 {
            if self.convention.caller_saved & (1 << register) != 0 {
                state.escape(state.get(register));
                state.set(register, Value::Dynamic);
            }
        }
        state.disturb();
    }

    fn apply(&mut self, state: &mut State, effect: &Effect) {
        let sp = self.convention.sp;
        match *effect {
            Effect::None => {}
            Effect::Set(register, expr) => {
                let value = self.evaluate(state, register, expr);
                state.set(register, value);
            }
            Effect::Store { mem, width, from } => {
                let value = from.map_or(Value::Dynamic, |register| state.get(register));
                self.store(state, mem, width, value);
            }
            Effect::Push(from) => {
                let value = from.map_or(Value::Dynamic, |register| state.get(register));
                let top = add(state.get(sp), -8);
                state.set(sp, top);
                state.escape(value);
                let value = self.worth_following(value);
                if let Value::Stack(base, at) = top {
                    state.write(base, at, 8, value);
                }
            }
            Effect::Pop(to) => {
                let top = state.get(sp);
                let value = match top {
                    Value::Stack(base, at) => state.slot(base, at),
                    _ => Value::Unknown,
                };
                state.set(sp, add(top, 8));
                state.set(to, value);
            }
            Effect::Realign => {
                let rounded = match state.get(sp) {
                    Value::Stack(Base::Entry, _) => Value::Stack(Base::Rounded, 0),
                    _ => Value::Dynamic,
                };
                state.set(sp, rounded);
            }
            Effect::Clobber {
                reads,
                writes,
                store,
            } => {
                for register in 0..32 {
                    if reads & (1 << register) != 0 && register != sp {
                        state.escape(state.get(register));
                    }
                }
                if let Some((mem, width)) = store {
                    self.store(state, mem, width, Value::Dynamic);
                }
                for register in 0..32 {
                    if writes & (1 << register) != 0 {
                        state.set(register, Value::Dynamic);
                    }
                }
            }
        }
    }

    /// What is remembered of a value in the frame: only what a call may go through.
    fn worth_following(&self, value: Value) -> Value {
        match value {
            Value::Const(at) if !self.image.is_code(at) => Value::Dynamic,
            Value::Stack(..) | Value::Entry(_) | Value::Target(_) | Value::Indexed => {
                Value::Dynamic
            }
            other => other,
        }
    }

    fn store(&self, state: &mut State, mem: Mem, width: u8, value: Value) {
        state.escape(value);
        let value = self.worth_following(value);
        match self.address(state, mem) {
            Address::Const(_) => {}
            Address::Stack(base, at) => state.write(base, at, width, value),
            Address::StackIndexed => state.slots.clear(),
            Address::Table(_) | Address::Indexed | Address::Dynamic | Address::Unknown => {
                state.disturb()
            }
        }
    }

    fn address(&self, state: &State, mem: Mem) -> Address {
        let base = mem.base.map(|register| state.get(register));
        let indexed = mem.index.is_some();
        match base {
            None | Some(Value::Const(_)) => {
                let from = if let Some(Value::Const(base)) = base {
                    base
                } else {
                    0
                };
                let at = from.wrapping_add_signed(mem.disp);
                match mem.index {
                    None => Address::Const(at),
                    // mov rax, [rax + rcx], the table's address in rcx.
                    Some((register, 0)) if base.is_none() => match state.get(register) {
                        Value::Const(index) => Address::Const(at.wrapping_add(index)),
                        _ => Address::Indexed,
                    },
                    Some(_) => Address::Table(at),
                }
            }
            Some(Value::Stack(base, from)) => {
                let at = from.wrapping_add(mem.disp);
                if indexed {
                    Address::StackIndexed
                } else {
                    Address::Stack(base, at)
                }
            }
            Some(_) if indexed => match mem.index {
                Some((register, 0)) => match state.get(register) {
                    Value::Const(table) => Address::Table(table.wrapping_add_signed(mem.disp)),
                    _ => Address::Indexed,
                },
                _ => Address::Indexed,
            },
            Some(Value::Unknown) => Address::Unknown,
            Some(_) => Address::Dynamic,
        }
    }

    fn evaluate(&mut self, state: &mut State, into: Reg, expr: Expr) -> Value {
        match expr {
            Expr::Const(value) => Value::Const(value),
            Expr::Copy(register) => state.get(register),
            Expr::Add(register, by) => add(state.get(register), by),
            Expr::Either(register) => state.either(state.get(into), state.get(register)),
            Expr::Sum(a, b, shift) => {
                let (a, b) = (state.get(a), state.get(b));
                state.escape(a);
                state.escape(b);
                self.sum(a, b, shift)
            }
            Expr::Offset(a, b, width, shift) => {
                let (a, b) = (state.get(a), state.get(b));
                state.escape(a);
                state.escape(b);
                let b = self.extended(b, width);
                self.sum(a, b, shift)
            }
            Expr::Load(mem) => self.load(state, mem),
            Expr::Entry(mem, width) => match self.address(state, mem) {
                Address::Table(at) => Value::Entry(self.table(Table {
                    at,
                    width: Some(width),
                    base: 0,
                    shift: 0,
                })),
                Address::Indexed => Value::Indexed,
                Address::Unknown => Value::Unknown,
                _ => Value::Dynamic,
            },
        }
    }

    /// The low part of a value: of a table's entry, the whole entry, extended in another way.
    fn extended(&mut self, value: Value, width: Width) -> Value {
        match value {
            Value::Entry(table) => {
                let entries = self.tables[table];
                if entries.width.map(Width::bytes) == Some(width.bytes()) {
                    Value::Entry(self.table(Table {
                        width: Some(width),
                        ..entries
                    }))
                } else {
                    Value::Indexed
                }
            }
            Value::Target(_) | Value::Indexed => Value::Indexed,
            Value::Unknown => Value::Unknown,
            _ => Value::Dynamic,
        }
    }

    fn sum(&mut self, a: Value, b: Value, shift: u8) -> Value {
        match (a, b) {
            (Value::Const(a), Value::Const(b)) => {
                Value::Const(a.wrapping_add(b.wrapping_shl(shift.into())))
            }
            (Value::Const(base), Value::Entry(table)) => {
                let table = Table {
                    base,
                    shift,
                    ..self.tables[table]
                };
                Value::Target(self.table(table))
            }
            (Value::Entry(table), Value::Const(base)) if shift == 0 => {
                let table = Table {
                    base,
                    ..self.tables[table]
                };
                Value::Target(self.table(table))
            }
            (Value::Unknown, _) | (_, Value::Unknown) => Value::Unknown,
            // A constant address and something from the program: perhaps the way into a table.
            (Value::Const(_) | Value::Entry(_) | Value::Target(_) | Value::Indexed, _)
            | (_, Value::Const(_) | Value::Entry(_) | Value::Target(_) | Value::Indexed) => {
                Value::Indexed
            }
            _ => Value::Dynamic,
        }
    }

    fn load(&mut self, state: &State, mem: Mem) -> Value {
        match self.address(state, mem) {
            Address::Const(at) if self.image.holds_code(at) => Value::Slot(at),
            Address::Const(_) | Address::Dynamic => Value::Dynamic,
            Address::Stack(base, at) => state.slot(base, at),
            Address::Table(at) => Value::Target(self.table(Table {
                at,
                width: None,
                base: 0,
                shift: 0,
            })),
            Address::StackIndexed | Address::Indexed => Value::Indexed,
            Address::Unknown => Value::Unknown,
        }
    }

    fn table(&mut self, table: Table) -> usize {
        self.tables
            .iter()
            .position(|known| *known == table)
            .unwrap_or_else(|| {
                if self.tables.len() > MOST_TABLES {
                    return MOST_TABLES;
                }
                self.tables.push(if self.tables.len() == MOST_TABLES {
                    Table {
                        at: u64::MAX,
                        width: None,
                        base: 0,
                        shift: 0,
                    }
                } else {
                    table
                });
                self.tables.len() - 1
            })
    }

    /// Where a jump table leads: steps of this function, up to the first entry that leaves it.
    fn targets(&self, table: Table) -> Option<Vec<usize>> {
        let mut targets = Vec::new();
        // A short function has no long table; this is asked at every visit.
        let most = (8 * self.steps.len() as u64).clamp(1 << 10, MOST_ENTRIES);
        for n in 0..most {
            let target = match table.width {
                None => self.image.pointer(table.at.wrapping_add(n * 8)),
                Some(width) => self
                    .image
                    .entry(table.at.wrapping_add(n * width.bytes()), width)
                    .map(|entry| {
                        table
                            .base
                            .wrapping_add_signed(entry.wrapping_shl(table.shift.into()))
                    }),
            };
            let Some(step) = target.and_then(|target| self.index(target)) else {
                targets.sort_unstable();
                targets.dedup();
                return (!targets.is_empty()).then_some(targets);
            };
            targets.push(step);
        }
        None
    }

    fn jump(&mut self, state: &State, place: Place) -> Jump {
        let value = match place {
            Place::Reg(register) => state.get(register),
            Place::Mem(mem) => self.load(state, mem),
            Place::Elsewhere => Value::Dynamic,
        };
        match value {
            Value::Target(table) => match self.targets(self.tables[table]) {
                Some(targets) => Jump::Inside(targets),
                None => Jump::Lost,
            },
            Value::Const(to) => match self.index(to) {
                Some(step) => Jump::Inside(vec![step]),
                None => Jump::Out,
            },
            Value::Slot(_) => Jump::Out,
            // A tail call is made with the stack as it was at entry.
            Value::Dynamic if state.get(self.convention.sp) == Value::Stack(Base::Entry, 0) => {
                Jump::Out
            }
            _ => Jump::Lost,
        }
    }

    /// Each indirect call and jump with its target, from the settled states.
    fn report(&mut self) -> Vec<(usize, Reached)> {
        let mut reached = Vec::new();
        for block in 0..self.leaders.len() {
            let Some(mut state) = self.states[block].take() else {
                continue;
            };
            for index in self.leaders[block]..self.end(block) {
                let step = self.steps[index];
                self.apply(&mut state, &step.effect);
                match step.flow {
                    Flow::CallVia(place) => {
                        reached.push((index, self.target(&state, place)));
                        self.call(&mut state, step.flow);
                    }
                    Flow::Call(_) => self.call(&mut state, step.flow),
                    Flow::JumpVia(place) => {
                        let target = match self.jump(&state, place) {
                            Jump::Inside(_) => Reached::Inside,
                            Jump::Out => self.target(&state, place),
                            Jump::Lost if self.framed(&state) => Reached::Inside,
                            Jump::Lost => Reached::Undecided,
                        };
                        reached.push((index, target));
                    }
                    Flow::Next | Flow::Jump(_) | Flow::Branch(_) | Flow::Stop => {}
                }
            }
        }
        reached
    }

    /// Whether the stack is certainly not as it was at entry, so that a jump cannot be a tail call.
    fn framed(&self, state: &State) -> bool {
        matches!(state.get(self.convention.sp), Value::Stack(Base::Entry, at) if at != 0)
            || matches!(
                state.get(self.convention.sp),
                Value::Stack(Base::Rounded, _)
            )
    }

    fn target(&mut self, state: &State, place: Place) -> Reached {
        let value = match place {
            Place::Reg(register) => state.get(register),
            Place::Mem(mem) => match self.address(state, mem) {
                Address::Const(at) => {
                    return if self.image.is_constant(at) {
                        Reached::Slot(at)
                    } else {
                        Reached::Pointer
                    };
                }
                _ => self.load(state, mem),
            },
            Place::Elsewhere => Value::Dynamic,
        };
        match value {
            // The jump that was lost may lead between the load and the call.
            Value::Const(_) | Value::Slot(_) if self.lost => Reached::Undecided,
            Value::Const(to) => Reached::Held(to),
            Value::Slot(at) => Reached::Loaded(at),
            Value::Dynamic | Value::Indexed | Value::Entry(_) | Value::Target(_) => {
                Reached::Pointer
            }
            Value::Unknown | Value::Stack(..) => Reached::Undecided,
        }
    }
}

/// Joins `from` into a state that may not be there yet; whether anything changed.
fn join_into(state: &mut Option<State>, from: &State) -> bool {
    match state {
        Some(known) => known.join(from),
        None => {
            *state = Some(from.clone());
            true
        }
    }
}

enum Run {
    Settled,
    NewLeaders(Vec<usize>),
    Lost,
}

enum Jump {
    /// A tail call.
    Out,
    Inside(Vec<usize>),
    Lost,
}

enum Address {
    Const(u64),
    Stack(Base, i64),
    /// Somewhere in the frame.
    StackIndexed,
    /// An index into a table at a constant address.
    Table(u64),
    Indexed,
    Dynamic,
    Unknown,
}

fn add(value: Value, by: i64) -> Value {
    match value {
        Value::Const(to) => Value::Const(to.wrapping_add_signed(by)),
        Value::Stack(base, at) => Value::Stack(base, at.wrapping_add(by)),
        Value::Entry(_) | Value::Target(_) | Value::Indexed => Value::Indexed,
        Value::Unknown => Value::Unknown,
        Value::Dynamic | Value::Slot(_) => Value::Dynamic,
    }
}
