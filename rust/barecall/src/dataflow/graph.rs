//! What is known of the function that is looked at: its control-flow graph, its frame, and the queries about it.

use rustc_hash::FxHashMap;

use super::callees::Callees;
use super::lines::Lines;
use super::value::{Base, Location, Table, Value};
use crate::function::Body;
use crate::image::Image;
use crate::ir::{Convention, Reg};

/// The end of a list, or nothing.
pub(super) const NONE: u32 = u32::MAX;

/// A function's control-flow graph, and the queries about it; one function after another, it reuses its memory.
pub(crate) struct Graph<'a> {
    pub(super) image: &'a Image,
    pub(super) convention: &'static Convention,
    /// The function's instructions, here called steps.
    pub body: Body<'a>,
    /// The function, among the image's.
    pub(super) whole: usize,
    pub(super) entry: usize,
    /// Jumps that [`Self::search_back`] may still go back by in this function.
    pub(super) hops: usize,
    /// Whether unwinding may enter it, as far as the unwind table tells.
    pub(super) has_landing_pads: bool,
    pub(super) lines: Lines,
    /// Which steps begin a block, a bit for each, 64 in a word.
    pub(super) leaders: Vec<u64>,
    /// How many begin before each word's.
    pub(super) ranks: Vec<u32>,
    /// The steps that end a block, ascending.
    pub(super) ends: Vec<BlockEnd>,
    /// The blocks, in order.
    pub(super) blocks: Vec<Block>,
    /// Whether `leaders` says something new.
    pub(super) stale: bool,
    /// The indirect jumps, in order.
    pub(super) jumps: Vec<IndirectJump>,
    pub(super) subroutines: Vec<u32>,
    /// Pairs of a block and one that leads to it, of those reached.
    pub(super) edges: Vec<(u32, u32)>,
    pub(super) predecessors: Vec<u32>,
    /// Used while blocks are reached.
    pub(super) pending_blocks: Vec<usize>,
    pub(super) frame: Option<Frame>,
    pub(super) tables: Vec<Table>,
    /// How many entries each has at least.
    pub(super) least: Vec<u64>,
    pub(super) nodes: Vec<Node>,
    pub(super) known: FxHashMap<Query, u32>,
    /// Locations that were asked about, and for each and each block, the query.
    pub(super) locations: Vec<Location>,
    pub(super) asked: Vec<u32>,
    /// Questions that wait for another: which, and the next in the list.
    pub(super) waiting: Vec<(u32, u32)>,
    pub(super) work: Vec<u32>,
    pub(super) pending: Vec<(u32, Option<Value>)>,
    /// Whether a register may hold the address of a function that returns twice.
    pub(super) twice_held: Option<bool>,
    /// The step that rounds the stack pointer.
    pub(super) realigned: Option<usize>,
    pub callees: Callees,
    /// Operations that may still be looked at.
    pub(super) budget: usize,
    /// Only calls are asked about, the jumps are known.
    pub(super) calls_only: bool,
    /// A jump within the function went who knows where: blocks are taken one by one, from nothing.
    pub(super) lost: bool,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(image: &'a Image, convention: &'static Convention, callees: Callees) -> Self {
        Self {
            image,
            convention,
            has_landing_pads: true,
            body: Body::new(image, convention),
            whole: 0,
            entry: 0,
            hops: 0,
            lines: Lines::default(),
            leaders: Vec::new(),
            ranks: Vec::new(),
            ends: Vec::new(),
            blocks: Vec::new(),
            stale: true,
            jumps: Vec::new(),
            subroutines: Vec::new(),
            edges: Vec::new(),
            predecessors: Vec::new(),
            pending_blocks: Vec::new(),
            frame: None,
            tables: Vec::new(),
            least: Vec::new(),
            nodes: Vec::new(),
            known: FxHashMap::default(),
            locations: Vec::new(),
            asked: Vec::new(),
            waiting: Vec::new(),
            work: Vec::new(),
            pending: Vec::new(),
            twice_held: None,
            realigned: None,
            callees,
            budget: 0,
            calls_only: false,
            lost: false,
        }
    }
}

/// A block is entered other than from another block: by a call of the function,
pub(super) const ENTRY: u8 = 1;
/// by unwinding,
pub(super) const PAD: u8 = 2;
/// or with nothing known.
pub(super) const OTHERWISE: u8 = 4;

/// Operations that are executed one after the other.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Its first step.
    pub begin: u32,
    /// The block that its last step jumps to.
    pub exit: u32,
    /// Which of the graph's indirect jumps its last step is.
    pub jump: u32,
    /// Its predecessors begin here in the graph's.
    pub predecessors: u32,
    /// What it changes; 0 until asked.
    pub mask: u64,
    pub entered: u8,
    pub reached: bool,
    /// Whether control falls out of its end into the next.
    pub falls: bool,
}

/// A step that ends a block.
pub(super) struct BlockEnd {
    pub step: u32,
    /// The step that it jumps to.
    pub target: u32,
    pub jump: u32,
    pub falls: bool,
}

/// An indirect jump, with the steps it goes to so far.
pub(super) struct IndirectJump {
    pub step: u32,
    pub targets: Vec<u32>,
}

/// A frame address; none if a register holds something else, or one that is lost.
pub(super) type FrameAddress = Option<(Base, i64)>;

/// What the stack pointer and the frame pointer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointers {
    pub sp: FrameAddress,
    pub fp: FrameAddress,
}

impl Pointers {
    /// The stack is as it was where a base is taken from; the frame pointer may hold anything.
    pub const fn at(base: Base) -> Self {
        Self {
            sp: Some((base, 0)),
            fp: None,
        }
    }

    /// The frame address that a register holds.
    pub fn held(&self, convention: &Convention, register: Reg) -> FrameAddress {
        match register {
            _ if register == convention.sp => self.sp,
            _ if register == convention.fp => self.fp,
            _ => None,
        }
    }
}

/// The stack pointer and frame pointer, and whether the frame is private to the function.
#[derive(Default)]
pub(super) struct Frame {
    /// At the beginning of each block; none where nothing gets to.
    pub entering: Vec<Option<Pointers>>,
    /// Whether the address of anything in the frame got out of these two registers, anywhere in the function.
    /// From one address every other can be reached (an element before, a member before: `container_of`), so
    /// one is as good as all.
    pub escaped: bool,
    /// The last block asked for, before each of its steps.
    pub block: Option<usize>,
    pub before: Vec<Pointers>,
}

impl Frame {
    /// One state or another. An address in the frame that is not recognised in the result any more counts as
    /// got out: a write through it may hit the frame.
    pub fn either(&mut self, a: Pointers, b: Pointers) -> Pointers {
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

    pub fn join(&mut self, block: usize, from: Pointers, pending: &mut Vec<usize>) {
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

/// A query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Query {
    /// What does this hold at the beginning of a block?
    Entering(u32, Location),
    /// What may any call leave there for a landing pad?
    Thrown(Location),
    /// What does this step put into its register or, for a store, into the frame?
    Put(u32),
    /// What does this step call or jump to?
    Target(u32),
}

pub(super) struct Node {
    pub query: Query,
    /// None: nothing has got there so far.
    pub value: Option<Value>,
    /// How many of the sources of its answer are joined.
    pub next: u32,
    /// The first of the queries that wait for this one, in `Graph::waiting`.
    pub waiting: u32,
}

/// An answer, or the query that has it.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Value(Value),
    Node(u32),
}
