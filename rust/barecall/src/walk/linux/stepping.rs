//! The steps from `from` to `to` and back.

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::unistd::Pid;

use super::address_space::MappedFunction;
use super::code::DecodedCode;
use super::failure::{ended_early, system};
use super::insn::{self, Insn};
use super::program::{Arrival, Program};
use super::recorder::{Position, Progress, Recorder, Stretch};
use super::tracee::{Deadline, Event, OneCpu, Registers};
use crate::walk::error::{Lost, WalkError, Wanted};
use crate::walk::record::{Callee, Repeats, Walk};
use crate::walk::walker::Walker;

/// Steps the thread that arrived at `from` to `to` and back.
pub(super) fn walk(
    program: &mut Program,
    walker: &Walker,
    deadline: &Deadline,
    arrival: Arrival,
) -> Result<Walk, WalkError> {
    let Arrival { thread, from, to } = arrival;
    let _one_cpu = OneCpu::shared_with(thread);
    let registers = program.tracee.registers(thread);
    let registers = registers.ok_or_else(|| system("reading registers")(Errno::ESRCH.into()))?;
    let start = position_of(&registers);
    let recorder = Recorder::new(from.code.clone(), to.address, start, program);
    let stepper = Stepper {
        program,
        walker,
        thread,
        code: DecodedCode::naming([&to, &from]),
        from,
        to,
        recorder,
        steps: 0,
        interrupted: Vec::new(),
    };
    stepper.walk(registers, deadline)
}

/// A walk in the making.
struct Stepper<'w, 'c> {
    program: &'w mut Program<'c>,
    walker: &'w Walker,
    thread: Pid,
    from: MappedFunction,
    to: MappedFunction,
    code: DecodedCode,
    recorder: Recorder,
    steps: u64,
    /// Where the signal handlers that run now were called from.
    interrupted: Vec<Position>,
}

impl Stepper<'_, '_> {
    fn walk(mut self, mut registers: Registers, deadline: &Deadline) -> Result<Walk, WalkError> {
        let mut signal = 0;
        loop {
            let before = position_of(&registers);
            let insn = self.code.at(before.ip, self.program)?;
            if self.steps >= self.walker.max_steps {
                let lost = self.lost(before.ip);
                return Err(WalkError::StepLimit { lost });
            }
            let run = if signal == 0 && self.interrupted.is_empty() && !self.walker.step_all {
                self.run_from(before.ip)?
            } else {
                Run::default()
            };
            let handled = signal != 0 && self.program.tracee.handles(self.thread, signal);
            let moved = self.advance(&run, signal)?;
            signal = match moved.event {
                // The trap is the program's own.
                Event::Trap if insn.breakpoint && !handled => libc::SIGTRAP,
                Event::Trap => 0,
                Event::Signal(received) => received,
                other => {
                    let waits_in = insn.syscall.then_some(registers.rax);
                    let lost = self.lost(before.ip);
                    return Err(ended_early(other, lost, waits_in, self.walker, deadline));
                }
            };
            // A thread that was killed meanwhile has no registers: its end is next.
            let Some(registers_now) = moved.registers else {
                continue;
            };
            registers = registers_now;
            let now = position_of(&registers);
            let progress = if handled {
                self.interrupted.push(before);
                Progress::OnTheWay
            } else if moved.ran {
                self.record_run(run.executed_before(now.ip), now)
            } else if now == before && signal != 0 {
                Progress::OnTheWay
            } else {
                self.record_step(&insn, before, now)
            };
            match progress {
                Progress::OnTheWay => {}
                Progress::Done => return Ok(self.into_walk()),
                Progress::Returned => {
                    return Err(WalkError::Returned {
                        from: self.from.name,
                        to: self.to.name,
                        steps: self.steps,
                    });
                }
                Progress::Left => {
                    return Err(WalkError::LeftWithoutReturn {
                        at: self.program.whereabouts(now.ip),
                        from: self.from.name,
                        to: self.to.name,
                    });
                }
            }
        }
    }

    /// Makes a run, or where there is none, one step, and waits for its end.
    fn advance(&mut self, run: &Run, signal: c_int) -> Result<Moved, WalkError> {
        let (tracee, thread) = (&mut self.program.tracee, self.thread);
        let patch = if run.executes.is_empty() {
            None
        } else {
            tracee.run_to(thread, &run.ends)
        };
        if patch.is_none() {
            tracee.step(thread, signal);
        }
        let event = loop {
            let report = tracee.wait_for(thread);
            let report = report.map_err(system("waiting for a step"))?;
            match report.event {
                Event::JobStopped => tracee.serve(report),
                Event::Stopped if patch.is_some() => tracee.serve(report),
                // The instruction, a system call, is not done yet.
                Event::Cloned | Event::Stopped => tracee.step(thread, 0),
                event => break event,
            }
        };
        let registers = match &patch {
            Some(patch) => tracee.ran_to(thread, patch, event == Event::Trap),
            None => tracee.registers(thread),
        };
        let ran = patch.is_some();
        Ok(Moved {
            event,
            registers,
            ran,
        })
    }

    /// The instructions from an address on that can be executed in one way only,
    /// up to and including the first that may go one way or another. They need
    /// not be stopped at, which is what takes time. (In a virtual machine, a
    /// step costs about ten times what running into an `int3` does.)
    fn run_from(&mut self, mut ip: u64) -> Result<Run, WalkError> {
        // The longest run: nothing depends on it.
        const LONGEST: usize = 200;
        let mut run = Run::default();
        let start = ip;
        while run.executes.len() < LONGEST {
            let insn = self.code.at(ip, self.program)?;
            let next = ip + insn.len;
            if insn.straight && self.recorder.is_plain(ip, next) {
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

    /// Records a run that has led to `now`. Only its last instruction can be a
    /// call, so that the stack pointer is known where it matters.
    fn record_run(&mut self, executed: &[(u64, Insn)], now: Position) -> Progress {
        self.steps += executed.len() as u64;
        let nexts = executed.iter().skip(1).map(|(ip, _)| *ip).chain([now.ip]);
        let mut progress = Progress::OnTheWay;
        for ((ip, insn), next) in executed.iter().zip(nexts) {
            let sp = if insn.call { now.sp + 8 } else { now.sp };
            let (before, after) = (Position { ip: *ip, sp }, Position { ip: next, ..now });
            progress = self.recorder.executed(insn, before, after, self.program);
        }
        progress
    }

    fn record_step(&mut self, insn: &Insn, before: Position, now: Position) -> Progress {
        self.steps += 1;
        if let Some(back_to) = self.interrupted.last() {
            // A system call that is to be made again begins 2 bytes earlier.
            if now.sp == back_to.sp && (now.ip == back_to.ip || now.ip + 2 == back_to.ip) {
                self.interrupted.pop();
            }
            Progress::OnTheWay
        } else if insn.repeats && now.ip == before.ip {
            Progress::OnTheWay
        } else {
            self.recorder.executed(insn, before, now, self.program)
        }
    }

    /// Where the walk is, for an error.
    fn lost(&self, ip: u64) -> Box<Lost> {
        let (from, to) = (self.from.name.clone(), self.to.name.clone());
        let wanted = match self.recorder.stretch() {
            Stretch::Out => Wanted::Callee { from, to },
            Stretch::Callee => Wanted::Return { to },
            Stretch::Back => Wanted::Caller { from, to },
        };
        let (steps, at) = (self.steps, self.program.whereabouts(ip));
        Box::new(Lost { wanted, steps, at })
    }

    fn into_walk(self) -> Walk {
        Walk {
            warmup: self.walker.warmup,
            repeats: Repeats {
                walks: 1,
                identical: 1,
            },
            randomised: self.program.tracee.randomised,
            call: self.call_text(self.recorder.call_at),
            out: self.code.leg(&self.recorder.out),
            callee: Callee {
                instructions: self.recorder.callee,
            },
            back: self.code.leg(&self.recorder.back),
            from: self.from.name,
            to: self.to.name,
        }
    }

    /// The call, its target by name where it has one.
    fn call_text(&self, address: u64) -> String {
        let bytes = self.program.tracee.read(address, insn::MAX_LEN);
        let text = insn::text(&bytes, address);
        match insn::target(&bytes, address).and_then(|target| self.program.name(target)) {
            Some(name) => format!("{} {name}", text.split(' ').next().unwrap_or_default()),
            None => text,
        }
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

/// How a run or a step ended.
struct Moved {
    event: Event,
    registers: Option<Registers>,
    ran: bool,
}

fn position_of(registers: &Registers) -> Position {
    Position {
        ip: registers.rip,
        sp: registers.rsp,
    }
}
