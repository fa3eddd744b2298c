//! Counts the system calls of a program, all of its threads', by stopping it at each.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::syscalls::{NotCounted, SyscallCount, SyscallCounts};

/// Runs a program to its end, and counts its system calls. It must end by itself.
///
/// # Errors
/// When ptrace is forbidden; when the program cannot be run, or fails.
pub fn count(program: &mut Command) -> Result<SyscallCounts, NotCounted> {
    let traced = || ptrace::traceme().map_err(io::Error::from);
    // SAFETY: between fork and exec only an async-signal-safe call is made: ptrace.
    unsafe { program.pre_exec(traced) };
    let child = program
        .spawn()
        .map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM) => NotCounted::Forbidden(error),
            _ => NotCounted::System(error),
        })?;
    let pid = Pid::from_raw(child.id().cast_signed());
    let counted = to_the_end(pid);
    if counted.is_err() {
        // Where it has ended there is nobody to end or to wait for.
        let _ = kill(pid, Signal::SIGKILL);
        let _ = waitpid(pid, Some(WaitPidFlag::__WALL));
    }
    counted
}

fn to_the_end(program: Pid) -> Result<SyscallCounts, NotCounted> {
    let failed =
        |status: &dyn std::fmt::Debug| NotCounted::Failed(format!("ended early: {status:?}"));
    // Stopped by exec.
    match wait(program)? {
        WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
        status => return Err(failed(&status)),
    }
    let options =
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(program, options).map_err(io::Error::from)?;
    go_on(program, None)?;

    let mut counts = HashMap::<u64, SyscallCount>::new();
    let mut known = HashSet::from([program]);
    // Threads within a system call, and which.
    let mut within = HashMap::<Pid, u64>::new();
    loop {
        // Every child of this thread: it has no other.
        match wait(Pid::from_raw(-1))? {
            WaitStatus::PtraceSyscall(thread) => {
                // A thread that was killed meanwhile is reported later.
                if let Ok(registers) = ptrace::getregs(thread) {
                    if let Some(number) = within.remove(&thread) {
                        let again = registers.rax.cast_signed() == -i64::from(libc::EAGAIN);
                        counts.entry(number).or_default().again += i64::from(again);
                    } else {
                        within.insert(thread, registers.orig_rax);
                        counts.entry(registers.orig_rax).or_default().made += 1;
                    }
                }
                go_on(thread, None)?;
            }
            WaitStatus::PtraceEvent(thread, ..) => go_on(thread, None)?,
            // A new thread begins stopped.
            WaitStatus::Stopped(thread, _) if known.insert(thread) => go_on(thread, None)?,
            WaitStatus::Stopped(thread, signal) => go_on(thread, Some(signal))?,
            WaitStatus::Exited(thread, 0) if thread == program => {
                return Ok(named(counts));
            }
            status @ (WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..))
                if thread == program =>
            {
                return Err(failed(&status));
            }
            _ => {}
        }
    }
}

fn wait(whom: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(whom, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
            Err(Errno::EINTR) => {}
            waited => return Ok(waited?),
        }
    }
}

/// To its next system call, into it or out of it.
fn go_on(thread: Pid, signal: Option<Signal>) -> io::Result<()> {
    match ptrace::syscall(thread, signal) {
        // It was killed; that is reported later.
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn named(counts: HashMap<u64, SyscallCount>) -> SyscallCounts {
    counts
        .into_iter()
        .map(|(number, calls)| (name(number.cast_signed()), calls))
        .collect()
}

/// Those that a thread ring may call; others by number.
fn name(number: i64) -> String {
    macro_rules! names {
        ($($number:ident)*) => { [$((libc::$number, stringify!($number))),*] };
    }
    const NAMES: [(i64, &str); 29] = names!(
        SYS_read SYS_readv SYS_recvfrom SYS_recvmsg SYS_write
        SYS_writev SYS_sendto SYS_sendmsg SYS_poll SYS_ppoll
        SYS_select SYS_pselect6 SYS_epoll_ctl SYS_epoll_wait SYS_epoll_pwait
        SYS_epoll_pwait2 SYS_io_uring_enter SYS_futex SYS_sched_yield SYS_ioctl
        SYS_fcntl SYS_close SYS_openat SYS_mmap SYS_munmap
        SYS_mprotect SYS_madvise SYS_brk SYS_clock_gettime
    );
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known
        .and_then(|(_, name)| name.strip_prefix("SYS_"))
        .map_or_else(|| format!("system call {number}"), str::to_owned)
}
