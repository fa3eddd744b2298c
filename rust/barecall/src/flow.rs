//! What a register holds when a call goes through it: a data flow over one function's control-flow graph.
//!
//! The analysis is conditional on nothing but the instructions, and driven by demand: it asks what a place
//! holds before a call, and from there, backwards, what decides that. Each such question (a [`Node`]) joins
//! what all predecessors leave behind; answers go forwards along the questions until nothing changes. Jump
//! tables are read from the image, spill slots are followed through the stack, and blocks that only unwinding
//! can enter start from what every call in the function may leave behind. What it loses it calls
//! [`Value::Unknown`]; such a call is `unresolved`.
//!
//! Assumed, as every unwinder and debugger does: callees keep the callee-saved registers and the stack
//! pointer of the platform's calling convention, and write to a caller's frame only through an address
//! that the caller gave away.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use crate::body::{Body, Turn, word};
use crate::image::Image;
use crate::step::{Effect, Expr, Flow, Mem, Place, Reg, Regs, Width};

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
    /// The register that holds the frame's address, in functions that keep it.
    pub fp: Reg,
    /// What a call may overwrite.
    pub caller_saved: Regs,
}

/// What is known of called functions by their names; it holds for a whole image.
#[derive(Default)]
struct Callees {
    /// Slots by their complement.
    known: HashMap<u64, Manners, BuildHasherDefault<Mix>>,
    /// Whether a slot is a constant that a call may go through.
    slots: HashMap<u64, bool, BuildHasherDefault<Mix>>,
}

#[derive(Clone, Copy)]
struct Manners {
    never_returns: bool,
    returns_twice: bool,
}

impl Callees {
    fn at(&mut self, image: &Image, address: u64) -> Manners {
        *self.known.entry(address).or_insert_with(|| Manners {
            never_returns: image.never_returns(address),
            returns_twice: image.returns_twice(address),
        })
    }

    fn holds_code(&mut self, image: &Image, slot: u64) -> bool {
        *self
            .slots
            .entry(slot)
            .or_insert_with(|| image.holds_code(slot))
    }

    fn through(&mut self, image: &Image, slot: u64) -> Manners {
        *self.known.entry(!slot).or_insert_with(|| Manners {
            never_returns: image.holds_what_never_returns(slot),
            returns_twice: image.holds_what_returns_twice(slot),
        })
    }
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
    /// An address in the frame; which one, only the stack and frame pointers tell.
    Frame,
    /// An entry of a jump table, or the address made from it.
    Entry(usize),
    Target(usize),
    /// Something read from a table that could not be told: a jump through it goes anywhere.
    Indexed,
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

/// What frame addresses are relative to: the stack pointer at entry, the same after rounding, or
/// the stack pointer at the beginning of a block whose past is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Base {
    Entry,
    Rounded,
    Block,
}

/// A frame address; none if a register holds something else, or one that is lost.
type FrameAddress = Option<(Base, i64)>;

/// What the stack pointer and the frame pointer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pointers {
    sp: FrameAddress,
    fp: FrameAddress,
}

/// The stack pointer and frame pointer, and whether the frame is private to the function.
#[derive(Default)]
struct Frame {
    /// At the beginning of each block; none where nothing gets to.
    entering: Vec<Option<Pointers>>,
    /// Whether the address of anything in the frame got out of these two registers, anywhere in the function.
    /// From one address every other can be reached (an element before, a member before: `container_of`), so
    /// one is as good as all.
    escaped: bool,
    /// The last block asked for, before each of its steps.
    block: Option<usize>,
    before: Vec<Pointers>,
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
/// More tables than this in a function, and no jump through a further one is followed.
const MOST_TABLES: usize = 4096;
/// Pieces of dead code that only lead to themselves, each taken by itself.
const MOST_ORPHANS: usize = 64;
/// Jumps may reveal blocks, and these jumps, so often.
const MOST_ROUNDS: usize = 16;

/// Something that holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Location {
    Reg(Reg),
    /// A word of the frame.
    Frame(Base, i64),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Question {
    /// What does this hold at the beginning of a block?
    Entering(u32, Location),
    /// What may any call leave there for a landing pad?
    Thrown(Location),
    /// What does this step put into its register or, for a store, into the frame?
    Put(u32),
    /// What does this step call or jump to?
    Target(u32),
}

struct Node {
    question: Question,
    /// None: nothing has got there so far.
    value: Option<Value>,
    asked: bool,
    /// The first of the questions that wait for this one, in `Graph::waiting`.
    waiting: u32,
}

/// The end of a list, or nothing.
const NONE: u32 = u32::MAX;

/// An answer, or the question that has it.
#[derive(Clone, Copy)]
enum Source {
    Value(Value),
    Node(u32),
}

/// What a step does to a location.
enum Change {
    Kept,
    /// It now holds what another location held before.
    Moved(Location),
    To(Source),
}

/// Multiplies; keys are small and no attacker gains by collisions within one function.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_i64(&mut self, n: i64) {
        self.write_u64(n.cast_unsigned());
    }

    fn write_isize(&mut self, n: isize) {
        self.write_u64(n as u64);
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Why a block is entered other than from another block.
const ENTRY: u8 = 1;
const PAD: u8 = 2;
/// With nothing known.
const OTHERWISE: u8 = 4;

/// In a block's mask of changed registers: it has been computed; the block may write memory; it has a call.
const KNOWN: u64 = 1 << 63;
const WRITES: u64 = 1 << 62;
const CALLS: u64 = 1 << 61;

/// A function's control-flow graph, and the questions about it; one function after another, it reuses its memory.
pub(crate) struct Graph<'a> {
    image: &'a Image,
    convention: &'static Convention,
    /// The function's instructions, here called steps.
    pub body: Body,
    entry: usize,
    /// For every 16 bytes from the first step on, the first step that begins there or later; empty if the parts
    /// lie far apart.
    nearby: Vec<u32>,
    /// Which steps begin a block.
    leads: Vec<bool>,
    /// Jumps and branches with the step they go to.
    branches: Vec<(u32, u32)>,
    /// Calls that never come back, ascending.
    last_calls: Vec<u32>,
    /// Steps at which a block begins, ascending.
    leaders: Vec<u32>,
    block_of: Vec<u32>,
    /// Where each block's last step jumps to.
    exits: Vec<u32>,
    /// Whether control falls out of the end of each block into the next.
    falls: Vec<bool>,
    /// Whether `leads` says something new.
    stale: bool,
    /// Indirect jumps by step, with the steps they go to so far.
    jumps: BTreeMap<usize, Vec<u32>>,
    subroutines: Vec<u32>,
    entered: Vec<u8>,
    reached: Vec<bool>,
    /// The predecessors of each block lie in `predecessors` from here on.
    first_predecessor: Vec<u32>,
    predecessors: Vec<u32>,
    masks: Vec<u64>,
    frame: Option<Frame>,
    tables: Vec<Table>,
    nodes: Vec<Node>,
    known: HashMap<Question, u32, BuildHasherDefault<Mix>>,
    /// Questions that wait for another: which, and the next in the list.
    waiting: Vec<(u32, u32)>,
    work: Vec<u32>,
    pending: Vec<(u32, Option<Value>)>,
    /// Whether a register may hold the address of a function that returns twice.
    twice_held: Option<bool>,
    callees: Callees,
    /// Steps that may still be looked at.
    budget: usize,
    /// A jump within the function went who knows where: blocks are taken one by one, from nothing.
    lost: bool,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(image: &'a Image, convention: &'static Convention) -> Self {
        Self {
            image,
            convention,
            body: Body::new(image.architecture),
            entry: 0,
            nearby: Vec::new(),
            leads: Vec::new(),
            branches: Vec::new(),
            last_calls: Vec::new(),
            leaders: Vec::new(),
            block_of: Vec::new(),
            exits: Vec::new(),
            falls: Vec::new(),
            stale: true,
            jumps: BTreeMap::new(),
            subroutines: Vec::new(),
            entered: Vec::new(),
            reached: Vec::new(),
            first_predecessor: Vec::new(),
            predecessors: Vec::new(),
            masks: Vec::new(),
            frame: None,
            tables: Vec::new(),
            nodes: Vec::new(),
            known: HashMap::default(),
            waiting: Vec::new(),
            work: Vec::new(),
            pending: Vec::new(),
            twice_held: None,
            callees: Callees::default(),
            budget: 0,
            lost: false,
        }
    }

    /// Decides the open turns of `body`, a function that is entered at the address `entry`: pairs of an index among
    /// its instructions and what that one reaches.
    pub(crate) fn reached(&mut self, entry: u64) -> Vec<(usize, Reached)> {
        if self.body.len() == 0 {
            return Vec::new();
        }
        self.begin_with(entry);
        self.solve();
        self.report()
    }

    /// Gives back the memory that a large function took: few are.
    pub(crate) fn shrink(&mut self) {
        const LARGE: usize = 1 << 14;
        if self.body.len() > LARGE {
            *self = Self {
                callees: std::mem::take(&mut self.callees),
                ..Self::new(self.image, self.convention)
            };
        }
    }

    /// Finds the blocks and the jumps, as far as the instructions alone tell them.
    fn begin_with(&mut self, entry: u64) {
        let steps = self.body.len();
        nearby(&self.body, &mut self.nearby);
        refill(&mut self.leads, steps + 1, false);
        self.branches.clear();
        self.last_calls.clear();
        self.stale = true;
        self.jumps.clear();
        self.subroutines.clear();
        self.tables.clear();
        self.twice_held = None;
        self.budget = (1 << 16) + 64 * steps;
        self.lost = false;
        self.entry = self.index(entry).unwrap_or(0);
        self.leads[0] = true;
        self.leads[self.entry] = true;
        for &index in &self.body.beginnings {
            self.leads[index as usize] = true;
        }
        for n in 0..self.body.turns.len() {
            let Turn { index, flow, .. } = self.body.turns[n];
            let index = index as usize;
            match flow {
                Flow::Next => continue,
                Flow::CallVia(_) => {
                    if !self.never_returns(flow) {
                        continue;
                    }
                    self.last_calls.push(word(index));
                }
                Flow::Call(to) => {
                    // A subroutine within the function.
                    if let Some(target) = self.index(to)
                        && target != self.entry
                    {
                        self.leads[target] = true;
                        self.subroutines.push(word(target));
                    }
                    if !self.never_returns(flow) {
                        continue;
                    }
                    self.last_calls.push(word(index));
                }
                Flow::Jump(to) | Flow::Branch(to) => {
                    if let Some(target) = self.index(to) {
                        self.leads[target] = true;
                        self.branches.push((word(index), word(target)));
                    } else {
                        self.lost |= self.within(to);
                    }
                }
                Flow::JumpVia(_) => {
                    self.jumps.insert(index, Vec::new());
                }
                Flow::Stop => {}
            }
            self.leads[index + 1] = true;
        }
    }

    /// The first step at an address of this function.
    fn index(&self, address: u64) -> Option<usize> {
        let body = &self.body;
        let first = body.at(0);
        if address < first || address > body.at(body.len() - 1) {
            return None;
        }
        let at = match self.nearby.get(((address - first) >> 4) as usize) {
            Some(&from) => (from as usize..body.len()).find(|&step| body.at(step) >= address)?,
            None => body.first_at(address),
        };
        (at < body.len() && body.at(at) == address).then_some(at)
    }

    /// Whether an address lies in the middle of an instruction: a jump there executes something else.
    fn within(&self, address: u64) -> bool {
        let Some(behind) = address.checked_add(1) else {
            return false;
        };
        let after = self.body.first_at(behind);
        after.checked_sub(1).is_some_and(|before| {
            let at = self.body.at(before);
            address > at && address - at < self.body.size(before).into()
        })
    }

    /// Whether the step lies directly behind the one before it, not in another part of the function.
    fn follows(&self, index: usize) -> bool {
        self.body.follows(index)
    }

    /// Whether a step is a call that never comes back, as far as the callee's name tells.
    fn never_returns(&mut self, flow: Flow) -> bool {
        match flow {
            Flow::Call(to) => self.callees.at(self.image, to).never_returns,
            Flow::CallVia(Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            })) => {
                let slot = disp.cast_unsigned();
                self.image.is_constant(slot) && self.callees.through(self.image, slot).never_returns
            }
            _ => false,
        }
    }

    fn begin(&self, block: usize) -> usize {
        self.leaders[block] as usize
    }

    fn end(&self, block: usize) -> usize {
        self.leaders
            .get(block + 1)
            .map_or(self.body.len(), |&leader| leader as usize)
    }

    /// Finds out where every jump goes, until that changes nothing.
    fn solve(&mut self) {
        // Without jumps that reveal blocks, what is not reached at once is a landing pad.
        let mut pads = self.jumps.is_empty();
        for _ in 0..MOST_ROUNDS {
            self.lay_out();
            if self.lost || !self.connect(pads) {
                break;
            }
            match self.resolve() {
                None => break,
                Some(true) => {}
                Some(false) if pads || self.unreached().is_empty() => return,
                Some(false) => pads = true,
            }
        }
        self.lost = true;
        self.lay_out();
        refill(&mut self.reached, self.leaders.len(), true);
        self.forget();
    }

    /// Divides the steps into blocks.
    fn lay_out(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        self.leaders.clear();
        self.block_of.resize(self.body.len(), 0);
        for (index, &leads) in self.leads[..self.body.len()].iter().enumerate() {
            if leads {
                self.leaders.push(word(index));
            }
        }
        for block in 0..self.leaders.len() {
            let steps = self.begin(block)..self.end(block);
            self.block_of[steps].fill(word(block));
        }
        let blocks = self.leaders.len();
        refill(&mut self.exits, blocks, NONE);
        for &(step, target) in &self.branches {
            self.exits[self.block_of[step as usize] as usize] = self.block_of[target as usize];
        }
        refill(&mut self.masks, blocks, 0);
        self.falls.clear();
        for block in 0..blocks {
            let falls = self.falls_through(block);
            self.falls.push(falls);
        }
    }

    /// Drops all answers.
    fn forget(&mut self) {
        self.nodes.clear();
        // Clearing takes time by how much it ever held.
        if self.known.capacity() > 1 << 10 {
            self.known = HashMap::default();
        }
        self.known.clear();
        self.waiting.clear();
        self.work.clear();
        self.frame = None;
    }

    fn falls_through(&self, block: usize) -> bool {
        let end = self.end(block);
        let goes_on = match self.body.flow(end - 1) {
            Flow::Jump(_) | Flow::JumpVia(_) | Flow::Stop => false,
            Flow::Call(_) | Flow::CallVia(_) => {
                self.last_calls.binary_search(&word(end - 1)).is_err()
            }
            Flow::Next | Flow::Branch(_) => true,
        };
        goes_on && end < self.body.len() && self.follows(end)
    }

    fn successors(&self, block: usize, out: &mut Vec<usize>) {
        out.clear();
        if self.falls[block] {
            out.push(block + 1);
        }
        if self.exits[block] != NONE {
            out.push(self.exits[block] as usize);
        }
        let last = self.end(block) - 1;
        if let Flow::JumpVia(_) = self.body.flow(last)
            && let Some(targets) = self.jumps.get(&last)
        {
            out.extend(
                targets
                    .iter()
                    .map(|&step| self.block_of[step as usize] as usize),
            );
        }
    }

    /// Finds which blocks are reached, and from where. False: too much of it from nowhere.
    fn connect(&mut self, pads: bool) -> bool {
        let blocks = self.leaders.len();
        refill(&mut self.entered, blocks, 0);
        refill(&mut self.reached, blocks, false);
        let entry = self.block_of[self.entry] as usize;
        self.entered[entry] = ENTRY;
        let mut roots = vec![entry];
        // Blocks that are entered with nothing known: subroutines within the function, and what lies behind
        // another function inside this one, which may fall into it.
        for n in 0..self.subroutines.len() {
            let block = self.block_of[self.subroutines[n] as usize] as usize;
            self.entered[block] |= OTHERWISE;
            roots.push(block);
        }
        for block in 1..blocks {
            let leader = self.begin(block);
            if !self.body.is_more(leader)
                && !self.follows(leader)
                && self.image.is_remainder(self.body.at(leader))
            {
                self.entered[block] |= OTHERWISE;
                roots.push(block);
            }
        }
        self.reach(roots);
        if pads {
            let mut has_predecessor = vec![false; blocks];
            for block in 0..blocks {
                if self.exits[block] != NONE {
                    has_predecessor[self.exits[block] as usize] = true;
                }
                if self.falls[block] {
                    has_predecessor[block + 1] = true;
                }
            }
            let found: Vec<usize> = self
                .unreached()
                .into_iter()
                .filter(|&block| !has_predecessor[block])
                .collect();
            for &block in &found {
                self.entered[block] |= PAD;
            }
            self.reach(found);
            // Dead code that only leads to itself.
            let mut orphans = 0;
            for orphan in self.unreached() {
                if self.reached[orphan] {
                    continue;
                }
                orphans += 1;
                if orphans > MOST_ORPHANS {
                    return false;
                }
                self.entered[orphan] |= PAD;
                self.reach(vec![orphan]);
            }
        }
        let mut edges = Vec::new();
        let mut successors = Vec::new();
        for block in (0..blocks)
            .filter(|&block| self.reached[block])
            .collect::<Vec<_>>()
        {
            self.successors(block, &mut successors);
            edges.extend(successors.iter().map(|&to| (word(to), word(block))));
        }
        refill(&mut self.first_predecessor, blocks + 1, 0);
        for &(to, _) in &edges {
            self.first_predecessor[to as usize + 1] += 1;
        }
        for block in 0..blocks {
            self.first_predecessor[block + 1] += self.first_predecessor[block];
        }
        let mut next = self.first_predecessor.clone();
        refill(&mut self.predecessors, edges.len(), 0);
        for (to, from) in edges {
            let at = &mut next[to as usize];
            self.predecessors[*at as usize] = from;
            *at += 1;
        }
        self.forget();
        true
    }

    fn reach(&mut self, mut pending: Vec<usize>) {
        let mut successors = Vec::new();
        while let Some(block) = pending.pop() {
            if !std::mem::replace(&mut self.reached[block], true) {
                self.successors(block, &mut successors);
                pending.extend_from_slice(&successors);
            }
        }
    }

    /// Blocks that nothing reaches so far. Nops that align the next block fall into it, but never run.
    fn unreached(&mut self) -> Vec<usize> {
        let blocks = 0..self.leaders.len();
        blocks
            .filter(|&block| {
                !self.reached[block]
                    && (self.begin(block)..self.end(block)).any(|step| {
                        self.body.flow(step) != Flow::Next || self.body.effect(step) != Effect::None
                    })
            })
            .collect()
    }

    /// Asks where the reached jumps go: whether that is news. None: one goes who knows where.
    fn resolve(&mut self) -> Option<bool> {
        let jumps: Vec<usize> = self
            .jumps
            .keys()
            .copied()
            .filter(|&step| self.reached[self.block_of[step] as usize])
            .collect();
        let mut asked = Vec::new();
        for &step in &jumps {
            asked.push(self.ask(Question::Target(word(step))));
        }
        self.answer();
        let (mut news, mut open) = (false, false);
        for (step, node) in jumps.into_iter().zip(asked) {
            let targets = match self.nodes[node as usize].value {
                // Nothing gets there in the graph so far.
                None => {
                    open = true;
                    continue;
                }
                Some(value) => match self.jump(step, value) {
                    Jump::Lost => return None,
                    Jump::Out => Vec::new(),
                    Jump::Inside(targets) => targets,
                },
            };
            if self.jumps.get(&step) != Some(&targets) {
                for &target in &targets {
                    self.stale |= !std::mem::replace(&mut self.leads[target as usize], true);
                }
                self.jumps.insert(step, targets);
                news = true;
            }
        }
        if self.budget == 0 || (open && !news) {
            return None;
        }
        Some(news)
    }

    fn jump(&mut self, step: usize, value: Value) -> Jump {
        match value {
            Value::Target(table) => match self.targets(self.tables[table]) {
                Some(targets) => Jump::Inside(targets),
                None => Jump::Lost,
            },
            Value::Const(to) => match self.index(to) {
                Some(step) => Jump::Inside(vec![word(step)]),
                None => Jump::Out,
            },
            Value::Slot(_) => Jump::Out,
            // A tail call is made with the stack as it was at entry.
            Value::Dynamic if self.pointers_behind(step).sp == Some((Base::Entry, 0)) => Jump::Out,
            _ => Jump::Lost,
        }
    }

    /// Each open call and jump that is reached, with its target.
    fn report(&mut self) -> Vec<(usize, Reached)> {
        let mut sites = Vec::new();
        for turn in &self.body.turns {
            let index = turn.index as usize;
            if turn.open && self.reached[self.block_of[index] as usize] {
                sites.push(index);
            }
        }
        let mut asked = Vec::new();
        for &step in &sites {
            asked.push(self.ask(Question::Target(word(step))));
        }
        self.answer();
        let mut reached = Vec::new();
        for (step, node) in sites.into_iter().zip(asked) {
            let value = self.nodes[node as usize].value.unwrap_or(Value::Unknown);
            // Some question was not followed to its end.
            let value = if self.budget == 0 {
                Value::Unknown
            } else {
                value
            };
            let target = match self.body.flow(step) {
                Flow::JumpVia(place) => match self.jump(step, value) {
                    Jump::Inside(_) => Reached::Inside,
                    Jump::Out => self.target(step, place, value, node),
                    Jump::Lost if self.framed(step) => Reached::Inside,
                    Jump::Lost => Reached::Undecided,
                },
                Flow::CallVia(place) => self.target(step, place, value, node),
                _ => continue,
            };
            reached.push((step, target));
        }
        reached
    }

    /// Whether the stack is certainly not as it was at entry, so that a jump cannot be a tail call.
    fn framed(&mut self, step: usize) -> bool {
        match self.pointers_behind(step).sp {
            Some((Base::Entry, at)) => at != 0,
            Some((Base::Rounded, _)) => true,
            Some((Base::Block, _)) | None => false,
        }
    }

    fn target(&mut self, step: usize, place: Place, value: Value, node: u32) -> Reached {
        if let Place::Mem(mem) = place
            && let Some(Address::Const(at)) = self.address(step, mem, node)
        {
            return if !self.image.is_constant(at) {
                Reached::Pointer
            } else if mem.base.is_some() && (self.lost || value == Value::Unknown) {
                Reached::Undecided
            } else {
                Reached::Slot(at)
            };
        }
        match value {
            // The jump that was lost may lead between the load and the call.
            Value::Const(_) | Value::Slot(_) if self.lost => Reached::Undecided,
            Value::Const(to) => Reached::Held(to),
            Value::Slot(at) => Reached::Loaded(at),
            Value::Dynamic | Value::Indexed | Value::Entry(_) | Value::Target(_) => {
                Reached::Pointer
            }
            Value::Unknown | Value::Frame => Reached::Undecided,
        }
    }

    fn ask(&mut self, question: Question) -> u32 {
        if let Some(&node) = self.known.get(&question) {
            return node;
        }
        let node = word(self.nodes.len());
        self.nodes.push(Node {
            question,
            value: None,
            asked: false,
            waiting: NONE,
        });
        self.known.insert(question, node);
        self.work.push(node);
        node
    }

    /// Follows all questions until no answer changes.
    fn answer(&mut self) {
        while let Some(node) = self.work.pop() {
            let question = self.nodes[node as usize].question;
            let first = !std::mem::replace(&mut self.nodes[node as usize].asked, true);
            match question {
                Question::Entering(block, location) if first => {
                    self.entering(node, block as usize, location);
                }
                Question::Thrown(location) if first => self.thrown(node, location),
                Question::Entering(..) | Question::Thrown(_) => {}
                Question::Put(step) => {
                    let value = self.put(step as usize, node);
                    self.learn(node, value);
                }
                Question::Target(step) => {
                    let value = self.called(step as usize, node);
                    self.learn(node, value);
                }
            }
        }
    }

    /// Joins a value into an answer, and tells those who wait for it.
    fn learn(&mut self, node: u32, value: Option<Value>) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.push((node, value));
        while let Some((node, value)) = pending.pop() {
            let Some(value) = value else { continue };
            let known = &mut self.nodes[node as usize];
            let joined = known.value.map_or(value, |known| known.join(value));
            if known.value == Some(joined) {
                continue;
            }
            known.value = Some(joined);
            let mut next = known.waiting;
            while next != NONE {
                let (waiter, after) = self.waiting[next as usize];
                match self.nodes[waiter as usize].question {
                    Question::Entering(..) | Question::Thrown(_) => {
                        pending.push((waiter, Some(joined)));
                    }
                    Question::Put(_) | Question::Target(_) => self.work.push(waiter),
                }
                next = after;
            }
        }
        self.pending = pending;
    }

    /// What a source says now; `waiter` hears of changes.
    fn heard(&mut self, source: Source, waiter: u32) -> Option<Value> {
        match source {
            Source::Value(value) => Some(value),
            Source::Node(node) => {
                let next = self.nodes[node as usize].waiting;
                self.nodes[node as usize].waiting = word(self.waiting.len());
                self.waiting.push((waiter, next));
                self.nodes[node as usize].value
            }
        }
    }

    fn entering(&mut self, node: u32, block: usize, location: Location) {
        let how = self.entered[block];
        if how & OTHERWISE != 0 {
            // Nothing is above that.
            self.learn(node, Some(Value::Unknown));
            return;
        }
        if how & ENTRY != 0 {
            self.learn(node, Some(Value::Dynamic));
        }
        if how & PAD != 0 {
            let thrown = self.ask(Question::Thrown(location));
            let value = self.heard(Source::Node(thrown), node);
            self.learn(node, value);
        }
        let from = self.first_predecessor[block] as usize;
        let to = self.first_predecessor[block + 1] as usize;
        for n in from..to {
            let predecessor = self.predecessors[n] as usize;
            let source = self.before(predecessor, self.end(predecessor), location);
            let value = self.heard(source, node);
            self.learn(node, value);
        }
    }

    /// Joins what every call leaves behind and, should a table be longer than it was taken for, every jump: the
    /// other cases may be what seems to be entered by nothing.
    fn thrown(&mut self, node: u32, location: Location) {
        let mut any = false;
        for block in 0..self.leaders.len() {
            let mask = self.mask(block);
            self.budget = self.budget.saturating_sub(1);
            if !self.reached[block] {
                continue;
            }
            let end = self.end(block);
            let jumps = matches!(self.body.flow(end - 1), Flow::JumpVia(_));
            if jumps {
                any = true;
                let source = self.before(block, end, location);
                let value = self.heard(source, node);
                self.learn(node, value);
            }
            if mask & CALLS == 0 {
                continue;
            }
            any = true;
            if !self.may_change(block, location) {
                let source = self.at_start(block, location);
                let value = self.heard(source, node);
                self.learn(node, value);
                continue;
            }
            for index in self.begin(block)..end {
                if matches!(self.body.flow(index), Flow::Call(_) | Flow::CallVia(_)) {
                    let source = self.before(block, index + 1, location);
                    let value = self.heard(source, node);
                    self.learn(node, value);
                    if self.nodes[node as usize].value == Some(Value::Unknown) {
                        return;
                    }
                }
            }
        }
        if !any {
            self.learn(node, Some(Value::Unknown));
        }
    }

    /// What a block may change.
    fn mask(&mut self, block: usize) -> u64 {
        if self.masks[block] != 0 {
            return self.masks[block];
        }
        let mut mask = KNOWN;
        for index in self.begin(block)..self.end(block) {
            let effect = self.body.effect(index);
            mask |= self.writes(&effect);
            let flow = self.body.flow(index);
            if let Flow::Call(_) | Flow::CallVia(_) = flow {
                mask |= WRITES | CALLS;
                mask |= if self.is_odd(flow) {
                    u64::from(u32::MAX)
                } else {
                    self.convention.caller_saved.into()
                };
            }
        }
        self.masks[block] = mask;
        mask
    }

    /// The registers that an effect writes, and [`WRITES`].
    fn writes(&self, effect: &Effect) -> u64 {
        let sp = 1 << self.convention.sp;
        match *effect {
            Effect::None => 0,
            Effect::Set(register, _) => 1 << register,
            Effect::Store { .. } => WRITES,
            Effect::Push(_) => sp | WRITES,
            Effect::Pop(to) => sp | 1 << to,
            Effect::Leave => sp | 1 << self.convention.fp,
            Effect::Realign => sp,
            Effect::Clobber { writes, store, .. } => {
                u64::from(writes) | if store.is_some() { WRITES } else { 0 }
            }
        }
    }

    fn may_change(&mut self, block: usize, location: Location) -> bool {
        let bit = match location {
            Location::Reg(register) => 1 << register,
            Location::Frame(..) => WRITES,
        };
        self.mask(block) & bit != 0
    }

    fn at_start(&mut self, block: usize, location: Location) -> Source {
        if self.lost {
            return Source::Value(Value::Unknown);
        }
        Source::Node(self.ask(Question::Entering(word(block), location)))
    }

    /// What a location holds before a step of a block (or at its end).
    fn before(&mut self, block: usize, step: usize, mut location: Location) -> Source {
        let begin = self.begin(block);
        let mut index = step;
        self.budget = self.budget.saturating_sub(1);
        loop {
            if location == Location::Reg(self.convention.sp) {
                return Source::Value(Value::Frame);
            }
            if index == begin || !self.may_change(block, location) {
                return self.at_start(block, location);
            }
            while index > begin {
                index -= 1;
                if self.budget == 0 {
                    return Source::Value(Value::Unknown);
                }
                self.budget -= 1;
                if let Some(value) = self.left_by_call(index, location) {
                    return Source::Value(value);
                }
                match self.change(index, location) {
                    Change::Kept => {}
                    Change::To(source) => return source,
                    Change::Moved(from) => {
                        location = from;
                        break;
                    }
                }
            }
        }
    }

    /// What a call leaves in a location, if it may change it.
    fn left_by_call(&mut self, index: usize, location: Location) -> Option<Value> {
        let flow = self.body.flow(index);
        if !matches!(flow, Flow::Call(_) | Flow::CallVia(_)) {
            return None;
        }
        if let Location::Reg(register) = location
            && self.convention.caller_saved & (1 << register) != 0
        {
            return Some(if self.is_odd(flow) {
                Value::Unknown
            } else {
                Value::Dynamic
            });
        }
        if self.is_odd(flow) {
            return Some(Value::Unknown);
        }
        match location {
            Location::Frame(..) if self.frame().escaped => Some(Value::Dynamic),
            _ => None,
        }
    }

    /// Whether a call is to code that keeps to no convention, or comes back again later with the frame as it
    /// is then.
    fn is_odd(&mut self, flow: Flow) -> bool {
        let image = self.image;
        match flow {
            // A subroutine within the function; a recursive call keeps to the convention.
            Flow::Call(to) => {
                self.index(to).is_some_and(|step| step != self.entry)
                    || self.callees.at(image, to).returns_twice
            }
            Flow::CallVia(Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            })) => {
                self.callees
                    .through(image, disp.cast_unsigned())
                    .returns_twice
            }
            // Only what the function itself loads is known to be such.
            Flow::CallVia(Place::Reg(_) | Place::Mem(_)) => {
                if self.twice_held.is_none() {
                    self.twice_held = Some(self.holds_what_returns_twice());
                }
                self.twice_held == Some(true)
            }
            _ => false,
        }
    }

    fn holds_what_returns_twice(&mut self) -> bool {
        let image = self.image;
        image.has_what_returns_twice()
            && (0..self.body.len()).any(|step| match self.body.effect(step) {
                Effect::Set(
                    _,
                    Expr::Load(Mem {
                        index: None,
                        base: None,
                        disp,
                    }),
                ) => image.holds_what_returns_twice(disp.cast_unsigned()),
                Effect::Set(_, Expr::Const(to)) => image.is_code(to) && image.returns_twice(to),
                _ => false,
            })
    }

    /// What a step's effect does to a location.
    fn change(&mut self, index: usize, location: Location) -> Change {
        let effect = self.body.effect(index);
        match location {
            Location::Reg(register) => match effect {
                Effect::Set(to, expr) if to == register => match expr {
                    Expr::Const(value) => Change::To(Source::Value(Value::Const(value))),
                    Expr::Copy(from) => Change::Moved(Location::Reg(from)),
                    _ => Change::To(Source::Node(self.ask(Question::Put(word(index))))),
                },
                Effect::Pop(to) if to == register => match self.pointers_before(index).sp {
                    Some((base, at)) => Change::Moved(Location::Frame(base, at)),
                    None => Change::To(Source::Value(Value::Unknown)),
                },
                Effect::Leave if register == self.convention.fp => {
                    match self.pointers_before(index).fp {
                        Some((base, at)) => Change::Moved(Location::Frame(base, at)),
                        None => Change::To(Source::Value(Value::Unknown)),
                    }
                }
                Effect::Clobber { writes, .. } if writes & (1 << register) != 0 => {
                    Change::To(Source::Value(Value::Dynamic))
                }
                _ => Change::Kept,
            },
            Location::Frame(base, at) => {
                let (mem, width, from) = match effect {
                    Effect::Store { mem, width, from } => (mem, width, from),
                    Effect::Push(from) => (Mem::based(self.convention.sp, -8), 8, from),
                    Effect::Clobber {
                        store: Some((mem, width)),
                        ..
                    } => (mem, width, None),
                    _ => return Change::Kept,
                };
                let dynamic = Change::To(Source::Value(Value::Dynamic));
                if mem.base.is_none() && mem.index.is_none() {
                    return Change::Kept;
                }
                let pointers = self.pointers_before(index);
                let frame = match mem.base {
                    Some(base) if base == self.convention.sp => pointers.sp,
                    Some(base) if base == self.convention.fp => pointers.fp,
                    _ => None,
                };
                match frame {
                    // An address in the frame would have got out of the two pointers.
                    None if self.frame().escaped => dynamic,
                    None => Change::Kept,
                    Some(_) if mem.index.is_some() => dynamic,
                    // Where the bases lie to one another is not known.
                    Some((other, _)) if other != base => dynamic,
                    Some((_, distance)) => {
                        let to = distance.wrapping_add(mem.disp);
                        let end = to.saturating_add(width.into());
                        if to >= at.saturating_add(8) || end <= at {
                            Change::Kept
                        } else if to == at && width == 8 && from.is_some() {
                            Change::To(Source::Node(self.ask(Question::Put(word(index)))))
                        } else {
                            dynamic
                        }
                    }
                }
            }
        }
    }

    fn register(&mut self, step: usize, register: Reg, waiter: u32) -> Option<Value> {
        let block = self.block_of[step] as usize;
        let source = self.before(block, step, Location::Reg(register));
        self.heard(source, waiter)
    }

    /// What a step puts into its register or the frame.
    fn put(&mut self, step: usize, node: u32) -> Option<Value> {
        match self.body.effect(step) {
            Effect::Set(register, expr) => self.evaluate(step, register, expr, node),
            Effect::Store {
                from: Some(from), ..
            }
            | Effect::Push(Some(from)) => {
                let value = self.register(step, from, node)?;
                Some(self.worth_following(value))
            }
            _ => Some(Value::Dynamic),
        }
    }

    /// What is remembered of a value in the frame: only what a call may go through.
    fn worth_following(&self, value: Value) -> Value {
        match value {
            Value::Const(at) if !self.image.is_code(at) => Value::Dynamic,
            Value::Frame | Value::Entry(_) | Value::Target(_) | Value::Indexed => Value::Dynamic,
            other => other,
        }
    }

    /// What a step calls or jumps to.
    fn called(&mut self, step: usize, node: u32) -> Option<Value> {
        let (Flow::CallVia(place) | Flow::JumpVia(place)) = self.body.flow(step) else {
            return Some(Value::Unknown);
        };
        // An instruction that changes a register and then goes through it is not followed.
        let effect = self.body.effect(step);
        let own = self.writes(&effect);
        match place {
            Place::Elsewhere => Some(Value::Dynamic),
            Place::Reg(register) if own & (1 << register) == 0 => {
                self.register(step, register, node)
            }
            Place::Mem(mem) if own == 0 => self.load(step, mem, node),
            Place::Reg(_) | Place::Mem(_) => Some(Value::Unknown),
        }
    }

    fn evaluate(&mut self, step: usize, into: Reg, expr: Expr, node: u32) -> Option<Value> {
        Some(match expr {
            Expr::Const(value) => Value::Const(value),
            Expr::Copy(register) => self.register(step, register, node)?,
            Expr::Add(register, by) => add(self.register(step, register, node)?, by),
            Expr::Either(register) => {
                let own = self.register(step, into, node);
                let other = self.register(step, register, node);
                match (own, other) {
                    (Some(own), Some(other)) => own.join(other),
                    (own, other) => own.or(other)?,
                }
            }
            Expr::Sum(a, b, shift) => {
                let a = self.register(step, a, node);
                let b = self.register(step, b, node);
                self.sum(a?, b?, shift)
            }
            Expr::Offset(a, b, width, shift) => {
                let a = self.register(step, a, node);
                let b = self.register(step, b, node);
                let b = self.extended(b?, width);
                self.sum(a?, b, shift)
            }
            Expr::Load(mem) => self.load(step, mem, node)?,
            Expr::Entry(mem, width) => match self.address(step, mem, node)? {
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
        })
    }

    fn address(&mut self, step: usize, mem: Mem, node: u32) -> Option<Address> {
        let base = match mem.base {
            None => None,
            Some(register) => Some(self.register(step, register, node)?),
        };
        let indexed = mem.index.is_some();
        Some(match base {
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
                    Some((register, 0)) if base.is_none() => {
                        match self.register(step, register, node)? {
                            Value::Const(index) => Address::Const(at.wrapping_add(index)),
                            _ => Address::Indexed,
                        }
                    }
                    Some(_) => Address::Table(at),
                }
            }
            Some(Value::Frame) if indexed => Address::FrameIndexed,
            Some(Value::Frame) => {
                let pointers = self.pointers_before(step);
                let pointer = match mem.base {
                    Some(base) if base == self.convention.sp => pointers.sp,
                    Some(base) if base == self.convention.fp => pointers.fp,
                    _ => None,
                };
                match pointer {
                    Some((base, distance)) => Address::Frame(base, distance.wrapping_add(mem.disp)),
                    // It got out: anybody may have written there.
                    None => Address::Dynamic,
                }
            }
            Some(_) if indexed => match mem.index {
                Some((register, 0)) => match self.register(step, register, node)? {
                    Value::Const(table) => Address::Table(table.wrapping_add_signed(mem.disp)),
                    _ => Address::Indexed,
                },
                _ => Address::Indexed,
            },
            Some(Value::Unknown) => Address::Unknown,
            Some(_) => Address::Dynamic,
        })
    }

    fn load(&mut self, step: usize, mem: Mem, node: u32) -> Option<Value> {
        Some(match self.address(step, mem, node)? {
            Address::Const(at) if self.callees.holds_code(self.image, at) => Value::Slot(at),
            Address::Const(_) | Address::Dynamic => Value::Dynamic,
            Address::Frame(base, at) => {
                let block = self.block_of[step] as usize;
                let source = self.before(block, step, Location::Frame(base, at));
                self.heard(source, node)?
            }
            Address::Table(at) => Value::Target(self.table(Table {
                at,
                width: None,
                base: 0,
                shift: 0,
            })),
            Address::FrameIndexed | Address::Indexed => Value::Indexed,
            Address::Unknown => Value::Unknown,
        })
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frame.is_none() {
            let frame = self.frame_of_blocks();
            self.frame = Some(frame);
        }
        self.frame.get_or_insert_default()
    }

    /// The stack and frame pointers before a step.
    fn pointers_before(&mut self, step: usize) -> Pointers {
        let block = self.block_of[step] as usize;
        let begin = self.begin(block);
        let pointers = 1 << self.convention.sp | 1 << self.convention.fp;
        let moves = self.mask(block) & pointers != 0;
        self.frame();
        if !moves || self.frame().block != Some(block) {
            let mut now = self.frame().entering[block].unwrap_or(Pointers { sp: None, fp: None });
            if !moves {
                return now;
            }
            let mut before = std::mem::take(&mut self.frame().before);
            before.clear();
            for index in begin..self.end(block) {
                before.push(now);
                self.move_pointers(index, &mut now);
            }
            self.frame().before = before;
            self.frame().block = Some(block);
        }
        self.frame().before[step - begin]
    }

    /// The same behind a step's effect.
    fn pointers_behind(&mut self, step: usize) -> Pointers {
        let mut now = self.pointers_before(step);
        self.move_pointers(step, &mut now);
        now
    }

    /// Follows the stack and frame pointers forwards through all blocks.
    fn frame_of_blocks(&mut self) -> Frame {
        const NOTHING_KNOWN: Pointers = Pointers {
            sp: Some((Base::Block, 0)),
            fp: None,
        };
        let blocks = self.leaders.len();
        if self.lost {
            return Frame {
                entering: vec![Some(NOTHING_KNOWN); blocks],
                escaped: true,
                ..Frame::default()
            };
        }
        let mut frame = Frame {
            entering: vec![None; blocks],
            ..Frame::default()
        };
        let mut pending = Vec::new();
        let mut pads = Vec::new();
        for block in 0..blocks {
            let how = self.entered[block];
            if how & PAD != 0 {
                pads.push(block);
            }
            if how & OTHERWISE != 0 {
                frame.escaped = true;
                frame.join(block, NOTHING_KNOWN, &mut pending);
            }
            if how & ENTRY != 0 {
                let entry = Pointers {
                    sp: Some((Base::Entry, 0)),
                    fp: None,
                };
                frame.join(block, entry, &mut pending);
            }
        }
        let mut thrown: Option<Pointers> = None;
        let mut successors = Vec::new();
        loop {
            while let Some(block) = pending.pop() {
                let Some(mut now) = frame.entering[block] else {
                    continue;
                };
                for index in self.begin(block)..self.end(block) {
                    if !self.body.may_move_pointers(index) {
                        frame.escaped |= now.sp.is_none();
                        continue;
                    }
                    frame.escaped |= self.move_pointers(index, &mut now);
                    if !pads.is_empty()
                        && let Flow::Call(_) | Flow::CallVia(_) | Flow::JumpVia(_) =
                            self.body.flow(index)
                    {
                        thrown = Some(match thrown {
                            None => now,
                            Some(known) => frame.either(known, now),
                        });
                    }
                }
                self.successors(block, &mut successors);
                for &next in &successors {
                    frame.join(next, now, &mut pending);
                }
            }
            let thrown = thrown.unwrap_or(NOTHING_KNOWN);
            for &pad in &pads {
                frame.join(pad, thrown, &mut pending);
            }
            if pending.is_empty() {
                break;
            }
        }
        frame
    }

    /// Applies a step to the two pointers; whether a frame address got out of them.
    fn move_pointers(&mut self, index: usize, now: &mut Pointers) -> bool {
        let (sp, fp) = (self.convention.sp, self.convention.fp);
        let held = |now: &Pointers, register: Reg| match register {
            _ if register == sp => now.sp,
            _ if register == fp => now.fp,
            _ => None,
        };
        let mut escaped = false;
        match self.body.effect(index) {
            Effect::None => {}
            Effect::Set(register, expr) => {
                let value = match expr {
                    Expr::Copy(from) => held(now, from),
                    Expr::Add(from, by) => {
                        held(now, from).map(|(base, at)| (base, at.wrapping_add(by)))
                    }
                    Expr::Sum(a, b, _) | Expr::Offset(a, b, ..) => {
                        escaped = held(now, a).is_some() || held(now, b).is_some();
                        None
                    }
                    Expr::Either(other) => {
                        escaped = held(now, other).is_some() || held(now, register).is_some();
                        None
                    }
                    Expr::Const(_) | Expr::Load(_) | Expr::Entry(..) => None,
                };
                if register == sp {
                    now.sp = value;
                } else if register == fp {
                    now.fp = value;
                } else {
                    escaped |= value.is_some();
                }
            }
            Effect::Store { from, .. } => {
                escaped = from.is_some_and(|from| held(now, from).is_some());
            }
            Effect::Push(from) => {
                escaped = from.is_some_and(|from| held(now, from).is_some());
                now.sp = now.sp.map(|(base, at)| (base, at.wrapping_sub(8)));
            }
            Effect::Pop(to) => {
                now.sp = now.sp.map(|(base, at)| (base, at.wrapping_add(8)));
                if to == sp {
                    now.sp = None;
                } else if to == fp {
                    now.fp = None;
                }
            }
            Effect::Leave => {
                now.sp = now.fp.map(|(base, at)| (base, at.wrapping_add(8)));
                now.fp = None;
            }
            Effect::Realign => {
                now.sp = match now.sp {
                    Some((Base::Entry, _)) => Some((Base::Rounded, 0)),
                    _ => None,
                };
            }
            Effect::Clobber { reads, writes, .. } => {
                escaped = reads & (1 << fp) != 0 && now.fp.is_some();
                if writes & (1 << sp) != 0 {
                    now.sp = None;
                }
                if writes & (1 << fp) != 0 {
                    now.fp = None;
                }
            }
        }
        let flow = self.body.flow(index);
        if matches!(flow, Flow::Call(_) | Flow::CallVia(_)) && self.is_odd(flow) {
            escaped = true;
            now.fp = None;
        }
        escaped || now.sp.is_none()
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
    fn targets(&self, table: Table) -> Option<Vec<u32>> {
        let mut targets = Vec::new();
        // A short function has no long table; this is asked at every visit.
        let most = (8 * self.body.len() as u64).clamp(1 << 10, MOST_ENTRIES);
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
            targets.push(word(step));
        }
        None
    }
}

impl Frame {
    /// One state or another. An address in the frame that is not recognised in the result any more counts as
    /// got out: a write through it may hit the frame.
    fn either(&mut self, a: Pointers, b: Pointers) -> Pointers {
        let mut one = |a: FrameAddress, b: FrameAddress| {
            if a == b {
                return a;
            }
            self.escaped = true;
            None
        };
        Pointers {
            sp: one(a.sp, b.sp),
            fp: one(a.fp, b.fp),
        }
    }

    fn join(&mut self, block: usize, from: Pointers, pending: &mut Vec<usize>) {
        let joined = match self.entering[block] {
            None => from,
            Some(known) => self.either(known, from),
        };
        if self.entering[block] != Some(joined) {
            self.entering[block] = Some(joined);
            pending.push(block);
        }
    }
}

/// See [`Graph::nearby`].
fn nearby(body: &Body, nearby: &mut Vec<u32>) {
    nearby.clear();
    let (first, last) = (body.at(0), body.at(body.len() - 1));
    if (last - first) >> 4 > 4 * body.len() as u64 {
        return;
    }
    for index in 0..body.len() {
        let line = ((body.at(index) - first) >> 4) as usize;
        while nearby.len() <= line {
            nearby.push(word(index));
        }
    }
}

/// Makes it `len` times `value`.
fn refill<T: Copy>(all: &mut Vec<T>, len: usize, value: T) {
    all.clear();
    all.resize(len, value);
}

enum Jump {
    /// A tail call.
    Out,
    Inside(Vec<u32>),
    Lost,
}

enum Address {
    Const(u64),
    Frame(Base, i64),
    /// Somewhere in the frame.
    FrameIndexed,
    /// An index into a table at a constant address.
    Table(u64),
    Indexed,
    Dynamic,
    Unknown,
}

fn add(value: Value, by: i64) -> Value {
    match value {
        Value::Const(to) => Value::Const(to.wrapping_add_signed(by)),
        Value::Frame => Value::Frame,
        Value::Entry(_) | Value::Target(_) | Value::Indexed => Value::Indexed,
        Value::Unknown => Value::Unknown,
        Value::Dynamic | Value::Slot(_) => Value::Dynamic,
    }
}
