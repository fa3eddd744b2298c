//! What can go wrong, and what to do about it.

use std::path::PathBuf;

/// Why an image could not be read or a function not be found.
///
/// Every variant names the file; those about damage name the offset in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or read.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The path is a directory, FIFO, socket or device.
    #[error("{}: not a regular file ({kind}); name an executable, a library, an object or an archive", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// The file is not in a format this crate reads.
    #[error("{}: not an object file: {detail}", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
        /// What was found at its beginning.
        detail: String,
    },
    /// A known format, of a kind or for a machine that is not supported.
    #[error("{}: not supported: {detail}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is not supported, and what is.
        detail: String,
    },
    /// The file contradicts itself or its own length.
    #[error("{}: damaged at offset {offset:#x}: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from the beginning of the file.
        offset: u64,
        /// What is wrong there.
        detail: String,
    },
    /// The image has no names for its own functions.
    #[error("{}: no symbols: the file is stripped, so {wanted} cannot be found by name; keep the symbol table (in Cargo: `strip = \"none\"`)", path.display())]
    Stripped {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        wanted: String,
    },
    /// No function bears that name.
    #[error("{}: no function {wanted}{}", path.display(), near_names(near))]
    NoSuchFunction {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        wanted: String,
        /// The nearest names that exist, best first.
        near: Vec<String>,
    },
    /// Several functions fit the name.
    #[error("{}: {} functions fit {wanted}; name one:{}", path.display(), fits.len(), listed(fits))]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// The name that was asked for.
        wanted: String,
        /// Each function that fits: its demangled name, mangled name and address.
        fits: Vec<String>,
    },
}

fn near_names(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!("; near names:{}", listed(near))
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("\n  {name}")).collect()
}
