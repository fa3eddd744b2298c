//! The one line in a test: a function reaches a symbol by bare calls only.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::bare::NotBare;
use crate::call::Function;
use crate::error::Error;
use crate::image::Image;
use crate::names;

/// Asserts that a function calls a symbol, and that each of these calls is bare.
///
/// The function is named as in Rust. Its machine code is found by its address in the running program, so it
/// does not matter how its name is mangled or whether it was merged with an identical one; methods and generic
/// functions with their arguments (`wrap::<u8>`) will do. What is read is the function's own machine code, in
/// the profile that the test is built in: where it was inlined into a caller, that caller makes the call, and
/// has to be asserted itself.
///
/// ```
/// mod my_crate {
///     unsafe extern "C" {
///         fn puts(text: *const std::ffi::c_char) -> std::ffi::c_int;
///     }
///
///     pub fn wrapper(text: &std::ffi::CStr) -> i32 {
///         // SAFETY: a `CStr` ends in a NUL.
///         unsafe { puts(text.as_ptr()) }
///     }
/// }
///
/// barecall::assert_bare!(my_crate::wrapper => "puts");
/// ```
///
/// # Panics
/// If it does not hold, and the message is the evidence: the listing, with each offending call marked. It does
/// not hold either if the function makes no call to the symbol, or one whose target could not be decided.
#[macro_export]
macro_rules! assert_bare {
    ($function:expr => $symbol:expr $(,)?) => {
        $crate::assert_bare_at(
            $function as *const (),
            ::std::any::type_name_of_val(&$function),
            $symbol,
        )
    };
}

/// Asserts the same of a function of the running program that is named by text: its path, or the end of it
/// (`wrapper`), or its symbol. For functions that the test cannot name in Rust, such as private ones, closures
/// (`wrapper::{{closure}}`) and C functions linked in.
///
/// ```
/// unsafe extern "C" {
///     fn abs(n: std::ffi::c_int) -> std::ffi::c_int;
/// }
///
/// #[inline(never)]
/// fn magnitude(n: i32) -> i32 {
///     // SAFETY: `abs` takes any number.
///     unsafe { abs(n) }
/// }
///
/// assert_eq!(magnitude(-1), 1);
/// barecall::assert_bare("magnitude", "abs");
/// ```
///
/// # Panics
/// As [`assert_bare!`](macro@crate::assert_bare), and if the function is not found: it may have been inlined
/// everywhere, or never used.
#[track_caller]
pub fn assert_bare(function: &str, symbol: &str) {
    let checked = running(None).map_err(Failure::from).and_then(|image| {
        image.function(function)?.bare_calls(&[symbol])?;
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("{}", failure.told(function, symbol));
    }
}

/// Asserts the same of the function at an address of this process; `name` is what messages call it.
/// [`assert_bare!`](macro@crate::assert_bare) expands to this.
///
/// # Panics
/// As [`assert_bare!`](macro@crate::assert_bare).
#[track_caller]
pub fn assert_bare_at(function: *const (), name: &str, symbol: &str) {
    let checked = at(function, name).and_then(|function| {
        function.bare_calls(&[symbol])?;
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("{}", failure.told(name, symbol));
    }
}

/// Why an assertion failed.
enum Failure {
    Error(Error),
    Evidence(Box<NotBare>),
    Elsewhere(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<NotBare> for Failure {
    fn from(evidence: NotBare) -> Self {
        Self::Evidence(Box::new(evidence))
    }
}

impl Failure {
    fn told(&self, function: &str, symbol: &str) -> String {
        match self {
            Self::Evidence(evidence) if names::fit(function, &evidence.function).is_some() => {
                evidence.to_string()
            }
            // Merged with an identical function, or generic: two names for one code.
            Self::Evidence(evidence) => {
                format!(
                    "{function} is {} in the image.\n{evidence}",
                    evidence.function
                )
            }
            Self::Error(error) => {
                let source = std::error::Error::source(error)
                    .map(|source| format!(": {source}"))
                    .unwrap_or_default();
                let hint = match error {
                    Error::NoSuchFunction { .. } => {
                        "\nA function that is inlined everywhere or never used has no machine code of its own: \
                         write barecall::assert_bare!(path::of::it => …), which keeps it, or #[inline(never)]."
                    }
                    _ => "",
                };
                format!(
                    "whether {function} reaches {symbol} by bare calls was not checked: {error}{source}{hint}"
                )
            }
            Self::Elsewhere(reason) => {
                format!(
                    "whether {function} reaches {symbol} by bare calls was not checked: {reason}"
                )
            }
        }
    }
}

/// The image of the running program, or another that it has loaded; read once.
fn running(path: Option<&Path>) -> Result<&'static Image, Error> {
    static READ: Mutex<Vec<(Option<PathBuf>, &'static Image)>> = Mutex::new(Vec::new());
    let mut read = READ
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, image)) = read.iter().find(|(known, _)| known.as_deref() == path) {
        return Ok(image);
    }
    let image = match path {
        Some(path) => Image::open(path)?,
        None => Image::current()?,
    };
    // For the process's life, as its code is.
    let image: &Image = Box::leak(Box::new(image));
    read.push((path.map(Path::to_owned), image));
    Ok(image)
}

/// The function at an address of this process.
#[cfg(target_os = "linux")]
fn at(function: *const (), name: &str) -> Result<Function<'static>, Failure> {
    let _ = name;
    let address = function.addr() as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(|source| Error::Io {
        path: "/proc/self/maps".into(),
        source,
    })?;
    let (path, offset) = maps
        .lines()
        .find_map(|line| mapping(line, address))
        .ok_or_else(|| {
            Failure::Elsewhere(format!("no file is mapped at its address, {address:#x}"))
        })?;
    if path.ends_with(" (deleted)") {
        return Err(Failure::Elsewhere(format!(
            "{path}: the file was removed or replaced while it runs; run the test again"
        )));
    }
    let image = running(Some(Path::new(path)))?;
    image
        .address_of(offset)
        .and_then(|address| {
            image
                .function_at(address)
                .filter(|function| function.address() == address)
        })
        .ok_or_else(|| {
            Failure::Elsewhere(format!("{path}: no function begins at offset {offset:#x}"))
        })
}

/// Elsewhere than on Linux there is no table of mappings to read: by its name.
#[cfg(not(target_os = "linux"))]
fn at(_: *const (), name: &str) -> Result<Function<'static>, Failure> {
    Ok(running(None)?.function(name)?)
}

/// The file, and the offset in it, that a line of `/proc/self/maps` has at an address.
#[cfg(target_os = "linux")]
fn mapping(line: &str, address: u64) -> Option<(&str, u64)> {
    // start-end permissions offset device inode path
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end, offset) = (hex(start)?, hex(end)?, hex(fields.nth(1)?)?);
    let path = fields.nth(2)?.trim_start();
    (path.starts_with('/') && (start..end).contains(&address))
        .then(|| (path, address - start + offset))
}

#[cfg(target_os = "linux")]
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

impl Image {
    /// The address at which an offset of the file is loaded.
    #[cfg(target_os = "linux")]
    fn address_of(&self, offset: u64) -> Option<u64> {
        self.sections.iter().find_map(|section| {
            let into = offset.checked_sub(section.offset? as u64)?;
            (into < section.end - section.start).then(|| section.start + into)
        })
    }
}
