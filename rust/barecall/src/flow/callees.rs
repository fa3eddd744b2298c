//! What is known of called functions by their names.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::Graph;
use super::questions::Mix;
use crate::image::Image;
use crate::step::{Effect, Expr, Flow, Mem, Place};

/// What is known of called functions by their names; it holds for a whole image.
#[derive(Default)]
pub(super) struct Callees {
    /// Slots by their complement.
    known: HashMap<u64, Manners, BuildHasherDefault<Mix>>,
    /// Whether a slot is a constant that a call may go through.
    slots: HashMap<u64, bool, BuildHasherDefault<Mix>>,
}

/// How a call to it ends.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub never_returns: bool,
    pub returns_twice: bool,
}

impl Callees {
    pub fn at(&mut self, image: &Image, address: u64) -> Manners {
        *self.known.entry(address).or_insert_with(|| Manners {
            never_returns: image.never_returns(address),
            returns_twice: image.has_what_returns_twice() && image.returns_twice(address),
        })
    }

    pub fn holds_code(&mut self, image: &Image, slot: u64) -> bool {
        *self
            .slots
            .entry(slot)
            .or_insert_with(|| image.holds_code(slot))
    }

    pub fn through(&mut self, image: &Image, slot: u64) -> Manners {
        *self.known.entry(!slot).or_insert_with(|| Manners {
            never_returns: image.holds_what_never_returns(slot),
            returns_twice: image.holds_what_returns_twice(slot),
        })
    }
}

impl Graph<'_> {
    /// Whether a step is a call that never comes back, as far as the callee's name tells.
    pub(crate) fn never_returns(&mut self, flow: Flow) -> bool {
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

    /// Whether a call is to code that keeps to no convention, or comes back again later with the frame as it
    /// is then.
    pub(super) fn is_odd(&mut self, flow: Flow) -> bool {
        let image = self.image;
        if self.subroutines.is_empty() && !image.has_what_returns_twice() {
            return false;
        }
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
}
