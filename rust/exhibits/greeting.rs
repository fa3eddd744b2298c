//! Safe wrappers of the greeting that takes time: the synchronous part. The functions
//! for tasks are in [`task`](crate::task), one file for each way of waiting.
//!
//! ```
//! use std::time::Duration;
//! use zero_cost_ffi::greeting;
//!
//! assert_eq!(greeting::now(c"Ferris")?, c"Hi, Ferris! Bye, Ferris!");
//! // Blocks this thread: not in a task.
//! assert_eq!(greeting::wait(c"Ferris", Duration::from_millis(1))?, c"Hi, Ferris! Bye, Ferris!");
//! # Ok::<(), greeting::Error>(())
//! ```

use std::ffi::{CStr, CString, NulError, c_char};
use std::time::Duration;
use std::{fmt, io};

use crate::ffi;

/// The counts of this process so far. This is C's own type.
pub use ffi::greeting_counts as Counts;

/// Returns the size of the greeting of `name` in bytes, including its NUL.
///
/// ```
/// assert_eq!(zero_cost_ffi::greeting::size(c"Ferris"), 25);
/// ```
#[inline]
#[must_use]
pub fn size(name: &CStr) -> usize {
    // SAFETY: a `CStr` ends in a NUL; C only reads it, during the call.
    unsafe { ffi::greeting_size(name.as_ptr()) }
}

/// Returns the greeting, without waiting.
///
/// # Errors
/// This wrapper causes none itself; it returns what C reports.
///
/// ```
/// assert_eq!(zero_cost_ffi::greeting::now(c"you")?, c"Hi, you! Bye, you!");
/// # Ok::<(), zero_cost_ffi::greeting::Error>(())
/// ```
pub fn now(name: &CStr) -> Result<CString, Error> {
    let mut buffer = vec![0; size(name)];
    now_into(name, &mut buffer)?;
    Ok(text(&buffer))
}

/// Writes the greeting into `buffer`, without an allocation.
///
/// # Errors
/// Returns [`Error::TooSmall`] if the greeting does not fit; the buffer is unchanged.
///
/// ```
/// use zero_cost_ffi::greeting::{self, Error};
///
/// let mut buffer = [0; 32];
/// assert_eq!(greeting::now_into(c"you", &mut buffer)?, c"Hi, you! Bye, you!");
/// assert!(matches!(greeting::now_into(c"you", &mut buffer[..18]), Err(Error::TooSmall)));
/// # Ok::<(), Error>(())
/// ```
pub fn now_into<'a>(name: &CStr, buffer: &'a mut [u8]) -> Result<&'a CStr, Error> {
    let start = buffer.as_mut_ptr().cast::<c_char>();
    // SAFETY: a `CStr` ends in a NUL; the buffer is ours to write, for all of its length, during the call.
    Error::check(unsafe { ffi::greeting_now(name.as_ptr(), start, buffer.len()) })?;
    // SAFETY: done, so there is a NUL in the buffer, which stays borrowed for as long as the result lives.
    Ok(unsafe { CStr::from_ptr(start) })
}

/// Returns the greeting after a wait, which blocks the calling thread.
///
/// # Errors
/// This wrapper causes none itself; it returns what C reports.
///
/// ```
/// use std::time::Duration;
///
/// let text = zero_cost_ffi::greeting::wait(c"you", Duration::from_millis(1))?;
/// assert_eq!(text, c"Hi, you! Bye, you!");
/// # Ok::<(), zero_cost_ffi::greeting::Error>(())
/// ```
pub fn wait(name: &CStr, delay: Duration) -> Result<CString, Error> {
    let mut buffer = vec![0_u8; size(name)];
    let (start, size) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: a `CStr` ends in a NUL; the buffer is ours to write, for all of its length, during the call.
    Error::check(unsafe { ffi::greeting_wait(name.as_ptr(), start, size, nanoseconds(delay)) })?;
    Ok(text(&buffer))
}

/// Returns the counts of what the C side has done so far in this process.
///
/// ```
/// let counts = zero_cost_ffi::greeting::counts();
/// assert!(counts.ended <= counts.started);
/// ```
#[must_use]
pub fn counts() -> Counts {
    let mut counts = Counts {
        started: 0,
        ended: 0,
        callbacks: 0,
        cancelled: 0,
        allocations: 0,
        frees: 0,
        opened: 0,
        closed: 0,
    };
    // SAFETY: it is ours to write, during the call.
    unsafe { ffi::greeting_count(&raw mut counts) };
    counts
}

/// Ends C's thread, waits until it has ended, and has C release everything that it keeps between greetings. The next
/// greeting starts the thread again.
///
/// # Errors
/// Returns [`Error::Pending`] while a greeting is under way, and on C's own thread.
///
/// ```standalone_crate
/// use zero_cost_ffi::greeting;
///
/// greeting::shutdown()?;
/// assert_eq!(greeting::counts().allocations, greeting::counts().frees);
/// # Ok::<(), greeting::Error>(())
/// ```
pub fn shutdown() -> Result<(), Error> {
    // SAFETY: it has no precondition.
    Error::check(unsafe { ffi::greeting_shutdown() })
}

/// Converts a delay to C's nanoseconds. A delay that does not fit becomes 584 years.
pub(crate) fn nanoseconds(delay: Duration) -> u64 {
    u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns what C wrote into a buffer, up to the first NUL.
pub(crate) fn text(buffer: &[u8]) -> CString {
    CStr::from_bytes_until_nul(buffer).map_or_else(|_| CString::default(), CStr::to_owned)
}

/// An error on either side.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The name contains a NUL, where C would stop reading.
    InteriorNul(NulError),
    /// C refused a null pointer (`GREETING_NULL`).
    NullToC,
    /// The buffer cannot hold the greeting (`GREETING_TOO_SMALL`).
    TooSmall,
    /// The greeting was cancelled (`GREETING_CANCELLED`).
    Cancelled,
    /// The greeting is still under way (`GREETING_PENDING`).
    Pending,
    /// No greeting has this handle, or no longer has it (`GREETING_UNKNOWN`).
    UnknownHandle,
    /// C is short of memory (`GREETING_NO_MEMORY`).
    NoMemory,
    /// C could not start its thread (`GREETING_NO_THREAD`).
    NoThread,
    /// Rust could not start a thread.
    Thread(io::Error),
    /// No file descriptor is available (`GREETING_NO_DESCRIPTOR`).
    NoDescriptor,
    /// The host belongs to another thread (`GREETING_WRONG_THREAD`).
    WrongThread,
    /// There is no tokio runtime on this thread.
    NoRuntime,
    /// The runtime cannot wait for the file descriptor.
    Reactor(io::Error),
    /// The thread that should answer has ended.
    Gone,
    /// C returned a status that its header does not define.
    UnknownStatus(ffi::greeting_status),
}

impl Error {
    /// Converts the status that a function of [`ffi`] returned into a `Result`.
    ///
    /// # Errors
    /// Returns an error unless `status` is `GREETING_OK`.
    ///
    /// ```
    /// use zero_cost_ffi::{ffi, greeting::Error};
    ///
    /// assert!(Error::check(ffi::GREETING_OK).is_ok());
    /// assert!(matches!(Error::check(ffi::GREETING_CANCELLED), Err(Error::Cancelled)));
    /// ```
    pub fn check(status: ffi::greeting_status) -> Result<(), Self> {
        Err(match status {
            ffi::GREETING_OK => return Ok(()),
            ffi::GREETING_NULL => Self::NullToC,
            ffi::GREETING_TOO_SMALL => Self::TooSmall,
            ffi::GREETING_CANCELLED => Self::Cancelled,
            ffi::GREETING_PENDING => Self::Pending,
            ffi::GREETING_UNKNOWN => Self::UnknownHandle,
            ffi::GREETING_NO_MEMORY => Self::NoMemory,
            ffi::GREETING_NO_THREAD => Self::NoThread,
            ffi::GREETING_NO_DESCRIPTOR => Self::NoDescriptor,
            ffi::GREETING_WRONG_THREAD => Self::WrongThread,
            unknown => Self::UnknownStatus(unknown),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // The source says where, or why.
            Self::InteriorNul(_) => "the name has a NUL before its end",
            Self::Thread(_) => "a thread could not be started",
            Self::Reactor(_) => "the runtime cannot wait for a file descriptor",
            Self::NullToC => "a null pointer was passed to C, which refused it",
            Self::TooSmall => "the buffer is too small for the greeting",
            Self::Cancelled => "the greeting was cancelled",
            Self::Pending => "the greeting is not over",
            Self::UnknownHandle => "no greeting has this handle, or none has it any more",
            Self::NoMemory => "C is short of memory",
            Self::NoThread => "C could not start its thread: see `ulimit -u`",
            Self::NoDescriptor => "no file descriptor could be had: see `ulimit -n`",
            Self::WrongThread => "it belongs to another thread",
            Self::NoRuntime => "there is no tokio runtime on this thread: await it in a task",
            Self::Gone => "whoever was to answer has ended",
            Self::UnknownStatus(status) => {
                return write!(f, "C returned a status it does not have: {status}");
            }
        })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InteriorNul(source) => Some(source),
            Self::Thread(source) | Self::Reactor(source) => Some(source),
            _ => None,
        }
    }
}

impl From<NulError> for Error {
    fn from(source: NulError) -> Self {
        Self::InteriorNul(source)
    }
}
