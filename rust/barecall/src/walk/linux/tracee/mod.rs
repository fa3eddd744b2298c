//! A program under ptrace, with all the threads and processes it starts. All of
//! them are killed when the [`Tracee`] is dropped.

mod breakpoints;
mod deadline;
mod one_cpu;
mod ptrace;
mod schedule;
mod spawn;

pub(super) use deadline::Deadline;
pub(super) use one_cpu::OneCpu;
pub(super) use ptrace::{Event, Exit, Registers, Report, Tracee, status_field};
pub(super) use spawn::{Gate, SpawnError};
