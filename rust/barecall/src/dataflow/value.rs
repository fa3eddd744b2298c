//! What a register or a word of the frame may hold.

use crate::ir::{Reg, Width};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
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
    pub fn join(self, other: Self) -> Self {
        use Value::{Dynamic, Entry, Indexed, Target, Unknown};
        match (self, other) {
            (a, b) if a == b => a,
            (Unknown, _) | (_, Unknown) => Unknown,
            (Entry(_) | Target(_) | Indexed, _) | (_, Entry(_) | Target(_) | Indexed) => Indexed,
            _ => Dynamic,
        }
    }
}

/// What frame addresses are relative to: the stack pointer at entry, the same after the function's one rounding, or
/// the stack pointer at the beginning of a block whose past is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Base {
    Entry,
    Rounded,
    Block,
}

/// Something that holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Location {
    Reg(Reg),
    /// A word of the frame.
    Frame(Base, i64),
}

pub(super) fn add(value: Value, by: i64) -> Value {
    match value {
        Value::Const(to) => Value::Const(to.wrapping_add_signed(by)),
        Value::Frame => Value::Frame,
        Value::Entry(_) | Value::Target(_) | Value::Indexed => Value::Indexed,
        Value::Unknown => Value::Unknown,
        Value::Dynamic | Value::Slot(_) => Value::Dynamic,
    }
}

/// A jump table: where its entries are, how wide, and how an entry becomes an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub at: u64,
    /// None: entries are whole addresses.
    pub width: Option<Width>,
    pub base: u64,
    pub shift: u8,
}

impl Table {
    pub const fn new(at: u64, width: Option<Width>) -> Self {
        Self {
            at,
            width,
            base: 0,
            shift: 0,
        }
    }

    /// How many bytes an entry has.
    pub fn entry_size(self) -> u64 {
        self.width.map_or(8, Width::bytes)
    }
}
