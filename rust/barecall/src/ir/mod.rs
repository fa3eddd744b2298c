//! The intermediate representation: instructions as the data flow sees them, the same for every architecture.
//!
//! A lifter ([`crate::isa::x86_64`], [`crate::isa::aarch64`]) reduces each instruction to what it does to registers and
//! memory ([`Effect`]) and to where control goes next ([`Flow`]). Whatever a lifter does not know exactly it
//! must report as a [`Effect::Clobber`] of all that the instruction may write: losing a value makes a call
//! `pointer` or `unresolved`, never bare.

mod convention;
mod operation;
mod transfers;

pub(crate) use convention::{Convention, STORES};
pub(crate) use operation::{CallTarget, Effect, Expr, Flow, Mem, Op, Place, Reg, Regs, Width};
pub(crate) use transfers::{ControlTransfer, ControlTransfers};
