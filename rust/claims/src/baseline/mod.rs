//! The evidence on file, below `asm-snapshots/`.
//!
//! Each file of facts is JSON with one head: the number of its shape, the day, the target, and what it was made by. A
//! file that cannot be used is named, with the command that records it again.

pub mod evidence;
pub mod layouts;
pub mod snapshot;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The target that evidence is recorded for.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The root of the repository, on the machine that this was built on.
#[must_use]
pub fn root() -> PathBuf {
    // The package lies two folders below it.
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_owned()
}

/// Facts on file, and what they were found by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record<T> {
    /// The number of the facts' shape.
    pub schema: u32,
    /// The day they were recorded, in UTC.
    pub recorded: String,
    /// [`TARGET`].
    pub target: String,
    /// Compilers, linkers, toolchains: all that the facts depend on.
    pub made_by: Vec<String>,
    /// The facts.
    pub facts: T,
}

/// A kind of file: where it is, which shape it has, and how to record it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// From the root of the repository.
    pub path: &'static str,
    /// The number of the shape that this version reads and writes.
    pub schema: u32,
    /// The command that records it again.
    pub command: &'static str,
}

/// Why a file of evidence cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not there, or cannot be read.
    #[error("{}: {source}; to record it: `{command}`", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The command that records it again.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// It is not such a file, or no longer whole.
    #[error("{} is damaged: {source}; to record it anew: `{command}`", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The command that records it again.
        command: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Another version wrote it.
    #[error(
        "{} has schema {found}, and this version reads {known}: {}; to record it anew: `{command}`",
        .file.display(),
        if found > known { "it was written by a newer version" } else { "it was written by an older version" }
    )]
    Schema {
        /// The file.
        file: PathBuf,
        /// The command that records it again.
        command: String,
        /// Its schema.
        found: u32,
        /// This version's.
        known: u32,
    },
    /// It cannot be written.
    #[error("{} cannot be written: {source}", .file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl<T: Serialize + DeserializeOwned> Record<T> {
    /// Facts found today.
    #[must_use]
    pub fn new(file: &File, made_by: Vec<String>, facts: T) -> Self {
        Self {
            schema: file.schema,
            recorded: crate::today(),
            target: TARGET.to_owned(),
            made_by,
            facts,
        }
    }

    /// What it rests on: file, date, and what it was made by.
    #[must_use]
    pub fn provenance(&self, file: &File) -> BTreeMap<String, String> {
        [
            ("made by", self.made_by.join("; ")),
            ("file", file.path.to_owned()),
            ("date", self.recorded.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// What is on file.
    ///
    /// # Errors
    /// When it is missing, damaged, or of another version.
    pub fn read(file: &File) -> Result<Self, Error> {
        Self::read_from(&root().join(file.path), file.schema, file.command)
    }

    /// Reads a file of that schema, which that command records.
    ///
    /// # Errors
    /// As [`Record::read`].
    pub fn read_from(file: &Path, known: u32, command: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let (path, command) = (|| file.to_owned(), || command.to_owned());
        let text = fs::read_to_string(file).map_err(|source| Error::Read {
            file: path(),
            command: command(),
            source,
        })?;
        let damaged = |source| Error::Damaged {
            file: path(),
            command: command(),
            source,
        };
        // The head first: of another version, the rest may have another shape.
        let Head { schema } = serde_json::from_str(&text).map_err(damaged)?;
        if schema != known {
            return Err(Error::Schema {
                file: path(),
                command: command(),
                found: schema,
                known,
            });
        }
        serde_json::from_str(&text).map_err(damaged)
    }

    /// Puts it on file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &File) -> Result<(), Error> {
        self.write_to(&root().join(file.path))
    }

    /// Puts it in a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, file: &Path) -> Result<(), Error> {
        let write = || {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(file, self.to_text()?)
        };
        write().map_err(|source| Error::Write {
            file: file.to_owned(),
            source,
        })
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When the facts cannot be written as JSON.
    pub fn to_text(&self) -> io::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}
