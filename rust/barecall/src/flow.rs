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
use std::hash::BuildHasherDefault;

mod blocks;
mod callees;
mod changes;
mod evaluate;
mod frame;
mod questions;
mod tables;
mod value;

use crate::body::{Body, word};
use crate::image::Image;
use crate::step::{Flow, Place, Reg, Regs};
use callees::Callees;
use evaluate::Address;
use frame::Frame;
use questions::{Mix, Node, Question};
use tables::Table;
use value::{Base, Value};

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

/// Jumps may reveal blocks, and these jumps, so often.
const MOST_ROUNDS: usize = 16;

/// The end of a list, or nothing.
const NONE: u32 = u32::MAX;

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
}

/// Where a jump leads.
enum Jump {
    /// A tail call.
    Out,
    Inside(Vec<u32>),
    Lost,
}

/// Makes it `len` times `value`.
fn refill<T: Copy>(all: &mut Vec<T>, len: usize, value: T) {
    all.clear();
    all.resize(len, value);
}
