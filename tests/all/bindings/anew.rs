//! The third check: bindgen makes the same again.

use std::process::Command;
use std::{env, fs};

use zero_cost_ffi::ffi::fingerprint::{self, Bound, GREET};
use zero_cost_ffi::ffi::generate;

use super::{at, committed, on_file, plant, read};

/// Writes the bindings anew.
pub fn accept(bound: Bound) {
    let header = at(bound.header);
    let fresh = generate::bindings(bound, header.to_str().expect("a path in UTF-8"))
        .unwrap_or_else(|why| panic!("{why}"));
    fs::write(at(bound.bindings), fresh).unwrap();
}

#[test]
fn bindgen_makes_the_same_again() {
    for (bound, bindings) in on_file() {
        let Some(fresh) = made_from(*bound, &read(bound.header)) else {
            return;
        };
        same(*bound, bindings, &fresh).unwrap();

        // Nothing of this machine, nothing of today.
        assert!(!fresh.contains(env!("CARGO_MANIFEST_DIR")));
    }
}

#[test]
fn bindgen_makes_something_else_of_another_header() {
    for (old, new) in [
        ("int64_t greet_add_one", "int32_t greet_add_one"),
        ("int greet_say", "int greet_shout(void);\nint greet_say"), // one that Rust has not
        ("GREET_STOPPED = -3", "GREET_STOPPED = -3, GREET_TIRED = -4"),
    ] {
        let Some(fresh) = made_from(GREET, &plant(&read("c/greet.h"), old, new)) else {
            return;
        };
        let why = same(GREET, committed(), &fresh).expect_err(&format!("`{new}` goes unnoticed"));
        assert!(why.contains(fingerprint::ACCEPT), "{why}");
    }
}

/// What bindgen makes of that header, or `None`, said aloud, where it cannot.
fn made_from(bound: Bound, header: &str) -> Option<String> {
    if let Err(why) = clang_sys::load() {
        testkit::missing("libclang", &why);
        return None;
    }
    // bindgen formats with it, and without it writes everything in one line.
    let rustfmt = env::var("RUSTFMT").unwrap_or_else(|_| "rustfmt".to_owned());
    let version = Command::new(&rustfmt).arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        testkit::missing("rustfmt", "the bindings on file are formatted");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("greet.h");
    fs::write(&file, header).unwrap();
    let made = generate::bindings(bound, file.to_str().expect("a path in UTF-8"));
    Some(made.unwrap_or_else(|why| panic!("{why}")))
}

/// The first line in which they differ, and how to accept it.
fn same(bound: Bound, committed: &str, fresh: &str) -> Result<(), String> {
    if committed == fresh {
        return Ok(());
    }
    // The fingerprint differs whenever the header does, and explains nothing.
    let lines = |text: &str| -> Vec<String> {
        let text = text
            .lines()
            .filter(|line| !line.starts_with("// Fingerprint"));
        text.map(str::to_owned).collect()
    };
    let (old, new) = (lines(committed), lines(fresh));
    let at = (0..old.len().max(new.len())).find(|&i| old.get(i) != new.get(i));
    let line = |text: &[String]| at.and_then(|i| text.get(i)).cloned().unwrap_or_default();
    Err(format!(
        "{} is not what bindgen makes of {}:\n- {}\n+ {}\nAccept with: {}",
        bound.bindings,
        bound.header,
        line(&old),
        line(&new),
        fingerprint::ACCEPT
    ))
}
