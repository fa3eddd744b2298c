//! The stack and frame pointers, followed forwards, and whether the frame's address got out.

use super::graph::{ENTRY, Frame, Graph, OTHERWISE, PAD, Pointers};
use super::value::Base;
use crate::ir::{Effect, Expr, Flow};

impl Graph<'_> {
    pub(super) fn frame(&mut self) -> &mut Frame {
        if self.frame.is_none() {
            let frame = self.frame_of_blocks();
            self.frame = Some(frame);
        }
        self.frame.get_or_insert_default()
    }

    /// The stack and frame pointers before a step.
    pub(super) fn pointers_before(&mut self, step: usize) -> Pointers {
        let block = self.block_of(step);
        let begin = self.begin(block);
        let moves = self.mask(block) & self.pointers() != 0;
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
    pub(super) fn pointers_behind(&mut self, step: usize) -> Pointers {
        let mut now = self.pointers_before(step);
        self.move_pointers(step, &mut now);
        now
    }

    /// The two pointers' bits among registers.
    const fn pointers(&self) -> u64 {
        1 << self.convention.sp | 1 << self.convention.fp
    }

    /// Follows the stack and frame pointers forwards through all blocks.
    fn frame_of_blocks(&mut self) -> Frame {
        const NOTHING_KNOWN: Pointers = Pointers::at(Base::Block);
        let blocks = self.blocks.len();
        let mut frame = Frame {
            entering: vec![self.lost.then_some(NOTHING_KNOWN); blocks],
            escaped: self.lost,
            ..Frame::default()
        };
        if self.lost {
            return frame;
        }
        let mut pending = Vec::new();
        let mut pads = Vec::new();
        for block in 0..blocks {
            let how = self.blocks[block].entered;
            if how & PAD != 0 {
                pads.push(block);
            }
            if how & OTHERWISE != 0 {
                frame.escaped = true;
                frame.join(block, NOTHING_KNOWN, &mut pending);
            }
            if how & ENTRY != 0 {
                frame.join(block, Pointers::at(Base::Entry), &mut pending);
            }
        }
        let mut thrown: Option<Pointers> = None;
        loop {
            while let Some(block) = pending.pop() {
                let Some(mut now) = frame.entering[block] else {
                    continue;
                };
                // What is known already need not be found again.
                let passed = frame.escaped && self.mask(block) & self.pointers() == 0;
                let mut steps = self.begin(block)..self.end(block);
                if passed {
                    steps.start = steps.end;
                    if !pads.is_empty() && self.may_throw(block) {
                        thrown = Some(thrown.map_or(now, |known| frame.either(known, now)));
                    }
                }
                for index in steps {
                    if !self.body.may_move_pointers(index) {
                        frame.escaped |= now.sp.is_none();
                        continue;
                    }
                    frame.escaped |= self.move_pointers(index, &mut now);
                    if !pads.is_empty()
                        && let Flow::Call(_) | Flow::CallVia(_) | Flow::JumpVia(_) =
                            self.body.flow(index)
                    {
                        thrown = Some(thrown.map_or(now, |known| frame.either(known, now)));
                    }
                }
                self.successors(block, |next| frame.join(next, now, &mut pending));
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
        let held = |now: &Pointers, register| now.held(self.convention, register);
        let mut escaped = false;
        match self.body.effect(index) {
            Effect::None => {}
            Effect::Set(register, expr) => {
                let mut lost = |a, b| {
                    escaped = held(now, a).is_some() || held(now, b).is_some();
                    None
                };
                let value = match expr {
                    Expr::Copy(from) => held(now, from),
                    Expr::Add(from, by) => {
                        held(now, from).map(|(base, at)| (base, at.wrapping_add(by)))
                    }
                    Expr::Sum(a, b, _) | Expr::Offset(a, b, ..) => lost(a, b),
                    Expr::Plus(from, _) => lost(from, from),
                    Expr::Either(other) => lost(other, register),
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
                let only = *self.realigned.get_or_insert(index) == index;
                now.sp = match now.sp {
                    Some((Base::Entry, _)) if only => Some((Base::Rounded, 0)),
                    _ => None,
                };
            }
            Effect::Clobber { reads, writes, .. } => {
                escaped = reads & (1 << fp) != 0 && now.fp.is_some()
                    || self.convention.sp_is_read && reads & (1 << sp) != 0;
                if writes & (1 << sp) != 0 {
                    now.sp = None;
                }
                if writes & (1 << fp) != 0 {
                    now.fp = None;
                }
            }
        }
        let flow = self.body.flow(index);
        if flow.is_call() && self.is_odd(flow) {
            escaped = true;
            now.fp = None;
        }
        escaped || now.sp.is_none()
    }
}
