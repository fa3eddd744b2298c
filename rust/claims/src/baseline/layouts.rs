//! The layouts on file: where the compiler put what a future keeps, as `tests/layouts.rs` recorded it.

use std::io;

use super::snapshot::Snapshot;
use crate::report::{Layout, Part};

/// A layout, and the compiler that it is for.
#[derive(Clone, Debug)]
pub struct OnFile {
    /// `rustc 1.95.0 (59807616e 2026-04-14), LLVM 22.1.2`
    pub compiler: String,
    pub date: String,
    pub layout: Layout,
}

/// The folder, from the root of the repository.
pub const FOLDER: &str = "asm-snapshots/layouts/x86_64-unknown-linux-gnu";

impl OnFile {
    /// The layout of a future, by its name in the catalogue.
    ///
    /// # Errors
    /// When there is none, or none that can be read.
    pub fn of(name: &str) -> io::Result<Self> {
        let file = super::root().join(FOLDER).join(format!("{name}.snap"));
        Self::read(name, &Snapshot::read(&file)?).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is no layout", file.display()),
            )
        })
    }

    fn read(name: &str, snapshot: &Snapshot) -> Option<Self> {
        let table = snapshot.body().lines();
        let table = table
            .skip_while(|line| !line.starts_with("offset  bytes  part"))
            .skip(1);
        Some(Self {
            compiler: snapshot.compiler()?.to_owned(),
            date: snapshot.recorded()?.to_owned(),
            layout: Layout {
                name: name.to_owned(),
                bytes: snapshot.fact("bytes")?.parse().ok()?,
                parts: table.map(part).collect::<Option<_>>()?,
            },
        })
    }

    /// Whether an image was made by that compiler, for the target of the file.
    pub fn is_of(&self, made_by: &[String]) -> bool {
        // The image says `rustc version 1.95.0 (…)`.
        let version = self.compiler.split(", LLVM").next().unwrap_or_default();
        let version = version.replacen("rustc ", "rustc version ", 1);
        let here = cfg!(all(
            target_arch = "x86_64",
            target_os = "linux",
            target_env = "gnu"
        ));
        here && made_by
            .iter()
            .any(|producer| producer.starts_with(&version))
    }
}

/// `  1025   1024  buffer                  across await 1`
fn part(line: &str) -> Option<Part> {
    let line = line.trim_start();
    let (offset, line) = line.split_once(' ')?;
    let (bytes, line) = line.trim_start().split_once("  ")?;
    let (name, alive) = line.split_once("  ").unwrap_or((line, ""));
    let alive = alive.trim();
    Some(Part {
        name: name.to_owned(),
        offset: offset.parse().ok()?,
        bytes: bytes.parse().ok()?,
        alive: (!alive.is_empty()).then(|| alive.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_file_is_read() {
        let held = OnFile::of("held").expect("it is on file");
        assert_eq!(held.layout.bytes, 1026);
        let parts: Vec<_> = held
            .layout
            .parts
            .iter()
            .map(|part| (part.name.as_str(), part.offset, part.bytes))
            .collect();
        assert_eq!(
            parts,
            [
                ("tag", 0, 1),
                ("buffer", 1, 1024),
                ("awaited Pause", 1025, 1)
            ]
        );
        assert_eq!(
            held.layout.parts[1].alive.as_deref(),
            Some("across await 1")
        );
        assert!(OnFile::of("no_such_future").is_err());
        let no_layout = Snapshot::parse("---\nsource: x\n---\n# bytes  3\n").expect("a snapshot");
        assert!(OnFile::read("held", &no_layout).is_none());
    }

    #[test]
    fn another_compiler_is_told_apart() {
        let held = OnFile {
            compiler: "rustc 1.95.0 (59807616e 2026-04-14), LLVM 22.1.2".to_owned(),
            ..OnFile::of("held").expect("it is on file")
        };
        let here = cfg!(all(
            target_arch = "x86_64",
            target_os = "linux",
            target_env = "gnu"
        ));
        assert_eq!(
            held.is_of(&["rustc version 1.95.0 (59807616e 2026-04-14)".to_owned()]),
            here
        );
        assert!(!held.is_of(&["rustc version 1.96.0 (59807616e 2026-06-01)".to_owned()]));
        assert!(!held.is_of(&[]));
    }
}
