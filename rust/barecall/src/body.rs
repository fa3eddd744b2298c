//! The instructions of one function: where control turns is found in one pass, what else each does only when asked.

use iced_x86::{Instruction, InstructionInfoFactory};

use crate::aarch64;
use crate::image::{Architecture, Image};
use crate::step::{Effect, Flow, Step};
use crate::x86;

/// An instruction behind which control need not go on to the next.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    /// Its index among the function's instructions.
    pub index: u32,
    pub flow: Flow,
    /// Only the data flow can tell where it goes.
    pub open: bool,
}

/// One function's instructions by index, in order of address; read one function after another, it reuses its memory.
pub(crate) struct Body {
    code: Code,
    /// The turns, in order.
    pub turns: Vec<Turn>,
    /// Which instructions do not lie directly behind the one before: the beginnings of the function's parts.
    pub beginnings: Vec<u32>,
}

enum Code {
    X86 {
        decoded: Vec<Instruction>,
        /// What each does, if it is `lifted`; left over from another function otherwise.
        effects: Vec<Effect>,
        lifted: Vec<bool>,
        info: InstructionInfoFactory,
    },
    Aarch64(Vec<Step>),
}

impl Body {
    pub(crate) fn new(architecture: Architecture) -> Self {
        Self {
            code: match architecture {
                Architecture::X86_64 => Code::X86 {
                    decoded: Vec::new(),
                    effects: Vec::new(),
                    lifted: Vec::new(),
                    info: InstructionInfoFactory::new(),
                },
                Architecture::Aarch64 => Code::Aarch64(Vec::new()),
            },
            turns: Vec::new(),
            beginnings: Vec::new(),
        }
    }

    /// Forgets the instructions.
    pub(crate) fn clear(&mut self) {
        self.turns.clear();
        self.beginnings.clear();
        match &mut self.code {
            Code::X86 {
                decoded, lifted, ..
            } => {
                decoded.clear();
                lifted.clear();
            }
            Code::Aarch64(steps) => steps.clear(),
        }
    }

    /// Appends the instructions from `start` up to `end`, on x86-64 `most` of them. Returns the address behind.
    pub(crate) fn append(&mut self, image: &Image, start: u64, end: u64, most: usize) -> u64 {
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let bytes = image.contents(start, len);
        let first = self.len();
        match &mut self.code {
            Code::X86 { decoded, .. } => {
                x86::decode(bytes, start, most, decoded, |index, instruction| {
                    let flow = x86::flow(instruction);
                    if flow != Flow::Next {
                        self.turns.push(Turn::new(index, flow));
                    }
                });
                if 0 < first && first < self.len() && !self.follows(first) {
                    self.beginnings.push(word(first));
                }
                if first < self.len() && most < usize::MAX {
                    let last = self.len() - 1;
                    return self.at(last) + u64::from(self.size(last));
                }
            }
            Code::Aarch64(steps) => {
                for (at, instruction) in aarch64::words(bytes, start) {
                    if image.is_literal(at) {
                        continue;
                    }
                    if steps.last().is_some_and(|last| last.at + 4 != at) {
                        self.beginnings.push(word(steps.len()));
                    }
                    let moved = match aarch64::flow(at, instruction) {
                        Flow::Jump(to) => moved(image, at, to),
                        _ => None,
                    };
                    aarch64::lift(at, moved.unwrap_or(instruction), steps);
                }
                for (index, step) in steps.iter().enumerate().skip(first) {
                    if step.flow != Flow::Next {
                        self.turns.push(Turn::new(index, step.flow));
                    }
                }
            }
        }
        end
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match &self.code {
            Code::X86 { decoded, .. } => decoded.len(),
            Code::Aarch64(steps) => steps.len(),
        }
    }

    /// The address.
    pub(crate) fn at(&self, index: usize) -> u64 {
        match &self.code {
            Code::X86 { decoded, .. } => decoded[index].ip(),
            Code::Aarch64(steps) => steps[index].at,
        }
    }

    /// How many bytes long it is.
    pub(crate) fn size(&self, index: usize) -> u8 {
        match &self.code {
            Code::X86 { decoded, .. } => u8::try_from(decoded[index].len()).unwrap_or(u8::MAX),
            Code::Aarch64(steps) => steps[index].len,
        }
    }

    /// Where control goes behind it.
    pub(crate) fn flow(&self, index: usize) -> Flow {
        match &self.code {
            Code::X86 { decoded, .. } => x86::flow(&decoded[index]),
            Code::Aarch64(steps) => steps[index].flow,
        }
    }

    /// What it does to registers and memory.
    pub(crate) fn effect(&mut self, index: usize) -> Effect {
        match &mut self.code {
            Code::X86 {
                decoded,
                effects,
                lifted,
                info,
            } => {
                if lifted.is_empty() {
                    lifted.resize(decoded.len(), false);
                    if effects.len() < decoded.len() {
                        effects.resize(decoded.len(), Effect::None);
                    }
                }
                if !lifted[index] {
                    lifted[index] = true;
                    effects[index] = x86::effect(&decoded[index], info);
                }
                effects[index]
            }
            Code::Aarch64(steps) => steps[index].effect,
        }
    }

    /// Whether it may change the stack or frame pointer or do something with what they hold, or is a call; found
    /// out with less effort than its effect.
    pub(crate) fn may_move_pointers(&self, index: usize) -> bool {
        match &self.code {
            Code::X86 { decoded, .. } => x86::may_move_pointers(&decoded[index]),
            Code::Aarch64(_) => true,
        }
    }

    /// Whether it lies directly behind the one before, not in another part of the function.
    pub(crate) fn follows(&self, index: usize) -> bool {
        index > 0 && self.at(index - 1) + u64::from(self.size(index - 1)) == self.at(index)
    }

    /// Whether it is more of the instruction before: one with several effects is several.
    pub(crate) fn is_more(&self, index: usize) -> bool {
        index > 0 && self.at(index - 1) == self.at(index)
    }

    /// The first at or behind an address.
    pub(crate) fn first_at(&self, address: u64) -> usize {
        match &self.code {
            Code::X86 { decoded, .. } => {
                decoded.partition_point(|instruction| instruction.ip() < address)
            }
            Code::Aarch64(steps) => steps.partition_point(|step| step.at < address),
        }
    }
}

impl Turn {
    fn new(index: usize, flow: Flow) -> Self {
        Self {
            index: word(index),
            flow,
            open: false,
        }
    }
}

/// The instruction that the linker moved to `to` because of a processor's erratum (Cortex-A53 843419): it
/// stands there before a jump back to behind where it was.
fn moved(image: &Image, at: u64, to: u64) -> Option<u32> {
    let words: Vec<_> = aarch64::words(image.contents(to, 8), to).collect();
    match words[..] {
        [(first, moved), (second, back)]
            if aarch64::flow(first, moved) == Flow::Next
                && aarch64::flow(second, back) == Flow::Jump(at.wrapping_add(4)) =>
        {
            Some(moved)
        }
        _ => None,
    }
}

/// An index as it is stored: a function that has more instructions than this is not followed at all.
pub(crate) fn word(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
