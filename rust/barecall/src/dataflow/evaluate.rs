//! What a step computes, loads or calls.

use super::graph::Graph;
use super::tables::LOOKED_AT;
use super::value::{Base, Location, Table, Value, add};
use crate::ir::{Effect, Expr, Flow, Mem, Place, Reg, Width};

/// An address, as far as it is known.
pub(super) enum Address {
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

impl Graph<'_> {
    fn register(&mut self, step: usize, register: Reg, waiter: u32) -> Option<Value> {
        let block = self.block_of(step);
        let source = self.before(block, step, Location::Reg(register));
        self.subscribe(source, waiter)
    }

    /// What a step puts into its register or the frame.
    pub(super) fn put(&mut self, step: usize, node: u32) -> Option<Value> {
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
    pub(super) fn called(&mut self, step: usize, node: u32) -> Option<Value> {
        let (Flow::CallVia(place) | Flow::JumpVia(place)) = self.body.flow(step) else {
            return Some(Value::Unknown);
        };
        // An instruction that changes a register and then goes through it is not followed.
        let own = self.body.writes(step);
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
            Expr::Entry(mem, width) => self.entry_of(step, mem, width, node)?,
            Expr::Plus(register, mem) => {
                let value = self.register(step, register, node);
                let entry = self.entry_of(step, mem, Width::I64, node);
                self.sum(value?, entry?, 0)
            }
        })
    }

    /// What is loaded from a table of words of this width, if it is one.
    fn entry_of(&mut self, step: usize, mem: Mem, width: Width, node: u32) -> Option<Value> {
        Some(match self.address(step, mem, node)? {
            Address::Table(at) => Value::Entry(self.table(Table::new(at, Some(width)))),
            Address::Indexed => Value::Indexed,
            Address::Unknown => Value::Unknown,
            _ => Value::Dynamic,
        })
    }

    pub(super) fn address(&mut self, step: usize, mem: Mem, node: u32) -> Option<Address> {
        let base = match mem.base {
            None => None,
            Some(register) => Some(self.register(step, register, node)?),
        };
        let indexed = mem.index.is_some();
        Some(match base {
            None | Some(Value::Const(_)) => {
                let from = match base {
                    Some(Value::Const(base)) => base,
                    _ => 0,
                };
                let at = from.wrapping_add_signed(mem.disp);
                match mem.index {
                    None => Address::Const(at),
                    // mov rax, [rbx + rcx], a distance from the global offset table in rcx; or the table's address.
                    Some((register, 0)) => match self.register(step, register, node)? {
                        Value::Const(index) if self.convention.whole_index => {
                            Address::Const(at.wrapping_add(index))
                        }
                        _ if base.is_none() => Address::Indexed,
                        _ => Address::Table(at),
                    },
                    Some(_) => Address::Table(at),
                }
            }
            Some(Value::Frame) if indexed => Address::FrameIndexed,
            Some(Value::Frame) => {
                let pointers = self.pointers_before(step);
                match mem
                    .base
                    .and_then(|base| pointers.held(self.convention, base))
                {
                    Some((base, distance)) => Address::Frame(base, distance.wrapping_add(mem.disp)),
                    // It got out: anybody may have written there.
                    None => Address::Dynamic,
                }
            }
            Some(base) if indexed => match mem.index {
                Some((register, 0)) => match self.register(step, register, node)? {
                    // By a distance that itself comes from a table: nothing that a switch does.
                    Value::Const(_) if matches!(base, Value::Entry(_)) => Address::Dynamic,
                    Value::Const(table) => Address::Table(table.wrapping_add_signed(mem.disp)),
                    Value::Dynamic if base == Value::Dynamic => Address::Dynamic,
                    _ => Address::Indexed,
                },
                // An array that the program found itself is no switch's table.
                Some(_) if base == Value::Dynamic => Address::Dynamic,
                _ => Address::Indexed,
            },
            Some(Value::Unknown) => Address::Unknown,
            // Something of a table, perhaps.
            Some(Value::Indexed | Value::Entry(_) | Value::Target(_)) => Address::Indexed,
            Some(_) => Address::Dynamic,
        })
    }

    fn load(&mut self, step: usize, mem: Mem, node: u32) -> Option<Value> {
        Some(match self.address(step, mem, node)? {
            Address::Const(at) if self.callees.holds_code(self.image, at) => Value::Slot(at),
            // What is written while the program runs is no switch's, unless it begins as one.
            Address::Table(at) if !self.image.is_constant(at) => {
                let mut slots = (0..LOOKED_AT).map(|n| at.wrapping_add(8 * n));
                match slots.any(|slot| self.label_at(slot).is_some()) {
                    true => Value::Indexed,
                    false => Value::Dynamic,
                }
            }
            Address::Const(_) | Address::Dynamic => Value::Dynamic,
            Address::Frame(base, at) => {
                let block = self.block_of(step);
                let source = self.before(block, step, Location::Frame(base, at));
                self.subscribe(source, node)?
            }
            Address::Table(at) => Value::Target(self.table(Table::new(at, None))),
            Address::FrameIndexed | Address::Indexed => Value::Indexed,
            Address::Unknown => Value::Unknown,
        })
    }
}
