//! What is remembered of called functions and of slots.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::Graph;
use super::solver::Mix;
use crate::image::Image;
use crate::ir::{CallTarget, Effect, Expr, Flow, Place};
use crate::route::Route;

/// What is remembered of called functions and of slots; it holds for a whole image.
pub(crate) struct Callees {
    /// As many as memory is spent on: a power of two.
    lines: Vec<Callee>,
    /// Whether a slot is a constant that a call may go through.
    slots: HashMap<u64, bool, BuildHasherDefault<Mix>>,
}

/// A called function, or what is called through a slot; what was not asked yet is none.
#[derive(Clone, Copy, Default)]
struct Callee {
    /// Its address, or the slot's; 0 if nothing is remembered here.
    at: u64,
    is_slot: bool,
    route: Option<Route>,
    never_returns: Option<bool>,
    returns_twice: Option<bool>,
    is_constant: Option<bool>,
}

impl Callees {
    pub fn new(lines: usize) -> Self {
        Self {
            lines: vec![Callee::default(); lines.next_power_of_two()],
            slots: HashMap::default(),
        }
    }

    fn of(&mut self, at: u64, is_slot: bool) -> &mut Callee {
        // Fibonacci hashing: the product's upper bits.
        let hash = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let line = hash as usize & (self.lines.len() - 1);
        let callee = &mut self.lines[line];
        if callee.at != at || callee.is_slot != is_slot || at == 0 {
            *callee = Callee {
                at,
                is_slot,
                ..Callee::default()
            };
        }
        callee
    }

    pub fn route(&mut self, image: &Image, reached: CallTarget) -> Route {
        let (at, is_slot) = match reached {
            CallTarget::Address(to) => (to, false),
            CallTarget::Slot(at) => (at, true),
            _ => return image.route(reached),
        };
        *self
            .of(at, is_slot)
            .route
            .get_or_insert_with(|| image.route(reached))
    }

    /// Whether nothing but the loader writes a slot.
    pub fn is_constant(&mut self, image: &Image, slot: u64) -> bool {
        *self
            .of(slot, true)
            .is_constant
            .get_or_insert_with(|| image.is_constant(slot))
    }

    fn never_returns(&mut self, image: &Image, address: u64) -> bool {
        *self
            .of(address, false)
            .never_returns
            .get_or_insert_with(|| image.never_returns(address))
    }

    fn returns_twice(&mut self, image: &Image, address: u64) -> bool {
        *self
            .of(address, false)
            .returns_twice
            .get_or_insert_with(|| image.returns_twice(address))
    }

    fn holds_what_never_returns(&mut self, image: &Image, slot: u64) -> bool {
        *self
            .of(slot, true)
            .never_returns
            .get_or_insert_with(|| image.holds_what_never_returns(slot))
    }

    fn holds_what_returns_twice(&mut self, image: &Image, slot: u64) -> bool {
        *self
            .of(slot, true)
            .returns_twice
            .get_or_insert_with(|| image.holds_what_returns_twice(slot))
    }

    pub fn holds_code(&mut self, image: &Image, slot: u64) -> bool {
        *self
            .slots
            .entry(slot)
            .or_insert_with(|| image.holds_code(slot))
    }
}

impl Graph<'_> {
    /// Whether a step is a call that never comes back, as far as the callee's name tells.
    pub(crate) fn never_returns(&mut self, flow: Flow) -> bool {
        match flow {
            Flow::Call(to) => self.callees.never_returns(self.image, to),
            Flow::CallVia(place) => place.slot().is_some_and(|slot| {
                self.callees.is_constant(self.image, slot)
                    && self.callees.holds_what_never_returns(self.image, slot)
            }),
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
                    || self.callees.returns_twice(image, to)
            }
            Flow::CallVia(Place::Elsewhere) => false,
            Flow::CallVia(place) => match place.slot() {
                Some(slot) => self.callees.holds_what_returns_twice(image, slot),
                // Only what the function itself loads is known to be such.
                None => {
                    if self.twice_held.is_none() {
                        self.twice_held = Some(self.holds_what_returns_twice());
                    }
                    self.twice_held == Some(true)
                }
            },
            _ => false,
        }
    }

    fn holds_what_returns_twice(&mut self) -> bool {
        let image = self.image;
        image.has_what_returns_twice()
            && (0..self.body.len()).any(|step| match self.body.effect(step) {
                Effect::Set(_, Expr::Load(mem)) => mem
                    .address()
                    .is_some_and(|slot| image.holds_what_returns_twice(slot)),
                Effect::Set(_, Expr::Const(to)) => image.is_code(to) && image.returns_twice(to),
                _ => false,
            })
    }
}
