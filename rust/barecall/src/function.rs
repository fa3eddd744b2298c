//! The instructions of one function: where control is transferred, and what each may change, is found in one pass; what else
//! each does only when asked.

use std::ops::Range;

use iced_x86::{Instruction, InstructionInfoFactory};

use crate::image::{Architecture, Image};
use crate::ir::{ControlTransfers, Convention, Effect, Flow, Op};
use crate::isa::aarch64;
use crate::isa::x86_64::{self, InstructionSummary};

/// One function's instructions by index, in order of address; read one function after another, it reuses its memory.
pub(crate) struct Body<'a> {
    image: &'a Image,
    convention: &'static Convention,
    code: Code<'a>,
    /// The transfers, in order.
    pub transfers: ControlTransfers,
    /// Which instructions do not lie directly behind the one before: the beginnings of the function's parts.
    pub beginnings: Vec<u32>,
}

enum Code<'a> {
    X86 {
        reader: Box<x86_64::Reader<'a>>,
        summaries: Vec<InstructionSummary>,
        decoded: Instruction,
        info: InstructionInfoFactory,
    },
    Aarch64(Vec<Op>),
}

impl<'a> Body<'a> {
    pub(crate) fn new(image: &'a Image, convention: &'static Convention) -> Self {
        Self {
            image,
            convention,
            code: match image.architecture {
                Architecture::X86_64 => Code::X86 {
                    reader: Box::new(x86_64::Reader::new(&image.bytes)),
                    summaries: Vec::new(),
                    decoded: Instruction::default(),
                    info: InstructionInfoFactory::new(),
                },
                Architecture::Aarch64 => Code::Aarch64(Vec::new()),
            },
            transfers: ControlTransfers::default(),
            beginnings: Vec::new(),
        }
    }

    /// Forgets the instructions.
    pub(crate) fn clear(&mut self) {
        self.transfers.clear();
        self.beginnings.clear();
        match &mut self.code {
            Code::X86 { summaries, .. } => summaries.clear(),
            Code::Aarch64(steps) => steps.clear(),
        }
    }

    /// Appends the instructions from `start` up to `end`, on x86-64 `most` of them. Returns the address behind.
    pub(crate) fn append(&mut self, start: u64, end: u64, most: usize) -> u64 {
        let image = self.image;
        let len = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        let first = self.len();
        match &mut self.code {
            Code::X86 {
                reader, summaries, ..
            } => {
                // What follows is not read, but need not be looked out for.
                let place = image.place(start, len.saturating_add(x86_64::WINDOW));
                x86_64::skim(
                    reader,
                    place,
                    len,
                    start,
                    most,
                    summaries,
                    &mut self.transfers,
                );
                if 0 < first && first < self.len() && !self.follows(first) {
                    self.beginnings.push(word(first));
                }
                if first < self.len() && most < usize::MAX {
                    let last = self.len() - 1;
                    return self.at(last) + u64::from(self.size(last));
                }
            }
            Code::Aarch64(steps) => {
                let bytes = image.contents(start, len);
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
                        self.transfers.push(index, step.flow);
                    }
                }
            }
        }
        end
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match &self.code {
            Code::X86 { summaries, .. } => summaries.len(),
            Code::Aarch64(steps) => steps.len(),
        }
    }

    /// The address.
    pub(crate) fn at(&self, index: usize) -> u64 {
        match &self.code {
            Code::X86 { summaries, .. } => summaries[index].at(),
            Code::Aarch64(steps) => steps[index].at,
        }
    }

    /// Hears of several with their addresses, the last first.
    pub(crate) fn each_address_back(
        &self,
        indices: Range<usize>,
        mut hear: impl FnMut(usize, u64),
    ) {
        match &self.code {
            Code::X86 { summaries, .. } => {
                for (index, summary) in indices.clone().zip(&summaries[indices]).rev() {
                    hear(index, summary.at());
                }
            }
            Code::Aarch64(steps) => {
                for (index, step) in indices.clone().zip(&steps[indices]).rev() {
                    hear(index, step.at);
                }
            }
        }
    }

    /// How many bytes long it is.
    pub(crate) fn size(&self, index: usize) -> u8 {
        match &self.code {
            Code::X86 { summaries, .. } => summaries[index].size(),
            Code::Aarch64(steps) => steps[index].len,
        }
    }

    /// Where control goes behind it.
    pub(crate) fn flow(&self, index: usize) -> Flow {
        match &self.code {
            Code::X86 { summaries, .. } => {
                let summary = &summaries[index];
                if summary.is(InstructionSummary::TRANSFER) {
                    self.transfers.flow(self.transfers.get(summary.transfer()))
                } else {
                    Flow::Next
                }
            }
            Code::Aarch64(steps) => steps[index].flow,
        }
    }

    /// Whether control is transferred there.
    pub(crate) fn transfers_at(&self, index: usize) -> bool {
        match &self.code {
            Code::X86 { summaries, .. } => summaries[index].is(InstructionSummary::TRANSFER),
            Code::Aarch64(steps) => steps[index].flow != Flow::Next,
        }
    }

    /// What it does to registers and memory.
    pub(crate) fn effect(&mut self, index: usize) -> Effect {
        match &mut self.code {
            Code::X86 {
                reader,
                summaries,
                decoded,
                info,
            } => {
                let summary = summaries[index];
                if summary.is(InstructionSummary::TRANSFER)
                    && let Flow::Call(_) | Flow::CallVia(_) | Flow::Jump(_) | Flow::JumpVia(_) =
                        self.transfers.flow(self.transfers.get(summary.transfer()))
                {
                    return Effect::None;
                }
                let place = self.image.place(summary.at(), summary.size().into());
                reader.decode(place, summary.at(), decoded);
                x86_64::effect(decoded, info)
            }
            Code::Aarch64(steps) => steps[index].effect,
        }
    }

    /// The registers it writes, and [`STORES`](crate::ir::STORES); found out with less effort than its effect.
    pub(crate) fn writes(&mut self, index: usize) -> u64 {
        if let Code::X86 { summaries, .. } = &self.code {
            let summary = &summaries[index];
            if !summary.is(InstructionSummary::VAGUE) {
                return summary.writes();
            }
        }
        let effect = self.effect(index);
        self.convention.writes(&effect)
    }

    /// The registers that any of several write, and [`STORES`](crate::ir::STORES).
    pub(crate) fn all_writes(&mut self, steps: Range<usize>) -> u64 {
        if let Code::X86 { summaries, .. } = &self.code {
            let all = summaries[steps.clone()]
                .iter()
                .fold(0, |all, summary| all | summary.what);
            if all & InstructionSummary::VAGUE == 0 {
                return InstructionSummary::written(all);
            }
        }
        steps.fold(0, |all, step| all | self.writes(step))
    }

    /// Which transfers are among several instructions.
    pub(crate) fn transfers_in(&self, steps: Range<usize>) -> Range<usize> {
        match &self.code {
            Code::X86 { summaries, .. } => {
                let transfer = |summary: &InstructionSummary| summary.transfer();
                summaries
                    .get(steps.start)
                    .map_or(self.transfers.len(), transfer)
                    ..summaries
                        .get(steps.end)
                        .map_or(self.transfers.len(), transfer)
            }
            Code::Aarch64(_) => {
                self.transfers.first_at(steps.start)..self.transfers.first_at(steps.end)
            }
        }
    }

    /// Whether it may change the stack or frame pointer or do something with what they hold, or is a call; found
    /// out with less effort than its effect.
    pub(crate) fn may_move_pointers(&self, index: usize) -> bool {
        match &self.code {
            Code::X86 { summaries, .. } => {
                summaries[index].is(InstructionSummary::POINTERS | InstructionSummary::VAGUE)
            }
            Code::Aarch64(_) => true,
        }
    }

    /// Whether it lies directly behind the one before, not in another part of the function.
    pub(crate) fn follows(&self, index: usize) -> bool {
        index > 0 && self.at(index - 1) + u64::from(self.size(index - 1)) == self.at(index)
    }

    /// The first at or behind an address, which lies little behind the one of that index.
    pub(crate) fn first_from(&self, from: usize, address: u64) -> usize {
        match &self.code {
            Code::X86 { summaries, .. } => {
                from + before(&summaries[from..], |summary| summary.at() < address)
            }
            Code::Aarch64(steps) => from + before(&steps[from..], |step| step.at < address),
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

/// How many of the first are before something: few.
fn before<T>(all: &[T], is_before: impl Fn(&T) -> bool) -> usize {
    let mut before = 0;
    let (fours, _) = all.as_chunks::<4>();
    for four in fours {
        // How many of four, no processor foresees.
        let here: usize = four.iter().map(|one| usize::from(is_before(one))).sum();
        before += here;
        if here < 4 {
            return before;
        }
    }
    before
        + all[before..]
            .iter()
            .take_while(|one| is_before(one))
            .count()
}

/// An index as it is stored: a function that has more instructions than this is not followed at all.
pub(crate) fn word(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
