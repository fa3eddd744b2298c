//! The walk on x86-64 Linux: start the program, let it arrive, step it.

mod insn;
mod maps;
mod program;
mod record;
mod symbols;
mod tracee;

use std::collections::HashMap;
use std::ops::Range;
use std::process::Command;
use std::sync::mpsc;
use std::{io, panic, thread};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use self::insn::Insn;
use self::maps::{Function, Mapped, Shelf};
use self::record::{Memory, Place, Progress, Record, Segment, Stretch};
use self::tracee::{Deadline, Ended, Event, Gate, NotStarted, Registers, Tracee, Turns};
use super::error::{Lost, Wanted};
use super::{Callee, Ending, Leg, Repeats, Step, Walk, WalkError, Walker};

/// Takes the walk, as often as asked.
pub(super) fn run(mut walker: Walker) -> Result<Walk, WalkError> {
    program::check(&walker.command)?;
    let deadline = Deadline::default();
    let limit = walker.timeout;
    // The walks have a thread of their own: ptrace works from one thread only,
    // waits for that thread's own children only, and kills them with it.
    thread::scope(|scope| {
        let (running, over) = mpsc::channel::<()>();
        let walks = scope.spawn(|| {
            let _running = running;
            take(&mut walker, &deadline)
        });
        if over.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            deadline.pass();
        }
        walks
            .join()
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}

fn take(walker: &mut Walker, deadline: &Deadline) -> Result<Walk, WalkError> {
    let gate = Gate::before(&mut walker.command);
    let mut shelf = Shelf::default();
    let mut first = once(walker, &gate, deadline, &mut shelf)?;
    let mut identical = 1;
    for _ in 1..walker.repeat {
        let again = once(walker, &gate, deadline, &mut shelf)?;
        identical += u64::from(again == first);
    }
    first.repeats = Repeats {
        walks: walker.repeat,
        identical,
    };
    Ok(first)
}

/// One walk, in a new process.
fn once(
    walker: &mut Walker,
    gate: &Gate,
    deadline: &Deadline,
    shelf: &mut Shelf,
) -> Result<Walk, WalkError> {
    let tracee = Tracee::start(&mut walker.command, gate, deadline)
        .map_err(|error| not_started(error, &walker.command))?;
    let mut program = Program {
        thread: tracee.pid,
        tracee,
        mapped: Mapped::default(),
        shelf,
    };
    let arrival = program.arrive(walker, deadline)?;
    program.step(walker, deadline, arrival)
}

/// A program being walked: the process, and the names in it.
struct Program<'s> {
    tracee: Tracee,
    /// The thread that is looked at. It is asked for what is its process's: once
    /// the main thread has ended, /proc/PID has no maps.
    thread: Pid,
    mapped: Mapped,
    shelf: &'s mut Shelf,
}

/// A thread at the first instruction of `from`, all others stopped.
struct Arrival {
    thread: Pid,
    from: Function,
    to: Function,
}

impl Program<'_> {
    /// Lets the program run until a thread arrives at `from`, warmed up.
    fn arrive(&mut self, walker: &Walker, deadline: &Deadline) -> Result<Arrival, WalkError> {
        let mut from = self.begin(walker)?;
        let mut arrivals = 0;
        loop {
            let event = self
                .tracee
                .wait()
                .map_err(system("waiting for the program"))?;
            match event {
                Event::Ended(ended) => {
                    return Err(self.not_reached(walker, deadline, from.as_ref(), arrivals, ended));
                }
                Event::Execed(tid) if tid == self.tracee.pid => {
                    from = self.begin(walker)?;
                    arrivals = 0;
                }
                Event::Trap(tid) if self.tracee.is_walked(tid) => {
                    let Some(address) = self.tracee.breakpoint_hit(tid) else {
                        self.tracee.serve(event);
                        continue;
                    };
                    self.thread = tid;
                    if from.as_ref().is_some_and(|from| from.address == address) {
                        arrivals += 1;
                        if arrivals > walker.warmup {
                            if !self
                                .tracee
                                .stop_others(tid)
                                .map_err(system("stopping threads"))?
                            {
                                continue;
                            }
                            self.tracee.remove_breakpoints();
                            let from =
                                from.ok_or_else(|| self.mapped.no_such(&walker.from, self.thread))?;
                            return self.arrived(walker, tid, from);
                        }
                    } else {
                        from = self.look_again(walker, address)?;
                    }
                    self.tracee
                        .step_over(tid)
                        .map_err(system("stepping over a breakpoint"))?;
                }
                event => self.tracee.serve(event),
            }
        }
    }

    /// A new program is about to begin: breaks where it starts, and wherever its
    /// loader reports that it has mapped something.
    fn begin(&mut self, walker: &Walker) -> Result<Option<Function>, WalkError> {
        self.thread = self.tracee.pid;
        self.read_maps()?;
        let loaded = self
            .mapped
            .find("_dl_debug_state")
            .ok()
            .flatten()
            .map(|function| function.address);
        for address in self.mapped.entry(self.thread).into_iter().chain(loaded) {
            self.tracee
                .set_breakpoint(address)
                .map_err(system("setting a breakpoint"))?;
        }
        let from = self.find_from(walker)?;
        self.tracee.serve(Event::Execed(self.tracee.pid));
        Ok(from)
    }

    /// Something may have been mapped: looks for `from` in it. When the program
    /// itself starts, what is still missing will not come, as a rule.
    fn look_again(&mut self, walker: &Walker, at: u64) -> Result<Option<Function>, WalkError> {
        self.read_maps()?;
        let from = self.find_from(walker)?;
        if self.mapped.entry(self.thread) == Some(at) && !self.mapped.may_load() {
            if from.is_none() && !self.mapped.may_exec() {
                return Err(self.mapped.no_such(&walker.from, self.thread));
            }
            if from.is_some() && self.mapped.find(&walker.to)?.is_none() {
                return Err(self.mapped.no_such(&walker.to, self.thread));
            }
        }
        Ok(from)
    }

    fn find_from(&mut self, walker: &Walker) -> Result<Option<Function>, WalkError> {
        let from = self.mapped.find(&walker.from)?;
        if let Some(from) = &from {
            self.tracee
                .set_breakpoint(from.address)
                .map_err(system("setting a breakpoint"))?;
        }
        Ok(from)
    }

    fn arrived(
        &mut self,
        walker: &Walker,
        thread: Pid,
        from: Function,
    ) -> Result<Arrival, WalkError> {
        self.read_maps()?;
        let Some(mut to) = self.mapped.find(&walker.to)? else {
            return Err(self.mapped.no_such(&walker.to, self.thread));
        };
        if to.chooses {
            to = self
                .mapped
                .chosen(&to, &from, |address| self.tracee.word(address))
                .ok_or_else(|| WalkError::NotYetChosen {
                    symbol: to.name.clone(),
                    from: from.name.clone(),
                })?;
        }
        Ok(Arrival { thread, from, to })
    }

    fn not_reached(
        &self,
        walker: &Walker,
        deadline: &Deadline,
        from: Option<&Function>,
        arrivals: u64,
        ended: Ended,
    ) -> WalkError {
        let Some(from) = from else {
            return self.mapped.no_such(&walker.from, self.thread);
        };
        let ending = match ended {
            _ if deadline.has_passed() => Ending::TimeLimit(walker.timeout),
            Ended::Exited(code) => Ending::Exited(code),
            Ended::Killed(signal) => Ending::Killed(signal_name(signal)),
        };
        WalkError::FromNotReached {
            from: from.name.clone(),
            arrivals,
            warmup: walker.warmup,
            ending,
        }
    }

    /// Steps the thread from `from` to `to` and back.
    fn step(
        &mut self,
        walker: &Walker,
        deadline: &Deadline,
        arrival: Arrival,
    ) -> Result<Walk, WalkError> {
        let Arrival { thread, from, to } = arrival;
        let _turns = Turns::with(thread);
        let mut code = Code::default();
        for function in [&to, &from] {
            let named = |range: &Range<u64>| (range.clone(), function.name.clone());
            code.called.extend(function.code.iter().map(named));
        }
        let gone = || system("reading registers")(Errno::ESRCH.into());
        let mut registers = self.tracee.registers(thread).ok_or_else(gone)?;
        let mut record = Record::new(from.code.clone(), to.address, place_of(&registers), self);
        let mut steps = 0;
        // Where the signal handlers that run now were called from.
        let mut interrupted: Vec<Place> = Vec::new();
        let mut signal = 0;
        loop {
            let before = place_of(&registers);
            let insn = code.at(before.ip, self)?;
            let lost = |program: &Self, record: &Record| {
                let wanted = wanted(record.stretch(), &from, &to);
                Box::new(Lost {
                    wanted,
                    steps,
                    at: program.whereabouts(before.ip),
                })
            };
            if steps >= walker.max_steps {
                return Err(WalkError::StepLimit {
                    lost: lost(self, &record),
                });
            }
            let run = if signal == 0 && interrupted.is_empty() && !walker.step_all {
                self.run_from(before.ip, &mut code, &record)?
            } else {
                Run::default()
            };
            let handled = signal != 0 && self.tracee.handles(thread, signal);
            let moved = self.advance(thread, &run, signal)?;
            signal = match moved.event {
                // The trap is the program's own.
                Event::Trap(_) if insn.breakpoint && !handled => libc::SIGTRAP,
                Event::Trap(_) => 0,
                Event::Signal(_, received) => received,
                other => {
                    let waits_in = insn.syscall.then_some(registers.rax);
                    return Err(ended(
                        other,
                        lost(self, &record),
                        waits_in,
                        walker,
                        deadline,
                    ));
                }
            };
            // A thread that was killed meanwhile has no registers: its end is next.
            let Some(registers_now) = moved.registers else {
                continue;
            };
            registers = registers_now;
            let now = place_of(&registers);
            if handled {
                interrupted.push(before);
                continue;
            }
            let progress = if moved.ran {
                let executed = run.executed_before(now.ip);
                steps += executed.len() as u64;
                record_run(&mut record, executed, now, self)
            } else if now == before && signal != 0 {
                Progress::OnTheWay
            } else {
                steps += 1;
                if let Some(back_to) = interrupted.last() {
                    // A system call that is to be made again begins 2 bytes earlier.
                    if now.sp == back_to.sp && (now.ip == back_to.ip || now.ip + 2 == back_to.ip) {
                        interrupted.pop();
                    }
                    Progress::OnTheWay
                } else if insn.repeats && now.ip == before.ip {
                    Progress::OnTheWay
                } else {
                    record.executed(&insn, before, now, self)
                }
            };
            match progress {
                Progress::OnTheWay => {}
                Progress::Done => return Ok(self.walk(walker, &from, &to, &record, &code)),
                Progress::Returned => {
                    return Err(WalkError::Returned {
                        from: from.name,
                        to: to.name,
                        steps,
                    });
                }
                Progress::Left => {
                    let at = self.whereabouts(now.ip);
                    return Err(WalkError::LeftWithoutReturn {
                        from: from.name,
                        to: to.name,
                        at,
                    });
                }
            }
        }
    }

    /// Makes a run, or where there is none, one step, and waits for its end.
    fn advance(&mut self, thread: Pid, run: &Run, signal: c_int) -> Result<Moved, WalkError> {
        let ends = if run.executes.is_empty() {
            None
        } else {
            self.tracee.run_to(thread, &run.ends)
        };
        if ends.is_none() {
            self.tracee.step(thread, signal);
        }
        let event = loop {
            match self
                .tracee
                .wait_for(thread)
                .map_err(system("waiting for a step"))?
            {
                event @ Event::JobStopped(_) => self.tracee.serve(event),
                event @ Event::Stopped(_) if ends.is_some() => self.tracee.serve(event),
                // The instruction, a system call, is not done yet.
                Event::Cloned(_) | Event::Stopped(_) => self.tracee.step(thread, 0),
                event => break event,
            }
        };
        let registers = match &ends {
            Some(ends) => self
                .tracee
                .ran_to(thread, ends, matches!(event, Event::Trap(_))),
            None => self.tracee.registers(thread),
        };
        Ok(Moved {
            event,
            registers,
            ran: ends.is_some(),
        })
    }

    /// The instructions from an address on that can be executed in one way only,
    /// up to and including the first that may go one way or another. They need
    /// not be stopped at, which is what takes time. (In a virtual machine, a
    /// step costs about ten times what running into an `int3` does.)
    fn run_from(
        &mut self,
        mut ip: u64,
        code: &mut Code,
        record: &Record,
    ) -> Result<Run, WalkError> {
        // The longest run: nothing depends on it.
        const LONGEST: usize = 200;
        let mut run = Run::default();
        let start = ip;
        while run.executes.len() < LONGEST {
            let insn = code.at(ip, self)?;
            let next = ip + insn.len;
            if insn.straight && record.is_plain(ip, next) {
                run.executes.push((ip, insn));
                ip = next;
                continue;
            }
            if let Some(branch) = insn.branch {
                let mut ends = vec![branch.target];
                if branch.conditional && branch.target != next {
                    ends.push(next);
                }
                // A loop: its end is no end, for it would be run into on the way.
                if ends.iter().all(|end| !(start..next).contains(end)) {
                    run.executes.push((ip, insn));
                    run.ends = ends;
                    return Ok(run);
                }
            }
            break;
        }
        run.ends = vec![ip];
        Ok(run)
    }

    fn walk(
        &self,
        walker: &Walker,
        from: &Function,
        to: &Function,
        record: &Record,
        code: &Code,
    ) -> Walk {
        let call = self.tracee.read(record.call_at, insn::MAX_LEN);
        Walk {
            from: from.name.clone(),
            to: to.name.clone(),
            warmup: walker.warmup,
            repeats: Repeats {
                walks: 1,
                identical: 1,
            },
            randomised: self.tracee.randomised,
            call: self.call_text(&call, record.call_at),
            out: leg(&record.out, code),
            callee: Callee {
                instructions: record.callee,
            },
            back: leg(&record.back, code),
        }
    }

    /// The call, its target by name where it has one.
    fn call_text(&self, bytes: &[u8], address: u64) -> String {
        let text = insn::text(bytes, address);
        match insn::target(bytes, address).and_then(|target| self.name(target)) {
            Some(name) => format!("{} {name}", text.split(' ').next().unwrap_or_default()),
            None => text,
        }
    }

    fn read_maps(&mut self) -> Result<(), WalkError> {
        let tracee = &self.tracee;
        self.mapped = Mapped::read(self.thread, self.shelf, |range| bytes(tracee, range))
            .map_err(system("reading the program's memory map"))?;
        Ok(())
    }

    fn name(&self, address: u64) -> Option<String> {
        self.mapped
            .name(address, |range| bytes(&self.tracee, range))
    }

    fn whereabouts(&self, address: u64) -> String {
        self.mapped
            .whereabouts(address, |range| bytes(&self.tracee, range))
    }
}

impl Memory for Program<'_> {
    fn word(&mut self, address: u64) -> u64 {
        self.tracee.word(address)
    }

    fn mapping(&mut self, address: u64) -> Range<u64> {
        let mappings = maps::mappings(self.thread).unwrap_or_default();
        mappings
            .into_iter()
            .map(|m| m.range)
            .find(|range| range.contains(&address))
            .unwrap_or(0..0)
    }
}

/// Something ended the walk early; `waits_in` is the number of the system call
/// that had not returned, if any.
fn ended(
    event: Event,
    lost: Box<Lost>,
    waits_in: Option<u64>,
    walker: &Walker,
    deadline: &Deadline,
) -> WalkError {
    let limit = walker.timeout;
    match (event, waits_in) {
        (Event::Forked(_), _) => WalkError::Forked { lost },
        (Event::Execed(_), _) => WalkError::Execed { lost },
        (Event::Ended(_), Some(number)) if deadline.has_passed() => WalkError::Blocked {
            lost,
            syscall: syscall_name(number),
            limit,
        },
        (Event::Ended(_), None) if deadline.has_passed() => WalkError::TimeLimit { lost, limit },
        (Event::Ended(Ended::Exited(code)), _) => WalkError::Exited { lost, code },
        (Event::Ended(Ended::Killed(signal)), _) => WalkError::Crashed {
            lost,
            signal: signal_name(signal),
        },
        _ => WalkError::ThreadExited { lost },
    }
}

/// The instructions executed so far, decoded once.
#[derive(Default)]
struct Code {
    decoded: HashMap<u64, Insn>,
    names: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Functions with several names go by the one that was asked for.
    called: Vec<(Range<u64>, String)>,
}

impl Code {
    fn at(&mut self, address: u64, program: &mut Program) -> Result<Insn, WalkError> {
        if let Some(insn) = self.decoded.get(&address) {
            return Ok(*insn);
        }
        let bytes = program.tracee.read(address, insn::MAX_LEN);
        let called = self
            .called
            .iter()
            .find(|(range, _)| range.contains(&address));
        let mut name = called
            .map(|(_, name)| name.clone())
            .or_else(|| program.name(address));
        if name.is_none() {
            // It may have been mapped since (dlopen in mid-walk).
            program.read_maps()?;
            name = program.name(address);
        }
        let name = name.unwrap_or_else(|| "code without a file".into());
        let insn = Insn::decode(&bytes, address, self.number(name));
        self.decoded.insert(address, insn);
        Ok(insn)
    }

    fn number(&mut self, name: String) -> u32 {
        let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            next
        })
    }
}

fn leg(segments: &[Segment], code: &Code) -> Leg {
    let steps: Vec<_> = segments
        .iter()
        .map(|segment| Step {
            symbol: code.names[segment.symbol as usize].clone(),
            instructions: segment.instructions,
            stack_switches: segment.stack_switches,
            atomics: segment.atomics,
            syscalls: segment.syscalls,
        })
        .collect();
    Leg {
        instructions: steps.iter().map(|step| step.instructions).sum(),
        stack_switches: steps.iter().map(|step| step.stack_switches).sum(),
        atomics: steps.iter().map(|step| step.atomics).sum(),
        syscalls: steps.iter().map(|step| step.syscalls).sum(),
        steps,
    }
}

/// Instructions that are executed one after the other, with their addresses, and
/// where they may lead.
#[derive(Default)]
struct Run {
    executes: Vec<(u64, Insn)>,
    ends: Vec<u64>,
}

impl Run {
    /// Those that were executed when the thread is at `ip`: all, unless a signal
    /// came first.
    fn executed_before(&self, ip: u64) -> &[(u64, Insn)] {
        let stopped_at = self.executes.iter().position(|(at, _)| *at == ip);
        &self.executes[..stopped_at.unwrap_or(self.executes.len())]
    }
}

/// What became of a run or a step.
struct Moved {
    event: Event,
    registers: Option<Registers>,
    ran: bool,
}

/// Takes down a run that has led to `now`. Only its last instruction can be a
/// call, so that the stack pointer is known where it matters.
fn record_run(
    record: &mut Record,
    executed: &[(u64, Insn)],
    now: Place,
    memory: &mut impl Memory,
) -> Progress {
    let mut progress = Progress::OnTheWay;
    for (index, (ip, insn)) in executed.iter().enumerate() {
        let before = Place {
            ip: *ip,
            sp: if insn.call { now.sp + 8 } else { now.sp },
        };
        let after = Place {
            ip: executed.get(index + 1).map_or(now.ip, |(next, _)| *next),
            sp: now.sp,
        };
        progress = record.executed(insn, before, after, memory);
    }
    progress
}

fn place_of(registers: &Registers) -> Place {
    Place {
        ip: registers.rip,
        sp: registers.rsp,
    }
}

fn wanted(stretch: Stretch, from: &Function, to: &Function) -> Wanted {
    let (from, to) = (from.name.clone(), to.name.clone());
    match stretch {
        Stretch::Out => Wanted::Callee { from, to },
        Stretch::Callee => Wanted::Return { to },
        Stretch::Back => Wanted::Caller { from, to },
    }
}

fn bytes(tracee: &Tracee, range: &Range<u64>) -> Vec<u8> {
    tracee.read(
        range.start,
        usize::try_from(range.end - range.start).unwrap_or(0),
    )
}

fn system(doing: &'static str) -> impl FnOnce(io::Error) -> WalkError {
    move |source| WalkError::System { doing, source }
}

fn not_started(error: NotStarted, command: &Command) -> WalkError {
    let path = || command.get_program().into();
    match error {
        NotStarted::Forbidden(source) => WalkError::Forbidden {
            setting: forbidding_setting(),
            source,
        },
        NotStarted::NotExecuted(source) => match source.raw_os_error() {
            Some(libc::ENOENT) => WalkError::ProgramMissing { path: path() },
            Some(libc::ENOEXEC) => WalkError::NotAProgram { path: path() },
            Some(libc::EACCES | libc::EPERM) => WalkError::NotExecutable {
                path: path(),
                source: Some(source),
            },
            _ => WalkError::System {
                doing: "starting the program",
                source,
            },
        },
        NotStarted::System(source) => WalkError::System {
            doing: "starting the program",
            source,
        },
    }
}

/// Which setting forbids ptrace, as far as can be seen from here.
fn forbidding_setting() -> String {
    const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";
    let yama = std::fs::read_to_string(YAMA)
        .ok()
        .and_then(|scope| scope.trim().parse::<u8>().ok());
    let seccomp = tracee::status_field(Pid::this(), "Seccomp:");
    match (yama, seccomp.as_deref()) {
        (Some(3), _) => {
            format!("kernel.yama.ptrace_scope is 3 ({YAMA}), which forbids it until the next boot")
        }
        (Some(2), _) => "kernel.yama.ptrace_scope is 2, which allows it to administrators only: \
             `sysctl kernel.yama.ptrace_scope=1`, or run as root"
            .into(),
        (_, Some("1" | "2")) => {
            "a seccomp filter is in force here, as containers have: start the container with \
             `--cap-add=SYS_PTRACE --security-opt seccomp=unconfined`"
                .into()
        }
        _ => "a security module, or a debugger that holds this program already (strace -f, gdb); \
             kernel.yama.ptrace_scope does not forbid it"
            .into(),
    }
}

fn signal_name(signal: c_int) -> String {
    Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |signal| signal.as_str().into(),
    )
}

/// A system call's number, and the names of those that wait.
fn syscall_name(number: u64) -> String {
    let name = match i64::try_from(number).unwrap_or(-1) {
        libc::SYS_read => "read",
        libc::SYS_write => "write",
        libc::SYS_poll => "poll",
        libc::SYS_ppoll => "ppoll",
        libc::SYS_select => "select",
        libc::SYS_pselect6 => "pselect6",
        libc::SYS_pause => "pause",
        libc::SYS_nanosleep => "nanosleep",
        libc::SYS_clock_nanosleep => "clock_nanosleep",
        libc::SYS_futex => "futex",
        libc::SYS_wait4 => "wait4",
        libc::SYS_waitid => "waitid",
        libc::SYS_accept => "accept",
        libc::SYS_accept4 => "accept4",
        libc::SYS_connect => "connect",
        libc::SYS_recvfrom => "recvfrom",
        libc::SYS_recvmsg => "recvmsg",
        libc::SYS_sendto => "sendto",
        libc::SYS_sendmsg => "sendmsg",
        libc::SYS_epoll_wait => "epoll_wait",
        libc::SYS_epoll_pwait => "epoll_pwait",
        libc::SYS_rt_sigsuspend => "rt_sigsuspend",
        libc::SYS_rt_sigtimedwait => "rt_sigtimedwait",
        libc::SYS_flock => "flock",
        libc::SYS_fcntl => "fcntl",
        libc::SYS_io_uring_enter => "io_uring_enter",
        _ => return number.to_string(),
    };
    format!("{number} ({name})")
}
