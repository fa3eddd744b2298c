//! A program on the way to the call: it runs until a thread arrives at `from`.

use std::ops::Range;

use nix::unistd::Pid;

use super::address_space::{AddressSpace, MappedFunction};
use super::failure::{not_started, signal_name, system};
use super::images::ImageCache;
use super::recorder::Inspect;
use super::tracee::{Deadline, Event, Exit, Gate, Report, Tracee};
use crate::process_maps;
use crate::walk::error::{Ending, WalkError};
use crate::walk::walker::Walker;

/// A program being walked: the process, and the names in it.
pub(super) struct Program<'c> {
    pub(super) tracee: Tracee,
    /// The thread that is looked at. It is asked for what is its process's: once
    /// the main thread has ended, /proc/PID has no maps.
    thread: Pid,
    names: AddressSpace,
    images: &'c mut ImageCache,
}

/// A thread at the first instruction of `from`, all others stopped.
pub(super) struct Arrival {
    pub(super) thread: Pid,
    pub(super) from: MappedFunction,
    pub(super) to: MappedFunction,
}

impl<'c> Program<'c> {
    /// Starts the program. It is stopped before its first instruction.
    pub(super) fn start(
        walker: &mut Walker,
        gate: &Gate,
        deadline: &Deadline,
        images: &'c mut ImageCache,
    ) -> Result<Self, WalkError> {
        let tracee = Tracee::start(&mut walker.command, gate, deadline)
            .map_err(|error| not_started(error, &walker.command))?;
        Ok(Self {
            thread: tracee.pid,
            tracee,
            names: AddressSpace::default(),
            images,
        })
    }

    /// Lets the program run until a thread arrives at `from`, warmed up.
    pub(super) fn arrive(
        &mut self,
        walker: &Walker,
        deadline: &Deadline,
    ) -> Result<Arrival, WalkError> {
        let mut from = self.begin(walker)?;
        let mut arrivals = 0;
        loop {
            let report = self
                .tracee
                .wait()
                .map_err(system("waiting for the program"))?;
            let tid = report.tid;
            match report.event {
                Event::Ended(exit) => {
                    let from = from.ok_or_else(|| self.no_such(&walker.from))?;
                    return Err(not_reached(&from, walker, deadline, arrivals, exit));
                }
                Event::Execed if tid == self.tracee.pid => {
                    from = self.begin(walker)?;
                    arrivals = 0;
                }
                Event::Trap
                    if self.tracee.is_walked(tid)
                        && let Some(address) = self.tracee.breakpoint_hit(tid) =>
                {
                    self.thread = tid;
                    if let Some(reached) = from.as_ref().filter(|from| from.address == address) {
                        arrivals += 1;
                        if arrivals > walker.warmup {
                            let stopped = self.tracee.stop_others(tid);
                            if !stopped.map_err(system("stopping threads"))? {
                                continue;
                            }
                            self.tracee.remove_breakpoints();
                            return self.arrived(walker, reached.clone());
                        }
                    } else {
                        from = self.look_again(walker, address)?;
                    }
                    self.tracee
                        .step_over(tid)
                        .map_err(system("stepping over a breakpoint"))?;
                }
                _ => self.tracee.serve(report),
            }
        }
    }

    /// A new program is about to begin: breaks where it starts, and wherever its
    /// loader reports that it has mapped something.
    fn begin(&mut self, walker: &Walker) -> Result<Option<MappedFunction>, WalkError> {
        self.thread = self.tracee.pid;
        self.read_maps()?;
        let loaded = self.names.find("_dl_debug_state").ok().flatten();
        let loaded = loaded.map(|function| function.address);
        for address in self.names.entry(self.thread).into_iter().chain(loaded) {
            self.break_at(address)?;
        }
        let from = self.find_from(walker)?;
        self.tracee.serve(Report {
            tid: self.thread,
            event: Event::Execed,
        });
        Ok(from)
    }

    /// Something may have been mapped: looks for `from` in it. When the program
    /// itself starts, what is still missing will not come, as a rule.
    fn look_again(
        &mut self,
        walker: &Walker,
        at: u64,
    ) -> Result<Option<MappedFunction>, WalkError> {
        self.read_maps()?;
        let from = self.find_from(walker)?;
        if self.names.entry(self.thread) == Some(at) && !self.names.may_load() {
            if from.is_none() && !self.names.may_exec() {
                return Err(self.no_such(&walker.from));
            }
            if from.is_some() && self.names.find(&walker.to)?.is_none() {
                return Err(self.no_such(&walker.to));
            }
        }
        Ok(from)
    }

    fn find_from(&mut self, walker: &Walker) -> Result<Option<MappedFunction>, WalkError> {
        let from = self.names.find(&walker.from)?;
        if let Some(from) = &from {
            self.break_at(from.address)?;
        }
        Ok(from)
    }

    fn break_at(&mut self, address: u64) -> Result<(), WalkError> {
        let set = self.tracee.set_breakpoint(address);
        set.map_err(system("setting a breakpoint"))
    }

    fn arrived(&mut self, walker: &Walker, from: MappedFunction) -> Result<Arrival, WalkError> {
        self.read_maps()?;
        let Some(mut to) = self.names.find(&walker.to)? else {
            return Err(self.no_such(&walker.to));
        };
        if to.is_ifunc {
            let tracee = &self.tracee;
            to = self
                .names
                .resolved(&to, &from, |address| tracee.word(address))
                .ok_or_else(|| WalkError::NotYetChosen {
                    symbol: to.name.clone(),
                    from: from.name.clone(),
                })?;
        }
        let thread = self.thread;
        Ok(Arrival { thread, from, to })
    }

    fn no_such(&self, query: &str) -> WalkError {
        self.names.no_such(query, self.thread)
    }

    /// Reads what is mapped now.
    pub(super) fn read_maps(&mut self) -> Result<(), WalkError> {
        let tracee = &self.tracee;
        let bytes = |range: &Range<u64>| {
            let length = usize::try_from(range.end - range.start).unwrap_or(0);
            tracee.read(range.start, length)
        };
        self.names = AddressSpace::read(self.thread, self.images, bytes)
            .map_err(system("reading the program's memory map"))?;
        Ok(())
    }

    /// The name of the code at an address.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        self.names.name(address)
    }

    /// An address as text: `puts+0x1a in libc.so.6`.
    pub(super) fn whereabouts(&self, address: u64) -> String {
        self.names.whereabouts(address)
    }
}

impl Inspect for Program<'_> {
    fn word(&mut self, address: u64) -> u64 {
        self.tracee.word(address)
    }

    fn mapping(&mut self, address: u64) -> Range<u64> {
        let mappings = process_maps::of(self.thread).unwrap_or_default();
        let mut ranges = mappings.into_iter().map(|mapping| mapping.range);
        ranges
            .find(|range| range.contains(&address))
            .unwrap_or(0..0)
    }
}

fn not_reached(
    from: &MappedFunction,
    walker: &Walker,
    deadline: &Deadline,
    arrivals: u64,
    exit: Exit,
) -> WalkError {
    let ending = match exit {
        _ if deadline.has_passed() => Ending::TimeLimit(walker.timeout),
        Exit::Exited(code) => Ending::Exited(code),
        Exit::Killed(signal) => Ending::Killed(signal_name(signal)),
    };
    WalkError::FromNotReached {
        from: from.name.clone(),
        arrivals,
        warmup: walker.warmup,
        ending,
    }
}
