//! How a program is started: with its addresses fixed, and traced from its first
//! instruction on.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use nix::libc::{self, c_int};
use nix::sys::personality::{self, Persona};
use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use super::deadline::Deadline;
use super::ptrace::{Event, Tracee};

/// Why a program could not be started.
#[derive(Debug)]
pub(crate) enum SpawnError {
    /// ptrace is forbidden.
    Forbidden(io::Error),
    /// The program could not be executed.
    NotExecuted(io::Error),
    /// Anything else.
    System(io::Error),
}

impl From<io::Error> for SpawnError {
    fn from(error: io::Error) -> Self {
        SpawnError::System(error)
    }
}

/// Where a new process waits, before it becomes the program, until it is traced.
/// A command can be started through it again and again.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Ends of pipes: the child writes to the first, reads from the second, and
    /// closes the third, so that it does not wait for itself.
    ends: Arc<[AtomicI32; 3]>,
}

impl Gate {
    /// Makes every process that `command` starts wait at this gate.
    pub(crate) fn before(command: &mut Command) -> Self {
        let ends: Arc<[AtomicI32; 3]> = Arc::default();
        let childs = Arc::clone(&ends);
        // SAFETY: between fork and exec only async-signal-safe calls may be made:
        // these are personality, getpid, close, write and read, without allocation.
        unsafe { command.pre_exec(move || wait_at_gate(&childs)) };
        Self { ends }
    }
}

/// In the child: turns address randomisation off, then waits to be traced.
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

impl Tracee {
    /// Starts the program. It is stopped before its first instruction.
    pub(crate) fn start(
        command: &mut Command,
        gate: &Gate,
        deadline: &Deadline,
    ) -> Result<Self, SpawnError> {
        let (mut ready, ready_end) = io::pipe()?;
        let (go_end, mut go) = io::pipe()?;
        let fds = [ready_end.as_raw_fd(), go_end.as_raw_fd(), go.as_raw_fd()];
        for (end, fd) in gate.ends.iter().zip(fds) {
            end.store(fd, Ordering::Relaxed);
        }
        thread::scope(|scope| {
            // `spawn` returns when the child has executed the program, which it does
            // only once this thread has seized it: so it needs a thread of its own.
            let spawning = scope.spawn(move || {
                let spawned = command.spawn();
                drop((ready_end, go_end));
                spawned
            });
            let mut hello = [0; 5];
            let seized = match ready.read_exact(&mut hello) {
                Ok(()) => seize(hello),
                Err(error) => Err(error.into()),
            };
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
                    Err(SpawnError::NotExecuted(error))
                }
                (Err(SpawnError::System(_)), Err(error)) => Err(SpawnError::System(error)),
                (Err(error), _) => Err(error),
            }
        })
    }

    fn run_to_exec(&mut self) -> io::Result<()> {
        loop {
            let report = self.wait()?;
            match report.event {
                Event::Execed if report.tid == self.pid => return Ok(()),
                Event::Ended(_) => return Err(io::Error::other("it was killed before it started")),
                _ => self.serve(report),
            }
        }
    }
}

/// Traces the process that said hello at the gate.
fn seize([a, b, c, d, fixed]: [u8; 5]) -> Result<Tracee, SpawnError> {
    let pid = Pid::from_raw(c_int::from_ne_bytes([a, b, c, d]));
    let options = Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEVFORKDONE
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(pid, options).map_err(|errno| SpawnError::Forbidden(errno.into()))?;
    Ok(Tracee::seized(pid, fixed == 0))
}
