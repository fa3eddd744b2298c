//! Which threads run and which stay stopped: one is stepped while all others of
//! its process wait.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use nix::libc::{self, c_int};
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::breakpoints::SavedBytes;
use super::ptrace::{Event, Registers, Report, Tracee, status_field};

impl Tracee {
    /// Lets a thread go on after what it reported, as if it had not been traced.
    pub(crate) fn serve(&mut self, Report { tid, event }: Report) {
        match event {
            Event::Signal(signal) => self.resume(tid, libc::PTRACE_CONT, signal),
            Event::JobStopped => self.resume(tid, libc::PTRACE_LISTEN, 0),
            Event::Trap if self.breakpoint_hit(tid).is_some() => {
                // A process that is not walked but shares the memory of the one that is
                // (after vfork). Its parent waits for it, and cannot be stopped.
                self.breakpoints.lift();
                // If nobody is left to wait for, the next wait says so.
                let _ = self.step_once(tid);
                self.breakpoints.replace();
                self.resume_with_kept_signal(tid);
            }
            // A trap of the program's own.
            Event::Trap => self.resume(tid, libc::PTRACE_CONT, libc::SIGTRAP),
            Event::Gone | Event::Ended(_) => {}
            Event::Cloned | Event::Forked | Event::Execed | Event::Stopped => {
                self.resume(tid, libc::PTRACE_CONT, 0);
            }
        }
    }

    /// Keeps a thread of the process stopped, and the signal it is to get later;
    /// lets threads of other processes go on.
    fn hold(&mut self, report: Report) {
        let tid = report.tid;
        match report.event {
            Event::Gone | Event::Ended(_) => {}
            _ if !self.is_walked(tid) => self.serve(report),
            // It will be back at the breakpoint when it runs again.
            Event::Trap if self.breakpoint_hit(tid).is_some() => {}
            Event::Trap => self.keep_signal(tid, libc::SIGTRAP),
            Event::Signal(signal) => self.keep_signal(tid, signal),
            _ => {}
        }
    }

    fn keep_signal(&mut self, tid: Pid, signal: c_int) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.signal = signal;
        }
    }

    /// Breaks at an address from now on.
    pub(crate) fn set_breakpoint(&mut self, address: u64) -> io::Result<()> {
        self.breakpoints.set(address)
    }

    /// Breaks nowhere any more.
    pub(crate) fn remove_breakpoints(&mut self) {
        self.breakpoints.remove_all();
    }

    /// The breakpoint that a trapped thread has hit. The thread is put back to the
    /// instruction that belongs there.
    pub(crate) fn breakpoint_hit(&self, tid: Pid) -> Option<u64> {
        let mut registers = ptrace::getregs(tid).ok()?;
        let address = registers.rip.wrapping_sub(1);
        if !self.breakpoints.contains(address) {
            return None;
        }
        registers.rip = address;
        ptrace::setregs(tid, registers).ok()?;
        Some(address)
    }

    /// Takes a thread past the breakpoint it hit and lets it run. The others are
    /// stopped meanwhile, lest one slip through.
    pub(crate) fn step_over(&mut self, tid: Pid) -> io::Result<()> {
        if !self.stop_others(tid)? {
            return Ok(());
        }
        self.breakpoints.lift();
        self.step_once(tid)?;
        self.breakpoints.replace();
        let stopped: Vec<_> = self
            .threads
            .iter()
            .filter(|(_, thread)| !thread.running && thread.process == self.pid)
            .map(|(tid, _)| *tid)
            .collect();
        for tid in stopped {
            self.resume_with_kept_signal(tid);
        }
        Ok(())
    }

    /// Steps once. A signal that comes first is kept for later.
    fn step_once(&mut self, tid: Pid) -> io::Result<()> {
        loop {
            self.step(tid, 0);
            let report = loop {
                match self.wait()? {
                    report if report.tid == tid || self.ends_it(report) => break report,
                    report => self.hold(report),
                }
            };
            match report.event {
                _ if self.ends_it(report) => {
                    self.see_first = Some(report);
                    return Ok(());
                }
                Event::Signal(signal) => {
                    self.keep_signal(tid, signal);
                    // A fault of this very instruction would come again for ever.
                    if [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE].contains(&signal) {
                        return Ok(());
                    }
                }
                Event::Trap | Event::Gone => return Ok(()),
                _ => {}
            }
        }
    }

    /// Stops every thread of the process but one. `false` if the program ended or
    /// became another meanwhile, which [`Tracee::wait`] reports.
    pub(crate) fn stop_others(&mut self, but: Pid) -> io::Result<bool> {
        for tid in self.running(but) {
            // A thread that is gone already will be reported so.
            let _ = ptrace::interrupt(tid);
        }
        while !self.running(but).is_empty() {
            let Some(report) = self.poll(libc::WNOHANG)? else {
                // Once the main thread has ended, it does not report until all others
                // have: it would be waited for in vain.
                for tid in self.running(but) {
                    let state = status_field(tid, "State:");
                    if state.is_none_or(|state| state.starts_with(['Z', 'X'])) {
                        self.threads.remove(&tid);
                    }
                }
                sleep(Duration::from_micros(20));
                continue;
            };
            if self.ends_it(report) {
                self.see_first = Some(report);
                return Ok(false);
            }
            self.hold(report);
        }
        Ok(true)
    }

    /// Whether the program is no longer what it was.
    fn ends_it(&self, report: Report) -> bool {
        report.tid == self.pid && matches!(report.event, Event::Ended(_) | Event::Execed)
    }

    fn running(&self, but: Pid) -> Vec<Pid> {
        self.threads
            .iter()
            .filter(|(tid, thread)| {
                **tid != but && thread.process == self.pid && thread.running && !thread.in_vfork
            })
            .map(|(tid, _)| *tid)
            .collect()
    }

    /// Starts one step, and delivers a signal with it (0: none).
    pub(crate) fn step(&mut self, tid: Pid, signal: c_int) {
        self.resume(tid, libc::PTRACE_SINGLESTEP, signal);
    }

    /// Lets a thread run until it arrives at one of a few addresses, which it must.
    /// [`Tracee::ran_to`] has to follow. `None` if another process shares the memory,
    /// which could run into them, or if the code cannot be changed.
    pub(crate) fn run_to(&mut self, tid: Pid, addresses: &[u64]) -> Option<SavedBytes> {
        if self.threads.values().any(|thread| thread.in_vfork) {
            return None;
        }
        let patch = self.breakpoints.patch(addresses)?;
        self.resume(tid, libc::PTRACE_CONT, 0);
        Some(patch)
    }

    /// Undoes the patch, and puts a thread that trapped back to the instruction it
    /// ran into. Returns its registers; `None` if it was killed.
    pub(crate) fn ran_to(
        &mut self,
        tid: Pid,
        patch: &SavedBytes,
        trapped: bool,
    ) -> Option<Registers> {
        self.breakpoints.undo(patch);
        let mut registers = self.registers(tid)?;
        let before = registers.rip.wrapping_sub(1);
        if trapped && patch.contains_key(&before) {
            registers.rip = before;
            ptrace::setregs(tid, registers).ok()?;
        }
        Some(registers)
    }

    /// Waits for the next report of one thread, or the end of the program. The
    /// other threads of the process stay stopped.
    pub(crate) fn wait_for(&mut self, tid: Pid) -> io::Result<Report> {
        loop {
            let report = self.wait()?;
            if report.tid == tid || matches!(report.event, Event::Ended(_)) {
                return Ok(report);
            }
            self.hold(report);
        }
    }
}
