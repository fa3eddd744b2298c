//! The time limit: kills a program from another thread when its time is up.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::libc::{self, c_int};
use nix::unistd::Pid;

/// Kills the watched program when the time is up.
#[derive(Debug, Default)]
pub(crate) struct Deadline {
    passed: AtomicBool,
    program: Mutex<Option<OwnedFd>>,
}

impl Deadline {
    /// Declares the time to be up. The program is killed now, or as soon as it starts.
    pub(crate) fn pass(&self) {
        self.passed.store(true, Ordering::SeqCst);
        self.kill_if_passed();
    }

    /// Whether the time is up.
    pub(crate) fn has_passed(&self) -> bool {
        self.passed.load(Ordering::SeqCst)
    }

    /// Watches a program from now on, instead of the last one.
    pub(super) fn watch(&self, pid: Pid) -> io::Result<()> {
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
            let (fd, signal) = (program.as_raw_fd(), libc::SIGKILL);
            // SAFETY: the descriptor is a pidfd; a null siginfo is allowed.
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, 0_usize, 0) };
        }
    }
}
