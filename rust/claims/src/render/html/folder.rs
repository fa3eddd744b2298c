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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(mark: &str) -> Vec<(String, String)> {
        vec![
            ("data.json".into(), format!("{{\"generator\":\"{mark}\"}}")),
            ("index.html".into(), "<!doctype html>".into()),
            (format!("{CLAIMS}/some.json"), "{}".into()),
        ]
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        files(folder, "", &mut found).expect("a folder");
        found
    }

    #[test]
    fn a_new_an_empty_and_an_earlier_one_are_taken() {
        let beside = tempfile::tempdir().expect("a folder");
        let folder = beside.path().join("deep/report");
        replace(&folder, &report(PROJECT)).expect("a new one");
        fs::write(folder.join("claims/old.json"), "{}").expect("written");
        replace(&folder, &report(PROJECT)).expect("an earlier one");
        assert_eq!(
            names(&folder),
            ["claims/some.json", "data.json", "index.html"]
        );
        assert_eq!(
            names(&beside.path().join("deep")),
            ["report"],
            "nothing is left beside it"
        );
        let empty = tempfile::tempdir().expect("a folder");
        replace(empty.path(), &report(PROJECT)).expect("an empty one");
        assert!(empty.path().join("index.html").is_file());
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for plant in ["notes.txt", "claims/notes.txt"] {
            let folder = tempfile::tempdir().expect("a folder");
            let at = folder.path();
            replace(at, &report(PROJECT)).expect("written");
            fs::write(at.join(plant), "mine").expect("written");
            let error = replace(at, &report(PROJECT))
                .expect_err("refused")
                .to_string();
            assert!(error.contains(plant) && error.contains("--out"), "{error}");
            assert_eq!(
                fs::read_to_string(at.join(plant)).expect("still there"),
                "mine"
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        replace(folder.path(), &report("something else")).expect("empty");
        assert!(matches!(usable(folder.path()), Err(Error::Foreign { .. })));
    }

    #[test]
    fn a_file_and_what_cannot_be_written_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "mine").expect("written");
        assert!(matches!(
            replace(&file, &report(PROJECT)),
            Err(Error::File(_))
        ));
        let below = replace(&file.join("report"), &report(PROJECT));
        assert!(matches!(below, Err(Error::Unwritable { .. })));
        // Nobody can make a folder there, root neither.
        #[cfg(target_os = "linux")]
        assert!(matches!(
            replace(Path::new("/proc/report"), &report(PROJECT)),
            Err(Error::Unwritable { .. })
        ));
        // Which is known before there is a report.
        #[cfg(target_os = "linux")]
        assert!(matches!(
            writable(Path::new("/proc/report")),
            Err(Error::Unwritable { .. })
        ));
        assert!(matches!(writable(&file), Err(Error::File(_))));
        let new = folder.path().join("new");
        writable(&new).expect("a new one");
        assert_eq!(names(folder.path()), ["file"], "nothing is left of that");
    }
}
