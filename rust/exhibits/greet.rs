//! Safe wrappers of the C library, for programs to call.
//!
//! The wrappers do once what C leaves to its callers: strings have a NUL, buffers
//! a length, and memory an owner; errors are [`Result`]s, there are no null
//! pointers, and a panic never crosses C.
//!
//! The thinnest wrappers are `#[inline]`: they add nothing to the call, and leave no
//! function in the image that has the same body as an exhibit.

use std::any::Any;
use std::ffi::{CStr, CString, NulError, c_char, c_int, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use crate::ffi;

/// Writes `text` and a line feed to C's stdout, whose buffer is not shared with
/// Rust's stdout.
///
/// # Errors
/// Returns [`Error::Write`] if C could not write.
///
/// ```
/// zero_cost_ffi::greet::say(c"Hello")?;
/// # Ok::<(), zero_cost_ffi::greet::Error>(())
/// ```
pub fn say(text: &CStr) -> Result<(), Error> {
    // SAFETY: a `CStr` ends in a NUL; C only reads it, during the call.
    let result = unsafe { ffi::greet_say(text.as_ptr()) };
    if result < 0 {
        Err(Error::Write)
    } else {
        Ok(())
    }
}

/// Writes `text` after copying it into a C string, with a NUL.
///
/// # Errors
/// Returns [`Error::InteriorNul`] if `text` contains a NUL, where C would stop
/// reading, and [`Error::Write`] if C could not write.
///
/// ```
/// use zero_cost_ffi::greet::{self, Error};
///
/// greet::say_str("Hello")?;
/// assert!(matches!(greet::say_str("Hel\0lo"), Err(Error::InteriorNul(_))));
/// # Ok::<(), Error>(())
/// ```
pub fn say_str(text: &str) -> Result<(), Error> {
    say(&CString::new(text)?)
}

/// Returns `value + 1`, wrapping around on overflow.
///
/// ```
/// assert_eq!(zero_cost_ffi::greet::add_one(41), 42);
/// ```
#[inline]
#[must_use]
pub fn add_one(value: i64) -> i64 {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_add_one(value) }
}

/// Returns the sum of `items`, wrapping around on overflow.
///
/// ```
/// assert_eq!(zero_cost_ffi::greet::sum(&[20, 20, 2]), 42);
/// ```
#[inline]
#[must_use]
pub fn sum(items: &[i64]) -> i64 {
    // SAFETY: the pointer is valid for `len` items, which C only reads, during the
    // call.
    unsafe { ffi::greet_sum(items.as_ptr(), items.len()) }
}

/// A point. This is C's own type, since nothing about it is unsafe.
pub use ffi::greet_point as Point;

/// Returns the point halfway between `a` and `b`.
///
/// ```
/// use zero_cost_ffi::greet::{self, Point};
///
/// let middle = greet::midpoint(Point { x: 0.0, y: 0.0 }, Point { x: 2.0, y: 4.0 });
/// assert_eq!((middle.x, middle.y), (1.0, 2.0));
/// ```
#[inline]
#[must_use]
pub fn midpoint(a: Point, b: Point) -> Point {
    // SAFETY: it has no precondition.
    unsafe { ffi::greet_midpoint(a, b) }
}

/// Has C call `visitor` with each item, in order, on this thread.
///
/// # Errors
/// This wrapper causes none itself; it returns what C reports.
///
/// # Panics
/// If `visitor` panics, the panic continues here, after C has returned normally. No
/// further item is visited.
///
/// ```
/// use zero_cost_ffi::greet;
///
/// let mut total = 0;
/// greet::for_each(&[20, 20, 2], |item| total += item)?;
/// assert_eq!(total, 42);
/// # Ok::<(), greet::Error>(())
/// ```
pub fn for_each<F: FnMut(i64)>(items: &[i64], visitor: F) -> Result<(), Error> {
    let mut visit = Visit {
        visitor,
        panic: None,
    };
    // SAFETY: the pointer is valid for `len` items; `visit_item::<F>` expects a
    // `Visit<F>`, which outlives the call, after which C never calls back.
    let status = unsafe {
        ffi::greet_for_each(
            items.as_ptr(),
            items.len(),
            Some(visit_item::<F>),
            (&raw mut visit).cast(),
        )
    };
    match visit.panic {
        Some(panic) => resume_unwind(panic),
        None => Error::check(status),
    }
}

/// What C passes back to the callback as `user_data`.
struct Visit<F> {
    visitor: F,
    panic: Option<Box<dyn Any + Send>>,
}

/// # Safety
/// `user_data` points to a `Visit<F>` that nothing else uses during the call.
unsafe extern "C" fn visit_item<F: FnMut(i64)>(item: i64, user_data: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    let visit = unsafe { &mut *user_data.cast::<Visit<F>>() };
    // Unwinding out of an `extern "C"` function aborts the process. Whoever catches
    // the panic in the end sees what `visitor` left behind, as with any closure.
    match catch_unwind(AssertUnwindSafe(|| (visit.visitor)(item))) {
        Ok(()) => 0,
        Err(panic) => {
            visit.panic = Some(panic);
            1 // stop
        }
    }
}

/// A greeter with a name. C allocated its memory, and frees it when this value is
/// dropped.
///
/// ```
/// use zero_cost_ffi::greet::Greeter;
///
/// let greeter = Greeter::new(c"Ferris")?;
/// let mut buffer = [0; 64];
/// assert_eq!(greeter.greeting(&mut buffer)?, c"Hello, Ferris!");
/// # Ok::<(), zero_cost_ffi::greet::Error>(())
/// ```
#[derive(Debug)]
pub struct Greeter(NonNull<ffi::greeter>);

// SAFETY: c/greet.h ties a greeter to no thread …
unsafe impl Send for Greeter {}
// SAFETY: … and lets several borrow it at once.
unsafe impl Sync for Greeter {}

impl Greeter {
    /// Creates a greeter with a copy of `name`.
    ///
    /// # Errors
    /// Returns [`Error::NullFromC`] if C returned null, because `name` is empty or
    /// memory is exhausted.
    ///
    /// ```
    /// use zero_cost_ffi::greet::{Error, Greeter};
    ///
    /// assert!(matches!(Greeter::new(c""), Err(Error::NullFromC("greeter_new"))));
    /// ```
    pub fn new(name: &CStr) -> Result<Self, Error> {
        // SAFETY: a `CStr` ends in a NUL; C copies it.
        let greeter = unsafe { ffi::greeter_new(name.as_ptr()) };
        NonNull::new(greeter)
            .map(Self)
            .ok_or(Error::NullFromC("greeter_new"))
    }

    /// Writes the greeting, with its NUL, into `buffer`, and returns it.
    ///
    /// # Errors
    /// Returns [`Error::TooSmall`] if the greeting does not fit; the buffer is unchanged.
    ///
    /// ```
    /// use zero_cost_ffi::greet::{Error, Greeter};
    ///
    /// let greeter = Greeter::new(c"Ferris")?;
    /// assert!(matches!(greeter.greeting(&mut [0; 14]), Err(Error::TooSmall)));
    /// assert!(greeter.greeting(&mut [0; 15]).is_ok());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn greeting<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a CStr, Error> {
        let start = buffer.as_mut_ptr().cast::<c_char>();
        // SAFETY: the greeter is alive until `drop`; the buffer is ours to write,
        // for all of its length.
        Error::check(unsafe { ffi::greeter_greeting(self.0.as_ptr(), start, buffer.len()) })?;
        // SAFETY: done, so there is a NUL in the buffer, which stays borrowed for as
        // long as the result lives.
        Ok(unsafe { CStr::from_ptr(start) })
    }
}

impl Drop for Greeter {
    fn drop(&mut self) {
        // SAFETY: it came from `greeter_new`, is owned by `self`, and released once.
        unsafe { ffi::greeter_free(self.0.as_ptr()) }
    }
}

/// An error on either side.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The text contains a NUL, where C would stop reading.
    InteriorNul(NulError),
    /// C refused a null pointer (`GREET_NULL`).
    NullToC,
    /// The C function of this name returned a null pointer.
    NullFromC(&'static str),
    /// The buffer cannot hold the result (`GREET_TOO_SMALL`).
    TooSmall,
    /// The visitor asked to stop (`GREET_STOPPED`).
    Stopped,
    /// C could not write to its stdout.
    Write,
    /// C returned a status that its header does not define.
    Unknown(ffi::greet_status),
}

impl Error {
    /// Converts the status that a function of [`ffi`] returned into a `Result`.
    ///
    /// # Errors
    /// Returns an error unless `status` is `GREET_OK`.
    ///
    /// ```
    /// use zero_cost_ffi::{ffi, greet::Error};
    ///
    /// assert!(Error::check(ffi::GREET_OK).is_ok());
    /// assert!(matches!(Error::check(ffi::GREET_NULL), Err(Error::NullToC)));
    /// ```
    pub fn check(status: ffi::greet_status) -> Result<(), Self> {
        match status {
            ffi::GREET_OK => Ok(()),
            ffi::GREET_NULL => Err(Self::NullToC),
            ffi::GREET_TOO_SMALL => Err(Self::TooSmall),
            ffi::GREET_STOPPED => Err(Self::Stopped),
            unknown => Err(Self::Unknown(unknown)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The source says where.
            Self::InteriorNul(_) => f.write_str("the text has a NUL before its end"),
            Self::NullToC => f.write_str("a null pointer was passed to C, which refused it"),
            Self::NullFromC(function) => write!(f, "`{function}` returned a null pointer"),
            Self::TooSmall => f.write_str("the buffer is too small for the result"),
            Self::Stopped => f.write_str("the visitor asked to stop"),
            Self::Write => f.write_str("C could not write to stdout"),
            Self::Unknown(status) => write!(f, "C returned a status it does not have: {status}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InteriorNul(source) => Some(source),
            _ => None,
        }
    }
}

impl From<NulError> for Error {
    fn from(source: NulError) -> Self {
        Self::InteriorNul(source)
    }
}
