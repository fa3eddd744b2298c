//! What the threads of a traced program report, one report at a time.

use std::collections::{HashMap, HashSet};
use std::{fs, io, mem};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::breakpoints::Breakpoints;

/// The registers of a stopped thread.
pub(crate) type Registers = libc::user_regs_struct;

/// What a thread reports. It is stopped then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The thread that reports.
    pub(crate) tid: Pid,
    /// What happened to it.
    pub(crate) event: Event,
}

/// What happened to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It hit a breakpoint, or a step is done.
    Trap,
    /// A signal is about to be delivered to it.
    Signal(c_int),
    /// A signal stopped its process.
    JobStopped,
    /// It started a thread.
    Cloned,
    /// It started a process.
    Forked,
    /// Its process executed another program.
    Execed,
    /// It stopped for any other reason: it was interrupted, or is newly traced.
    Stopped,
    /// It ended, and the walked program goes on.
    Gone,
    /// The walked program ended.
    Ended(Exit),
}

/// How a program ended: the exit code, or the signal that killed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Exited(c_int),
    Killed(c_int),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    pub(super) process: Pid,
    pub(super) running: bool,
    /// The signal to deliver when it runs again, or 0.
    pub(super) signal: c_int,
    /// Whether the kernel suspends it until its vfork child lets go of the memory.
    pub(super) in_vfork: bool,
}

impl Thread {
    fn of(process: Pid, running: bool) -> Self {
        Self {
            process,
            running,
            signal: 0,
            in_vfork: false,
        }
    }
}

/// A traced program. All calls must come from the thread that started it.
/// Dropping it kills and reaps the program and everything it started.
#[derive(Debug)]
pub(crate) struct Tracee {
    /// The process that is walked.
    pub(crate) pid: Pid,
    /// Whether the system forbade to turn address randomisation off.
    pub(crate) randomised: bool,
    pub(super) threads: HashMap<Pid, Thread>,
    pub(super) breakpoints: Breakpoints,
    /// A report that came at an awkward moment, to be returned before all others.
    pub(super) see_first: Option<Report>,
    /// New processes that stopped before their parents reported them. They wait: until it is known how they were
    /// made, it is not known whether their memory has copies of the breakpoints, which would kill them.
    early: HashSet<Pid>,
    /// New processes that their parents reported before they stopped.
    announced: HashSet<Pid>,
    /// Whether everything is being killed.
    ending: bool,
}

impl Tracee {
    /// A process that was just seized and is running.
    pub(super) fn seized(pid: Pid, randomised: bool) -> Self {
        Self {
            pid,
            randomised,
            threads: HashMap::from([(pid, Thread::of(pid, true))]),
            breakpoints: Breakpoints::default(),
            see_first: None,
            early: HashSet::new(),
            announced: HashSet::new(),
            ending: false,
        }
    }

    /// Waits for the next report of any thread.
    pub(crate) fn wait(&mut self) -> io::Result<Report> {
        if let Some(report) = self.see_first.take() {
            return Ok(report);
        }
        loop {
            if let Some(report) = self.poll(0)? {
                return Ok(report);
            }
        }
    }

    /// The next report. With `WNOHANG` among the flags, `None` if there is none yet.
    pub(super) fn poll(&mut self, flags: c_int) -> io::Result<Option<Report>> {
        loop {
            // This thread's children and tracees only: other children of the process
            // are not ours to reap.
            let flags = libc::__WALL | libc::__WNOTHREAD | flags;
            let mut status = 0;
            // nix's waitpid loses the report of a real-time signal.
            // SAFETY: `status` is live.
            let tid = unsafe { libc::waitpid(-1, &raw mut status, flags) };
            match tid {
                0 => return Ok(None),
                -1 if Errno::last() == Errno::EINTR => return Ok(None),
                -1 => return Err(io::Error::last_os_error()),
                _ => {}
            }
            let tid = Pid::from_raw(tid);
            let event = if libc::WIFSTOPPED(status) {
                if self.is_early(tid) {
                    continue;
                }
                self.stopped(tid, status)
            } else {
                self.threads.remove(&tid);
                self.early.remove(&tid);
                self.announced.remove(&tid);
                if tid != self.pid {
                    Event::Gone
                } else if libc::WIFSIGNALED(status) {
                    Event::Ended(Exit::Killed(libc::WTERMSIG(status)))
                } else {
                    Event::Ended(Exit::Exited(libc::WEXITSTATUS(status)))
                }
            };
            return Ok(Some(Report { tid, event }));
        }
    }

    /// Whether this is the first stop of a new process that its parent has not reported yet.
    fn is_early(&mut self, tid: Pid) -> bool {
        if self.threads.contains_key(&tid) {
            return false;
        }
        if self.ending {
            // Its parent was killed and will not report it.
            let _ = kill(tid, Signal::SIGKILL);
            return true;
        }
        let process = status_field(tid, "Tgid:")
            .and_then(|pid| pid.parse().ok())
            .map_or(tid, Pid::from_raw);
        self.threads.insert(tid, Thread::of(process, false));
        let announced = self.announced.remove(&tid);
        // A thread has its process's memory, and no breakpoints of its own.
        let early = !announced && process == tid && tid != self.pid;
        if early {
            self.early.insert(tid);
        }
        early
    }

    /// A thread reports its new child: a child that stopped early need not wait any longer.
    fn announce(&mut self, parent: Pid, copies_memory: bool) {
        let child = ptrace::getevent(parent).ok();
        let Some(child) = child.and_then(|child| c_int::try_from(child).ok()) else {
            return;
        };
        let child = Pid::from_raw(child);
        if copies_memory {
            self.breakpoints.lift_from_child(child);
        }
        if self.early.remove(&child) {
            self.resume(child, libc::PTRACE_CONT, 0);
        } else if !self.threads.contains_key(&child) {
            self.announced.insert(child);
        }
    }

    fn stopped(&mut self, tid: Pid, status: c_int) -> Event {
        let signal = libc::WSTOPSIG(status);
        let event = status >> 16;
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.running = false;
            match event {
                libc::PTRACE_EVENT_VFORK => thread.in_vfork = true,
                libc::PTRACE_EVENT_VFORK_DONE => thread.in_vfork = false,
                _ => {}
            }
        }
        match event {
            0 if signal == libc::SIGTRAP => Event::Trap,
            0 => Event::Signal(signal),
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Event::JobStopped,
            libc::PTRACE_EVENT_CLONE => {
                self.announce(tid, false);
                Event::Cloned
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK => {
                self.announce(tid, event == libc::PTRACE_EVENT_FORK);
                Event::Forked
            }
            libc::PTRACE_EVENT_EXEC => {
                self.execed(tid);
                Event::Execed
            }
            _ => Event::Stopped,
        }
    }

    /// When a process executes another program, its other threads and its memory
    /// are gone.
    fn execed(&mut self, pid: Pid) {
        self.threads
            .retain(|tid, thread| *tid == pid || thread.process != pid);
        if pid == self.pid {
            self.breakpoints = Breakpoints::none_in(pid);
        }
    }

    /// Lets a stopped thread go on in the way that `request` says, and delivers a
    /// signal to it (0: none).
    pub(super) fn resume(&mut self, tid: Pid, request: libc::c_uint, signal: c_int) {
        // nix knows no real-time signals.
        // SAFETY: these requests take no memory. If the thread was killed, the
        // request fails, and its end is reported by the next wait.
        unsafe { libc::ptrace(request, tid.as_raw(), 0_usize, signal as usize) };
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.running = true;
        }
    }

    /// Lets a thread run, and delivers the signal that was kept for it.
    pub(super) fn resume_with_kept_signal(&mut self, tid: Pid) {
        let signal = self
            .threads
            .get_mut(&tid)
            .map_or(0, |thread| mem::take(&mut thread.signal));
        self.resume(tid, libc::PTRACE_CONT, signal);
    }

    /// Whether a thread belongs to the process that is walked.
    pub(crate) fn is_walked(&self, tid: Pid) -> bool {
        self.threads
            .get(&tid)
            .is_some_and(|thread| thread.process == self.pid)
    }

    /// The registers of a stopped thread; `None` if it was killed.
    pub(crate) fn registers(&self, tid: Pid) -> Option<Registers> {
        ptrace::getregs(tid).ok()
    }

    /// Reads memory of the process; fewer bytes than asked for where it ends.
    pub(crate) fn read(&self, address: u64, bytes: usize) -> Vec<u8> {
        let memory = self.breakpoints.memory.as_ref();
        memory.map_or(Vec::new(), |memory| memory.read(address, bytes))
    }

    /// Reads one word of memory, 0 where there is none.
    pub(crate) fn word(&self, address: u64) -> u64 {
        let bytes = self.read(address, 8);
        bytes.try_into().map_or(0, u64::from_ne_bytes)
    }

    /// Whether a thread has a handler for a signal.
    pub(crate) fn handles(&self, tid: Pid, signal: c_int) -> bool {
        let caught =
            status_field(tid, "SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
        caught.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        let processes: Vec<_> = self.threads.values().map(|thread| thread.process).collect();
        for pid in processes {
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.ending = true;
        // What they start in their last moments is traced as well, and reported.
        // An error means that there is nobody left to wait for.
        while let Ok(report) = self.wait() {
            if let Some(thread) = self.threads.get(&report.tid) {
                let _ = kill(thread.process, Signal::SIGKILL);
            }
        }
    }
}

/// A field of `/proc/PID/status`, of a process or a thread.
pub(crate) fn status_field(pid: Pid, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().to_owned())
}
