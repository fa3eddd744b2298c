//! The folder of a page: where it may be written, and what is left alone.

use std::fs;
use std::path::Path;

use claims::render::html::folder::{CLAIMS, Error, replace, usable, writable};
use claims::report::PROJECT;

fn report(mark: &str) -> Vec<(String, String)> {
    vec![
        ("data.json".into(), format!("{{\"generator\":\"{mark}\"}}")),
        ("index.html".into(), "<!doctype html>".into()),
        (format!("{CLAIMS}/some.json"), "{}".into()),
    ]
}

fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        if name == CLAIMS {
            let below = names(&entry.path());
            found.extend(below.into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
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
    replace(&folder, &report("zero-cost-ffi report")).expect("one of ours");
    replace(&folder, &report(PROJECT)).expect("one of an earlier version");
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
