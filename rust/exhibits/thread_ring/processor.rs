//! Confines a thread ring to one processor, and counts the context switches of a thread.

use std::io;
use std::iter::Sum;
use std::mem;
use std::ops::{Add, Sub};
use std::thread;

/// Context switches by the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// The thread had to wait.
    pub voluntary: u64,
    /// The kernel took its processor for another.
    pub involuntary: u64,
}

impl Switches {
    /// Returns the switches of the calling thread since it started (`getrusage(2)`, `RUSAGE_THREAD`).
    ///
    /// # Errors
    /// Returns an error if the system does not report them.
    pub fn of_this_thread() -> io::Result<Self> {
        // SAFETY: all zeros are a value of this type.
        let mut usage: libc::rusage = unsafe { mem::zeroed() };
        // SAFETY: the pointer is valid for a write of one.
        if unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
        Ok(Self {
            voluntary: count(usage.ru_nvcsw),
            involuntary: count(usage.ru_nivcsw),
        })
    }

    /// Returns the sum of both kinds.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.voluntary + self.involuntary
    }
}

impl Add for Switches {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            voluntary: self.voluntary + other.voluntary,
            involuntary: self.involuntary + other.involuntary,
        }
    }
}

impl Sub for Switches {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            voluntary: self.voluntary - other.voluntary,
            involuntary: self.involuntary - other.involuntary,
        }
    }
}

impl Sum for Switches {
    fn sum<I: Iterator<Item = Self>>(switches: I) -> Self {
        switches.fold(Self::default(), Add::add)
    }
}

/// Runs `work`, and every thread that it starts, on the one processor on which it starts.
///
/// # Errors
/// Returns an error if the system forbids it, and the errors of `work`.
///
/// # Panics
/// Panics if `work` panics.
pub fn on_one<T: Send, E: Send + From<io::Error>>(
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    // A thread of its own, so that nobody else is confined.
    thread::scope(|scope| {
        let confined = thread::Builder::new().spawn_scoped(scope, || {
            confine()?;
            work()
        })?;
        confined
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn confine() -> io::Result<()> {
    // SAFETY: all zeros are an empty set; the number is that of a processor, which
    // `CPU_SET` checks against the set's size; the set lives until the call returns.
    let confined = unsafe {
        let mut here: libc::cpu_set_t = mem::zeroed();
        let processor = usize::try_from(libc::sched_getcpu()).unwrap_or(0);
        libc::CPU_SET(processor, &mut here);
        libc::sched_setaffinity(0, size_of_val(&here), &raw const here) == 0
    };
    if confined {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
