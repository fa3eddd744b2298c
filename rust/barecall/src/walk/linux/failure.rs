//! What went wrong, as a [`WalkError`] that says what to do next.

use std::io;
use std::process::Command;

use nix::libc::{self, c_int};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::tracee::{Deadline, Event, Exit, SpawnError, status_field};
use crate::walk::error::{Lost, WalkError};
use crate::walk::walker::Walker;

/// A refusal of the system, and what was being done.
pub(super) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> WalkError {
    move |source| WalkError::System { doing, source }
}

/// Something ended the walk early; `waits_in` is the number of the system call
/// that had not returned, if any.
pub(super) fn ended_early(
    event: Event,
    lost: Box<Lost>,
    waits_in: Option<u64>,
    walker: &Walker,
    deadline: &Deadline,
) -> WalkError {
    let limit = walker.timeout;
    match (event, waits_in) {
        (Event::Forked, _) => WalkError::Forked { lost },
        (Event::Execed, _) => WalkError::Execed { lost },
        (Event::Ended(_), Some(number)) if deadline.has_passed() => WalkError::Blocked {
            lost,
            syscall: syscall_name(number),
            limit,
        },
        (Event::Ended(_), None) if deadline.has_passed() => WalkError::TimeLimit { lost, limit },
        (Event::Ended(Exit::Exited(code)), _) => WalkError::Exited { lost, code },
        (Event::Ended(Exit::Killed(signal)), _) => WalkError::Crashed {
            lost,
            signal: signal_name(signal),
        },
        _ => WalkError::ThreadExited { lost },
    }
}

/// Why the program could not be started.
pub(super) fn not_started(error: SpawnError, command: &Command) -> WalkError {
    let path = command.get_program().into();
    let executed = matches!(error, SpawnError::NotExecuted(_));
    match error {
        SpawnError::Forbidden(source) => WalkError::Forbidden {
            setting: forbidding_setting(),
            source,
        },
        SpawnError::NotExecuted(source) | SpawnError::System(source) => {
            match source.raw_os_error().filter(|_| executed) {
                Some(libc::ENOENT) => WalkError::ProgramMissing { path },
                Some(libc::ENOEXEC) => WalkError::NotAProgram { path },
                Some(libc::EACCES | libc::EPERM) => {
                    let source = Some(source);
                    WalkError::NotExecutable { path, source }
                }
                _ => system("starting the program")(source),
            }
        }
    }
}

/// Which setting forbids ptrace, as far as can be seen from here.
fn forbidding_setting() -> String {
    const YAMA: &str = "/proc/sys/kernel/yama/ptrace_scope";
    let yama = std::fs::read_to_string(YAMA)
        .ok()
        .and_then(|scope| scope.trim().parse::<u8>().ok());
    let seccomp = status_field(Pid::this(), "Seccomp:");
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

pub(super) fn signal_name(signal: c_int) -> String {
    Signal::try_from(signal).map_or_else(
        |_| format!("signal {signal}"),
        |signal| signal.as_str().into(),
    )
}

/// A system call's number, and its name if it is one that waits.
fn syscall_name(number: u64) -> String {
    macro_rules! name {
        ($($call:ident)*) => {
            match i64::try_from(number).unwrap_or(-1) {
                $(libc::$call => stringify!($call).strip_prefix("SYS_"),)*
                _ => None,
            }
        };
    }
    let name = name!(
        SYS_read SYS_write SYS_poll SYS_ppoll SYS_select SYS_pselect6 SYS_pause SYS_nanosleep
        SYS_clock_nanosleep SYS_futex SYS_wait4 SYS_waitid SYS_accept SYS_accept4 SYS_connect
        SYS_recvfrom SYS_recvmsg SYS_sendto SYS_sendmsg SYS_epoll_wait SYS_epoll_pwait
        SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_flock SYS_fcntl SYS_io_uring_enter
    );
    name.map_or_else(|| number.to_string(), |name| format!("{number} ({name})"))
}
