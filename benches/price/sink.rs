//! Where the exhibits' text goes: to the null device while they are timed, to a file while it is checked that they
//! write it.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

/// Standard output as C has it, redirected until this is dropped.
pub struct Redirected(OwnedFd);

impl Redirected {
    /// To the null device.
    pub fn to_null() -> io::Result<Self> {
        Self::to(&File::options().write(true).open("/dev/null")?)
    }

    fn to(file: &File) -> io::Result<Self> {
        flush();
        // SAFETY: 1 is open: it is where the report goes.
        let kept = check(unsafe { libc::dup(1) })?;
        // SAFETY: fresh from `dup`, and nobody else's.
        let kept = unsafe { OwnedFd::from_raw_fd(kept) };
        // SAFETY: both are open.
        check(unsafe { libc::dup2(file.as_raw_fd(), 1) })?;
        Ok(Self(kept))
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        flush();
        // SAFETY: both are open. Should it fail, what is printed next is lost, and nothing can be said about it.
        unsafe { libc::dup2(self.0.as_raw_fd(), 1) };
    }
}

/// How many bytes `work` writes to C's standard output.
pub fn written(work: impl FnOnce()) -> io::Result<u64> {
    let file = tempfile::tempfile()?;
    let redirected = Redirected::to(&file)?;
    work();
    drop(redirected);
    Ok(file.metadata()?.len())
}

/// C keeps what it is given until its buffer is full.
fn flush() {
    // SAFETY: null means every stream.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
