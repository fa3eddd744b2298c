//! How many file descriptors and threads a process may have.

use std::fs;
use std::io;
use std::mem;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::Error;

/// Room for what else the process has open: standard streams, epoll, and inherited descriptors.
const OTHERS: usize = 32;

/// The stack size of a stage's thread, in bytes. Its calls are only a few functions
/// deep, and the minimum of tokio and of the C library is smaller.
const STACK: usize = 64 * 1024;

/// Checks whether the process may open `more` file descriptors.
pub(super) fn file_descriptors(more: usize) -> Result<(), Error> {
    let needed = (more + OTHERS) as u64;
    let limit = limit(libc::RLIMIT_NOFILE)?;
    if needed > limit {
        return Err(Error::FileDescriptors { needed, limit });
    }
    Ok(())
}

/// Checks whether the process may start `more` threads, as far as that is known beforehand.
pub(super) fn threads(more: usize) -> Result<(), Error> {
    let needed = more as u64;
    let system = |file| fs::read_to_string(file).ok()?.trim().parse().ok();
    // SAFETY: no arguments.
    let bound_by_user = unsafe { libc::geteuid() } != 0;
    let limits = [
        (
            bound_by_user
                .then(|| limit(libc::RLIMIT_NPROC))
                .transpose()?,
            "raise the limit of this user (RLIMIT_NPROC) with `ulimit -u`",
        ),
        (
            system("/proc/sys/kernel/threads-max"),
            "raise the limit of this system with `sysctl kernel.threads-max=`",
        ),
        (
            system("/sys/fs/cgroup/pids.max"),
            "raise the limit of this container (`docker run --pids-limit`, or pids.max of its cgroup)",
        ),
    ];
    for (limit, raise) in limits {
        if limit.is_some_and(|limit| needed > limit) {
            return Err(Error::Threads {
                needed,
                limit,
                raise,
            });
        }
    }
    Ok(())
}

/// Starts a stage's thread.
pub(super) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    stage: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Error> {
    Builder::new()
        .stack_size(STACK)
        .spawn_scoped(scope, stage)
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => Error::Threads {
                needed: 1,
                limit: None,
                raise: "the system refused it (EAGAIN); `ulimit -u`, `sysctl kernel.threads-max` and pids.max \
                        of the cgroup limit them",
            },
            _ => Error::System(error),
        })
}

fn limit(resource: libc::__rlimit_resource_t) -> io::Result<u64> {
    // SAFETY: all zeros are a value of this type.
    let mut limits: libc::rlimit = unsafe { mem::zeroed() };
    // SAFETY: the pointer is valid for a write of one.
    if unsafe { libc::getrlimit(resource, &raw mut limits) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limits.rlim_cur)
}
