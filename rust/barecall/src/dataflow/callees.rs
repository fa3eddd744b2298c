//! What is remembered of called functions and of slots.

use rustc_hash::FxHashMap;

use crate::image::Image;
use crate::ir::CallTarget;
use crate::route::Route;

/// What is remembered of called functions and of slots; it holds for a whole image.
pub(crate) struct Callees {
    /// As many as memory is spent on: a power of two.
    lines: Vec<Callee>,
    /// Whether a slot is a constant that a call may go through.
    slots: FxHashMap<u64, bool>,
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
            slots: FxHashMap::default(),
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

    pub fn route(&mut self, image: &Image, target: CallTarget) -> Route {
        let route = match target {
            CallTarget::Address(to) => &mut self.of(to, false).route,
            CallTarget::Slot(at) => &mut self.of(at, true).route,
            _ => return image.route(target),
        };
        *route.get_or_insert_with(|| image.route(target))
    }

    /// Whether nothing but the loader writes a slot.
    pub fn is_constant(&mut self, image: &Image, slot: u64) -> bool {
        let known = &mut self.of(slot, true).is_constant;
        *known.get_or_insert_with(|| image.is_constant(slot))
    }

    /// Whether a call to an address never comes back.
    pub fn never_returns(&mut self, image: &Image, address: u64) -> bool {
        let known = &mut self.of(address, false).never_returns;
        *known.get_or_insert_with(|| image.never_returns(address))
    }

    /// Whether a call to an address may come back twice.
    pub fn returns_twice(&mut self, image: &Image, address: u64) -> bool {
        let known = &mut self.of(address, false).returns_twice;
        *known.get_or_insert_with(|| image.returns_twice(address))
    }

    /// Whether a call through a slot never comes back.
    pub fn holds_what_never_returns(&mut self, image: &Image, slot: u64) -> bool {
        let known = &mut self.of(slot, true).never_returns;
        *known.get_or_insert_with(|| image.holds_what_never_returns(slot))
    }

    /// Whether a call through a slot may come back twice.
    pub fn holds_what_returns_twice(&mut self, image: &Image, slot: u64) -> bool {
        let known = &mut self.of(slot, true).returns_twice;
        *known.get_or_insert_with(|| image.holds_what_returns_twice(slot))
    }

    /// Whether a slot is a constant that a call may go through.
    pub fn holds_code(&mut self, image: &Image, slot: u64) -> bool {
        let known = self.slots.entry(slot);
        *known.or_insert_with(|| image.holds_code(slot))
    }
}
