//! The folder a report is written to: whether it may be, and how it is put there all at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::report::PROJECT;

/// The folder, in the report's, of the claims' own JSON.
pub const CLAIMS: &str = "claims";

/// Why no report was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is a file: name a folder with --out", .0.display())]
    File(PathBuf),
    #[error("{} is not empty and holds {found}, which is no report's: empty it, or name another folder with --out",
        .folder.display())]
    Foreign { folder: PathBuf, found: String },
    #[error("{} cannot be written: {why}; name another folder with --out", .folder.display())]
    Unwritable { folder: PathBuf, why: io::Error },
    #[error("the evidence cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Whether a report may be put there: at a new path, in an empty folder, in the place of an earlier report.
///
/// # Errors
/// [`Error::File`], [`Error::Foreign`], or [`Error::Unwritable`] when it cannot be looked into.
pub fn usable(folder: &Path) -> Result<(), Error> {
    let unwritable = |why| Error::Unwritable {
        folder: folder.to_owned(),
        why,
    };
    match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unwritable(error)),
        Ok(metadata) if !metadata.is_dir() => return Err(Error::File(folder.to_owned())),
        Ok(_) => {}
    }
    let mut found = Vec::new();
    files(folder, "", &mut found).map_err(unwritable)?;
    if found.is_empty() {
        return Ok(());
    }
    let foreign = |found: String| Error::Foreign {
        folder: folder.to_owned(),
        found,
    };
    if let Some(other) = found.iter().find(|name| !is_ours(name)) {
        return Err(foreign(other.clone()));
    }
    let data = fs::read_to_string(folder.join("data.json")).unwrap_or_default();
    match serde_json::from_str::<Value>(&data) {
        Ok(data) if is_generator(&data["generator"]) => Ok(()),
        _ => Err(foreign(found.swap_remove(0))),
    }
}

/// Whether that is the mark of a report of ours, in its `data.json`: this version's or an earlier one's.
fn is_generator(mark: &Value) -> bool {
    mark == PROJECT || mark == "zero-cost-ffi report"
}

/// Whether a report can be put there, before there is one: as [`usable`], and something can be written beside it.
///
/// # Errors
/// As [`replace`].
pub fn writable(folder: &Path) -> Result<(), Error> {
    usable(folder)?;
    stage(folder).map(drop).map_err(|why| Error::Unwritable {
        folder: folder.to_owned(),
        why,
    })
}

/// The files of a folder, by their paths within it.
fn files(folder: &Path, below: &str, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() && name == CLAIMS {
            files(&entry.path(), &format!("{name}/"), found)?;
        } else {
            found.push(name);
        }
    }
    found.sort();
    Ok(())
}

fn is_ours(name: &str) -> bool {
    let claim = name
        .strip_prefix(CLAIMS)
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| rest.ends_with(".json"));
    claim || matches!(name, "index.html" | "data.json")
}

/// Puts these files there, and nothing else: they are written beside the folder, which then takes its place.
///
/// # Errors
/// As [`usable`], and [`Error::Unwritable`]. What was there then still is.
pub fn replace(folder: &Path, files: &[(String, String)]) -> Result<(), Error> {
    usable(folder)?;
    put(folder, files).map_err(|why| Error::Unwritable {
        folder: folder.to_owned(),
        why,
    })
}

/// The folder itself, and one beside it, where what is to take its place is written; that one goes when it is dropped.
fn stage(folder: &Path) -> io::Result<(PathBuf, TempDir)> {
    // A link stays one: what it leads to is replaced.
    let folder = fs::canonicalize(folder).or_else(|_| std::path::absolute(folder))?;
    let beside = folder
        .parent()
        .ok_or_else(|| io::Error::other("it is the root of the file system"))?;
    fs::create_dir_all(beside)?;
    let staged = tempfile::Builder::new()
        .prefix(".report-")
        .tempdir_in(beside)?;
    Ok((folder, staged))
}

fn put(folder: &Path, files: &[(String, String)]) -> io::Result<()> {
    let (folder, staged) = stage(folder)?;
    let new = staged.path().join("new");
    fs::create_dir_all(new.join(CLAIMS))?;
    for (name, text) in files {
        fs::write(new.join(name), text)?;
    }
    let old = staged.path().join("old");
    let replaced = match fs::rename(&folder, &old) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    fs::rename(&new, &folder).inspect_err(|_| {
        if replaced {
            // There is no more to be done where this fails, too.
            let _ = fs::rename(&old, &folder);
        }
    })
}
