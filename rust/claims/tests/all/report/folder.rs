//! What is written, and where it may be.

use std::fs;
use std::path::Path;

use super::{REPORT, run};

#[test]
fn the_page_is_one_small_file() {
    let (page, data) = (&REPORT.page, &REPORT.data);
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    assert_eq!(data["generator"], "zero-cost-ffi");
    for outside in ["href=\"http", "src=\"", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn where_it_cannot_be_written_it_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("mine.txt"), "mine").expect("written");
    let file = folder.path().join("mine.txt");
    for (out, expected) in [
        (folder.path(), "is not empty and holds mine.txt"),
        (file.as_path(), "is a file"),
        (Path::new("/proc/report"), "cannot be written"),
    ] {
        let output = run(&["report", "--out", out.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.contains(expected) && stderr.contains("--out"),
            "{stderr}"
        );
        assert_eq!(output.stdout, b"");
    }
    assert_eq!(fs::read_to_string(file).expect("still there"), "mine");
}
