//! A program under ptrace: it and all it starts are stopped, stepped, and gone
//! in the end.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, mem, thread};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::personality::{self, Persona};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The registers of a stopped thread.
pub(super) type Registers = libc::user_regs_struct;

/// What a thread reports. It is stopped then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A breakpoint was hit, or a step is done.
    Trap(Pid),
    /// A signal is about to be delivered.
    Signal(Pid, c_int),
    /// It was stopped by a signal, with its process.
    JobStopped(Pid),
    /// It has a new thread.
    Cloned(Pid),
    /// It has started a new process.
    Forked(Pid),
    /// Its process has become another program.
    Execed(Pid),
    /// It stopped for any other reason: interrupted, or newly traced.
    Stopped(Pid),
    /// The thread is gone, and was not the last.
    Gone(Pid),
    /// The whole program is gone.
    Ended(Ended),
}

impl Event {
    /// The thread it is about.
    pub(super) fn thread(self) -> Option<Pid> {
        match self {
            Event::Trap(tid)
            | Event::Signal(tid, _)
            | Event::JobStopped(tid)
            | Event::Cloned(tid)
            | Event::Forked(tid)
            | Event::Execed(tid)
            | Event::Stopped(tid)
            | Event::Gone(tid) => Some(tid),
            Event::Ended(_) => None,
        }
    }
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Exited(c_int),
    Killed(c_int),
}

/// Why a program could not be started.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// ptrace is forbidden.
    Forbidden(io::Error),
    /// It could not be executed.
    NotExecuted(io::Error),
    /// Anything else.
    System(io::Error),
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        NotStarted::System(error)
    }
}

/// Where a new process waits, before it becomes the program, until it is traced.
/// A command can be started through it again and again.
#[derive(Debug)]
pub(super) struct Gate {
    /// Ends of pipes: the child writes to the first, reads from the second, and
    /// closes the third, so that it does not wait for itself.
    ends: Arc<[AtomicI32; 3]>,
}

impl Gate {
    /// Makes every process that `command` starts wait at this gate.
    pub(super) fn before(command: &mut Command) -> Self {
        let ends: Arc<[AtomicI32; 3]> = Arc::default();
        let childs = Arc::clone(&ends);
        // SAFETY: between fork and exec only async-signal-safe calls may be made:
        // these are personality, getpid, close, write and read, without allocation.
        unsafe { command.pre_exec(move || wait_at_gate(&childs)) };
        Self { ends }
    }
}

/// In the child: address randomisation off, then wait to be traced.
fn wait_at_gate(ends: &[AtomicI32; 3]) -> io::Result<()> {
    let [ready, go, parents] = ends.each_ref().map(|end| end.load(Ordering::Relaxed));
    let fixed = personality::get()
        .and_then(|old| personality::set(old | Persona::ADDR_NO_RANDOMIZE))
        .is_ok();
    let mut hello = [0; 5];
    hello[..4].copy_from_slice(&std::process::id().to_ne_bytes());
    hello[4] = u8::from(fixed);
    let mut answer = 0_u8;
    // SAFETY: the parent keeps these descriptors open while it starts the child,
    // so they are open in the child; the buffers are live and as long as said.
    let told = unsafe {
        libc::close(parents);
        libc::write(ready, hello.as_ptr().cast(), hello.len()) == 5
            && libc::read(go, (&raw mut answer).cast(), 1) == 1
            && answer == 1
    };
    if told {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::ECANCELED))
    }
}

/// Ends a program from another thread when its time is up.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    passed: AtomicBool,
    program: Mutex<Option<OwnedFd>>,
}

impl Deadline {
    /// The time is up: the program is killed now, or as soon as it is started.
    pub(super) fn pass(&self) {
        self.passed.store(true, Ordering::SeqCst);
        self.kill_if_passed();
    }

    pub(super) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }

    fn watch(&self, pid: Pid) -> io::Result<()> {
        // SAFETY: no memory is passed; a non-negative result is a new descriptor
        // that nobody else owns.
        let program = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
            let fd = c_int::try_from(fd)
                .ok()
                .filter(|fd| *fd >= 0)
                .ok_or_else(io::Error::last_os_error)?;
            OwnedFd::from_raw_fd(fd)
        };
        *self.program.lock().unwrap_or_else(PoisonError::into_inner) = Some(program);
        self.kill_if_passed();
        Ok(())
    }

    fn kill_if_passed(&self) {
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = program.as_ref().filter(|_| self.has_passed()) {
            // SAFETY: the descriptor is a pidfd; a null siginfo is allowed.
            unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    program.as_raw_fd(),
                    libc::SIGKILL,
                    0_usize,
                    0,
                );
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Thread {
    process: Pid,
    running: bool,
    /// The signal to deliver when it runs again.
    signal: c_int,
    /// Suspended by the kernel until its vfork child lets go of the memory.
    in_vfork: bool,
}

/// A traced program. All calls must come from the thread that started it.
/// Dropping it kills and reaps the program and all it has started.
#[derive(Debug)]
pub(super) struct Tracee {
    /// The process that is walked.
    pub(super) pid: Pid,
    /// Whether the system forbade to turn address randomisation off.
    pub(super) randomised: bool,
    threads: HashMap<Pid, Thread>,
    memory: Option<fs::File>,
    /// Addresses, and the bytes that belong there. They are in place, except
    /// while [`Tracee::step_over`] is at work.
    breakpoints: HashMap<u64, u8>,
    /// What was reported at an awkward moment, to be seen before all else.
    see_first: Option<Event>,
    /// New processes that have stopped before their parents reported them. They wait: until it is known how they
    /// were made, it is not known whether the breakpoints in their memory are copies, which would kill them.
    early: HashSet<Pid>,
    /// Whether all are being killed.
    ending: bool,
    /// Those that were reported before they have stopped.
    announced: HashSet<Pid>,
}

const INT3: u8 = 0xcc;

impl Tracee {
    /// Starts the program. It is stopped before its first instruction.
    pub(super) fn start(
        command: &mut Command,
        gate: &Gate,
        deadline: &Deadline,
    ) -> Result<Self, NotStarted> {
        let (mut ready, ready_end) = io::pipe()?;
        let (go_end, mut go) = io::pipe()?;
        for (end, fd) in
            gate.ends
                .iter()
                .zip([ready_end.as_raw_fd(), go_end.as_raw_fd(), go.as_raw_fd()])
        {
            end.store(fd, Ordering::Relaxed);
        }
        thread::scope(|scope| {
            // `spawn` returns when the child has executed the program, which it
            // does when this thread has seized it: so it has a thread of its own.
            let spawning = scope.spawn(move || {
                let spawned = command.spawn();
                drop((ready_end, go_end));
                spawned
            });
            let mut hello = [0; 5];
            let seized = ready
                .read_exact(&mut hello)
                .map_err(NotStarted::System)
                .and_then(|()| {
                    let [a, b, c, d, fixed] = hello;
                    let pid = Pid::from_raw(c_int::from_ne_bytes([a, b, c, d]));
                    let options = Options::PTRACE_O_EXITKILL
                        | Options::PTRACE_O_TRACECLONE
                        | Options::PTRACE_O_TRACEFORK
                        | Options::PTRACE_O_TRACEVFORK
                        | Options::PTRACE_O_TRACEVFORKDONE
                        | Options::PTRACE_O_TRACEEXEC;
                    ptrace::seize(pid, options)
                        .map_err(|errno| NotStarted::Forbidden(errno.into()))?;
                    let thread = Thread {
                        process: pid,
                        running: true,
                        signal: 0,
                        in_vfork: false,
                    };
                    Ok(Self {
                        pid,
                        randomised: fixed == 0,
                        threads: HashMap::from([(pid, thread)]),
                        memory: None,
                        breakpoints: HashMap::new(),
                        see_first: None,
                        early: HashSet::new(),
                        ending: false,
                        announced: HashSet::new(),
                    })
                });
            if let Ok(tracee) = &seized {
                deadline.watch(tracee.pid)?;
                go.write_all(&[1])?;
            } else {
                // Said, not only closed: a child that another walk forked meanwhile holds
                // this end too, and waits in its turn for one that this child holds. Where
                // there is no child, there is nobody to tell.
                let _ = go.write_all(&[0]);
            }
            drop(go);
            let spawned = spawning
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the spawning thread panicked")));
            match (seized, spawned) {
                (Ok(mut tracee), Ok(_child)) => {
                    tracee.run_to_exec()?;
                    Ok(tracee)
                }
                (Ok(mut tracee), Err(error)) => {
                    // `spawn` has reaped it.
                    tracee.threads.clear();
                    Err(NotStarted::NotExecuted(error))
                }
                (Err(NotStarted::System(_)), Err(error)) => Err(NotStarted::System(error)),
                (Err(error), _) => Err(error),
            }
        })
    }

    fn run_to_exec(&mut self) -> io::Result<()> {
        loop {
            match self.wait()? {
                Event::Execed(tid) if tid == self.pid => return Ok(()),
                Event::Ended(_) => return Err(io::Error::other("it was killed before it started")),
                event => self.serve(event),
            }
        }
    }

    /// Waits for the next report of any thread.
    pub(super) fn wait(&mut self) -> io::Result<Event> {
        if let Some(event) = self.see_first.take() {
            return Ok(event);
        }
        loop {
            // Of this thread's children and tracees only: other children of the
            // process are not ours to reap.
            if let Some(event) = self.waited(0)? {
                return Ok(event);
            }
        }
    }

    /// `None` if there is nothing to report.
    fn waited(&mut self, flags: c_int) -> io::Result<Option<Event>> {
        loop {
            let mut status = 0;
            // nix's waitpid loses the report of a real-time signal.
            // SAFETY: `status` is live.
            let tid = unsafe {
                libc::waitpid(
                    -1,
                    &raw mut status,
                    libc::__WALL | libc::__WNOTHREAD | flags,
                )
            };
            match tid {
                0 => return Ok(None),
                -1 if Errno::last() == Errno::EINTR => return Ok(None),
                -1 => return Err(io::Error::last_os_error()),
                _ => {}
            }
            let tid = Pid::from_raw(tid);
            if libc::WIFSTOPPED(status) {
                if self.is_early(tid) {
                    continue;
                }
                return Ok(Some(self.stopped(tid, status)));
            }
            self.threads.remove(&tid);
            self.early.remove(&tid);
            self.announced.remove(&tid);
            return Ok(Some(match tid {
                tid if tid != self.pid => Event::Gone(tid),
                _ if libc::WIFSIGNALED(status) => {
                    Event::Ended(Ended::Killed(libc::WTERMSIG(status)))
                }
                _ => Event::Ended(Ended::Exited(libc::WEXITSTATUS(status))),
            }));
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
        let process = process_of(tid).unwrap_or(tid);
        let thread = Thread {
            process,
            running: false,
            signal: 0,
            in_vfork: false,
        };
        self.threads.insert(tid, thread);
        let announced = self.announced.remove(&tid);
        // A thread has its process's memory, and no breakpoints of its own.
        let early = !announced && process == tid && tid != self.pid;
        if early {
            self.early.insert(tid);
        }
        early
    }

    /// What a new process or thread was waiting for.
    fn announce(&mut self, parent: Pid, copies_memory: bool) {
        let Some(child) = ptrace::getevent(parent)
            .ok()
            .and_then(|child| c_int::try_from(child).ok())
            .map(Pid::from_raw)
        else {
            return;
        };
        if copies_memory {
            self.clean(child);
        }
        if self.early.remove(&child) {
            self.resume(child, libc::PTRACE_CONT, 0);
        } else if !self.threads.contains_key(&child) {
            self.announced.insert(child);
        }
    }

    fn stopped(&mut self, tid: Pid, status: c_int) -> Event {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.running = false;
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            0 if signal == libc::SIGTRAP => Event::Trap(tid),
            0 => Event::Signal(tid, signal),
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => Event::JobStopped(tid),
            libc::PTRACE_EVENT_CLONE => {
                self.announce(tid, false);
                Event::Cloned(tid)
            }
            libc::PTRACE_EVENT_FORK => {
                self.announce(tid, true);
                Event::Forked(tid)
            }
            libc::PTRACE_EVENT_VFORK => {
                self.set_in_vfork(tid, true);
                self.announce(tid, false);
                Event::Forked(tid)
            }
            libc::PTRACE_EVENT_VFORK_DONE => {
                self.set_in_vfork(tid, false);
                Event::Stopped(tid)
            }
            libc::PTRACE_EVENT_EXEC => {
                self.execed(tid);
                Event::Execed(tid)
            }
            _ => Event::Stopped(tid),
        }
    }

    fn set_in_vfork(&mut self, tid: Pid, in_vfork: bool) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.in_vfork = in_vfork;
        }
    }

    /// A forked child has a copy of the breakpoints, and nobody to look after them.
    fn clean(&self, child: Pid) {
        if let Ok(memory) = open_memory(child) {
            for (address, byte) in &self.breakpoints {
                // A copy that is gone needs no cleaning.
                let _ = memory.write_at(&[*byte], *address);
            }
        }
    }

    /// The other threads of a process that becomes another program are gone, and
    /// so is its memory.
    fn execed(&mut self, pid: Pid) {
        self.threads
            .retain(|tid, thread| *tid == pid || thread.process != pid);
        if pid == self.pid {
            self.breakpoints.clear();
            self.memory = open_memory(pid).ok();
        }
    }

    /// Lets a thread go on after what it reported, as if nobody had looked.
    pub(super) fn serve(&mut self, event: Event) {
        match event {
            Event::Signal(tid, signal) => self.resume(tid, libc::PTRACE_CONT, signal),
            Event::JobStopped(tid) => self.resume(tid, libc::PTRACE_LISTEN, 0),
            Event::Trap(tid) => self.serve_trap(tid),
            Event::Gone(_) | Event::Ended(_) => {}
            Event::Cloned(tid) | Event::Forked(tid) | Event::Execed(tid) | Event::Stopped(tid) => {
                self.resume(tid, libc::PTRACE_CONT, 0);
            }
        }
    }

    /// A breakpoint in a process that is not walked but shares its memory (after
    /// vfork), or a trap of the program's own.
    fn serve_trap(&mut self, tid: Pid) {
        match self.breakpoint_hit(tid) {
            Some(_) => {
                // The vfork child's parent waits for it, and cannot be stopped.
                self.lift_breakpoints();
                // If nobody is left to wait for, the next wait says so.
                let _ = self.step_once(tid);
                self.place_breakpoints();
                let signal = self.take_signal(tid);
                self.resume(tid, libc::PTRACE_CONT, signal);
            }
            None => self.resume(tid, libc::PTRACE_CONT, libc::SIGTRAP),
        }
    }

    /// Whether a thread is one of the process that is walked.
    pub(super) fn is_walked(&self, tid: Pid) -> bool {
        self.threads
            .get(&tid)
            .is_some_and(|thread| thread.process == self.pid)
    }

    /// Breaks at an address from now on.
    pub(super) fn set_breakpoint(&mut self, address: u64) -> io::Result<()> {
        if self.breakpoints.contains_key(&address) {
            return Ok(());
        }
        let mut byte = [0];
        let memory = self.memory.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        memory.read_exact_at(&mut byte, address)?;
        memory.write_all_at(&[INT3], address)?;
        self.breakpoints.insert(address, byte[0]);
        Ok(())
    }

    /// Breaks nowhere any more.
    pub(super) fn remove_breakpoints(&mut self) {
        self.lift_breakpoints();
        self.breakpoints.clear();
    }

    /// The breakpoint that a trapped thread has hit. The thread is put back to
    /// the instruction that belongs there.
    pub(super) fn breakpoint_hit(&self, tid: Pid) -> Option<u64> {
        let mut registers = ptrace::getregs(tid).ok()?;
        let address = registers.rip.wrapping_sub(1);
        self.breakpoints.get(&address)?;
        registers.rip = address;
        ptrace::setregs(tid, registers).ok()?;
        Some(address)
    }

    /// Takes a thread that hit a breakpoint past it and lets it run. The others
    /// are stopped meanwhile, lest one slip through.
    pub(super) fn step_over(&mut self, tid: Pid) -> io::Result<()> {
        if !self.stop_others(tid)? {
            return Ok(());
        }
        self.lift_breakpoints();
        self.step_once(tid)?;
        self.place_breakpoints();
        let stopped: Vec<_> = self
            .threads
            .iter()
            .filter(|(_, t)| !t.running && t.process == self.pid)
            .map(|(tid, _)| *tid)
            .collect();
        for tid in stopped {
            let signal = self.take_signal(tid);
            self.resume(tid, libc::PTRACE_CONT, signal);
        }
        Ok(())
    }

    /// One step. A signal that comes first is kept for later.
    fn step_once(&mut self, tid: Pid) -> io::Result<()> {
        loop {
            self.resume(tid, libc::PTRACE_SINGLESTEP, 0);
            let event = loop {
                match self.wait()? {
                    event if event.thread() == Some(tid) || self.ends_it(event) => break event,
                    event => self.hold(event),
                }
            };
            match event {
                Event::Signal(_, signal) => {
                    self.keep_signal(tid, signal);
                    // A fault of this very instruction would come again for ever.
                    if [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE].contains(&signal) {
                        return Ok(());
                    }
                }
                Event::Trap(_) => return Ok(()),
                event if self.ends_it(event) => {
                    self.see_first = Some(event);
                    return Ok(());
                }
                Event::Gone(_) => return Ok(()),
                _ => {}
            }
        }
    }

    /// Stops every thread of the process but one. `false` if the program ended or
    /// became another meanwhile: [`Tracee::wait`] tells.
    pub(super) fn stop_others(&mut self, but: Pid) -> io::Result<bool> {
        for tid in self.running(but) {
            // A thread that is gone already will be reported so.
            let _ = ptrace::interrupt(tid);
        }
        while !self.running(but).is_empty() {
            let Some(event) = self.waited(libc::WNOHANG)? else {
                // The main thread, once it has ended, does not report until all
                // others have: it would be waited for in vain.
                let mut ended = self.running(but);
                ended.retain(|tid| has_ended(*tid));
                for tid in ended {
                    self.threads.remove(&tid);
                }
                thread::sleep(Duration::from_micros(20));
                continue;
            };
            if self.ends_it(event) {
                self.see_first = Some(event);
                return Ok(false);
            }
            self.hold(event);
        }
        Ok(true)
    }

    /// Whether the program is no longer what it was.
    fn ends_it(&self, event: Event) -> bool {
        matches!(event, Event::Ended(_)) || event == Event::Execed(self.pid)
    }

    /// Keeps a thread of the process stopped, with what it has to be given later;
    /// lets those of others go on.
    pub(super) fn hold(&mut self, event: Event) {
        match event {
            Event::Gone(_) | Event::Ended(_) => {}
            _ if event.thread().is_some_and(|tid| !self.is_walked(tid)) => self.serve(event),
            // It will be back at the breakpoint when it runs again.
            Event::Trap(tid) if self.breakpoint_hit(tid).is_some() => {}
            Event::Trap(tid) => self.keep_signal(tid, libc::SIGTRAP),
            Event::Signal(tid, signal) => self.keep_signal(tid, signal),
            _ => {}
        }
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

    fn keep_signal(&mut self, tid: Pid, signal: c_int) {
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.signal = signal;
        }
    }

    fn take_signal(&mut self, tid: Pid) -> c_int {
        self.threads
            .get_mut(&tid)
            .map_or(0, |thread| mem::take(&mut thread.signal))
    }

    /// Starts one step, and delivers a signal with it (0: none).
    pub(super) fn step(&mut self, tid: Pid, signal: c_int) {
        self.resume(tid, libc::PTRACE_SINGLESTEP, signal);
    }

    /// Lets a thread run until it arrives at one of a few addresses, which it
    /// must. Returns the bytes that belong there, for [`Tracee::ran_to`]; `None` if
    /// another process shares the memory, which could run into it, or if the code
    /// cannot be changed.
    pub(super) fn run_to(&mut self, tid: Pid, addresses: &[u64]) -> Option<Vec<(u64, u8)>> {
        if self.threads.values().any(|thread| thread.in_vfork) {
            return None;
        }
        let memory = self.memory.as_ref()?;
        let mut there = Vec::with_capacity(addresses.len());
        for address in addresses {
            let mut byte = [0];
            memory.read_exact_at(&mut byte, *address).ok()?;
            there.push((*address, byte[0]));
        }
        for (address, _) in &there {
            if memory.write_all_at(&[INT3], *address).is_err() {
                there
                    .iter()
                    .for_each(|(address, byte)| self.write(*address, *byte));
                return None;
            }
        }
        self.resume(tid, libc::PTRACE_CONT, 0);
        Some(there)
    }

    /// Puts the bytes back, and the thread before the one it ran into. Its
    /// registers; `None` if it was killed.
    pub(super) fn ran_to(
        &mut self,
        tid: Pid,
        there: &[(u64, u8)],
        trapped: bool,
    ) -> Option<Registers> {
        for (address, byte) in there {
            self.write(*address, *byte);
        }
        let mut registers = self.registers(tid)?;
        let before = registers.rip.wrapping_sub(1);
        if trapped && there.iter().any(|(address, _)| *address == before) {
            registers.rip = before;
            ptrace::setregs(tid, registers).ok()?;
        }
        Some(registers)
    }

    /// Waits for the next report of one thread, or the end of the program. The
    /// other threads of the process stay stopped.
    pub(super) fn wait_for(&mut self, tid: Pid) -> io::Result<Event> {
        loop {
            match self.wait()? {
                event if event.thread().is_none_or(|reporter| reporter == tid) => return Ok(event),
                event => self.hold(event),
            }
        }
    }

    /// nix knows no real-time signals, so this is asked for directly.
    fn resume(&mut self, tid: Pid, request: libc::c_uint, signal: c_int) {
        // SAFETY: these requests take no memory. If the thread was killed, the
        // request fails, and its end is reported by the next wait.
        unsafe { libc::ptrace(request, tid.as_raw(), 0_usize, signal as usize) };
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.running = true;
        }
    }

    /// The registers of a stopped thread; `None` if it has been killed.
    pub(super) fn registers(&self, tid: Pid) -> Option<Registers> {
        ptrace::getregs(tid).ok()
    }

    /// Reads memory of the process; shorter than asked for where it ends.
    pub(super) fn read(&self, address: u64, bytes: usize) -> Vec<u8> {
        let mut buffer = vec![0; bytes];
        let read = self.memory.as_ref().map_or(0, |memory| {
            memory.read_at(&mut buffer, address).unwrap_or(0)
        });
        buffer.truncate(read);
        buffer
    }

    /// Reads one word of memory, 0 where there is none.
    pub(super) fn word(&self, address: u64) -> u64 {
        self.read(address, 8)
            .try_into()
            .map_or(0, u64::from_ne_bytes)
    }

    /// Whether a thread has a handler for a signal.
    pub(super) fn handles(&self, tid: Pid, signal: c_int) -> bool {
        let caught =
            status_field(tid, "SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
        caught.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }

    fn lift_breakpoints(&self) {
        for (address, byte) in &self.breakpoints {
            self.write(*address, *byte);
        }
    }

    fn place_breakpoints(&self) {
        for address in self.breakpoints.keys() {
            self.write(*address, INT3);
        }
    }

    fn write(&self, address: u64, byte: u8) {
        if let Some(memory) = &self.memory {
            // The code may have been unmapped since, with its breakpoint.
            let _ = memory.write_at(&[byte], address);
        }
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
        while let Ok(event) = self.wait() {
            if let Some(thread) = event.thread().and_then(|tid| self.threads.get(&tid)) {
                let _ = kill(thread.process, Signal::SIGKILL);
            }
        }
    }
}

/// Keeps this thread and a traced one on the same processor: they take turns, and
/// waking another processor takes longer than a step (most of all in a virtual
/// machine). Dropping it frees this thread again.
#[derive(Debug)]
pub(super) struct Turns(Option<CpuSet>);

impl Turns {
    pub(super) fn with(tid: Pid) -> Self {
        // It is for speed only: where it is forbidden, the walk is slower.
        Self(take_turns_with(tid).ok())
    }
}

fn take_turns_with(tid: Pid) -> nix::Result<CpuSet> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut here = CpuSet::new();
    // SAFETY: no arguments.
    here.set(usize::try_from(unsafe { libc::sched_getcpu() }).map_err(|_| Errno::ENOSYS)?)?;
    sched_setaffinity(tid, &here)?;
    sched_setaffinity(this, &here)?;
    Ok(before)
}

impl Drop for Turns {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = sched_setaffinity(Pid::from_raw(0), before);
        }
    }
}

fn open_memory(pid: Pid) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{pid}/mem"))
}

fn process_of(tid: Pid) -> Option<Pid> {
    status_field(tid, "Tgid:")?.parse().ok().map(Pid::from_raw)
}

fn has_ended(tid: Pid) -> bool {
    status_field(tid, "State:").is_none_or(|state| state.starts_with(['Z', 'X']))
}

/// A field of `/proc/PID/status`.
pub(super) fn status_field(pid: Pid, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(|value| value.trim().to_owned())
}
