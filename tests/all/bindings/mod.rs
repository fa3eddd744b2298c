//! The bindings are those of the headers. Three checks, each of which is shown to
//! fail on a drift planted in a copy:
//!
//! 1. the fingerprint of the header, always, by the build itself;
//! 2. the types, as the C compiler sees them, always;
//! 3. making them anew and comparing, with the feature `bindgen` and where there is libclang.

#[cfg(feature = "bindgen")]
mod anew;
mod c_view;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use zero_cost_ffi::ffi::fingerprint::{self, Bound, GREET, GREETING};

/// A path from the root of the repository.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The bindings on file; made anew first where `GREET_BLESS` asks for it.
fn on_file() -> &'static [(Bound, String); 2] {
    static ON_FILE: OnceLock<[(Bound, String); 2]> = OnceLock::new();
    ON_FILE.get_or_init(|| {
        [GREET, GREETING].map(|bound| {
            if env::var_os("GREET_BLESS").is_some() {
                #[cfg(feature = "bindgen")]
                anew::accept(bound);
                #[cfg(not(feature = "bindgen"))]
                panic!("to accept: {}", fingerprint::ACCEPT);
            }
            (bound, read(bound.bindings))
        })
    })
}

/// Those of `c/greet.h`, to plant drifts in.
fn committed() -> &'static str {
    &on_file()[0].1
}

/// `text` with a drift in it, which must be one.
fn plant(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "nothing to plant in: no `{old}`");
    text.replacen(old, new, 1)
}

// 1. The fingerprint.

#[test]
fn the_fingerprint_is_the_headers() {
    for (bound, bindings) in on_file() {
        bound.check(&read(bound.header), bindings).unwrap();
    }
}

#[test]
fn the_fingerprint_notices_any_edit_and_no_line_ending() {
    let header = read("c/greet.h");
    let edited = plant(&header, "int64_t value", "int32_t value");
    let why = GREET.check(&edited, committed()).unwrap_err();
    assert!(why.contains(fingerprint::ACCEPT), "{why}");

    let none = plant(committed(), "Fingerprint", "Thumbprint");
    assert!(GREET.check(&header, &none).is_err());
    // One header's bindings are not another's.
    assert!(GREETING.check(&header, committed()).is_err());

    GREET
        .check(&header.replace('\n', "\r\n"), committed())
        .unwrap();
}

#[test]
fn the_build_stops_at_a_header_that_the_bindings_are_not_of() {
    committed(); // made anew, if at all, before it is copied
    // Always the same place: what the first run compiled need not be again.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = place.join("copy");
    if copy.exists() {
        fs::remove_dir_all(&copy).unwrap();
    }
    // The member crates and the benches too: without them there is no workspace.
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "benches",
        "c",
        "rust",
    ] {
        copy_all(&at(path), &copy.join(path));
    }
    let check = || {
        Command::new(env!("CARGO"))
            .args(["check", "--package", "zero-cost-ffi", "--lib", "--offline"])
            .current_dir(&copy)
            // The one of tests/all/c_side.rs: the dependencies are the same.
            .env("CARGO_TARGET_DIR", place.join("check"))
            .output()
            .unwrap()
    };
    let output = check();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the copy does not build as it is:\n{stderr}"
    );

    let header = copy.join("c/greet.h");
    let planted = plant(
        &fs::read_to_string(&header).unwrap(),
        "GREET_NULL = -1",
        "GREET_NULL = -9",
    );
    fs::write(&header, planted).unwrap();
    let output = check();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "a stale binding builds");
    assert!(stderr.contains(fingerprint::ACCEPT), "{stderr}");
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy_all(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

// 2. The types as C sees them.

#[test]
fn c_sees_the_types_that_rust_declares() {
    let c = at("c");
    for (bound, bindings) in on_file() {
        let header = bound.header.strip_prefix("c/").expect("a header of c/");
        c_agrees(bindings, &c, header).unwrap();
    }
    c_agrees(&read("rust/exhibits/twins.rs"), &c, "callers.h").unwrap();
    c_agrees(&read("rust/exhibits/controls.rs"), &c, "controls.h").unwrap();
}

#[test]
fn c_names_what_drifted_in_rust() {
    for (old, new, named) in [
        ("value: i64) -> i64", "value: i64) -> i32", "greet_add_one"),
        ("value: i64) -> i64", "value: u64) -> i64", "greet_add_one"),
        ("value: i64) -> i64", "value: i64)", "greet_add_one"),
        (
            "items: *const i64, len: usize) -> i64",
            "items: *mut i64, len: usize) -> i64",
            "greet_sum",
        ),
        (
            "items: *const i64, len: usize) -> i64",
            "items: *const i64) -> i64",
            "greet_sum",
        ),
        ("pub y: f64", "pub y: f32", "greet_point.y"),
        ("pub y: f64", "pub y: f64, pub z: f64", "greet_point"),
        ("pub x: f64,", "", "greet_point"),
        (
            "GREET_NULL: greet_status = -1",
            "GREET_NULL: greet_status = -2",
            "GREET_NULL",
        ),
        (
            "greet_status = ::std::os::raw::c_int",
            "greet_status = u8",
            "greet_status",
        ),
        ("item: i64,", "item: i32,", "greet_visitor"),
        ("pub fn greet_say", "pub fn greet_shout", "greet_shout"),
    ] {
        let drifted = plant(committed(), old, new);
        let why = c_agrees(&drifted, &at("c"), "greet.h")
            .expect_err(&format!("C does not notice `{new}` for `{old}`"));
        assert!(why.contains(named), "`{named}` is not named:\n{why}");
    }
    // Two fields of one type, in the other order: only their places differ.
    let swapped = plant(committed(), "pub x: f64", "pub tmp: f64");
    let swapped = plant(&swapped, "pub y: f64", "pub x: f64");
    let swapped = plant(&swapped, "pub tmp: f64", "pub y: f64");
    let why = c_agrees(&swapped, &at("c"), "greet.h").expect_err("swapped fields pass");
    assert!(why.contains("in Rust it is elsewhere"), "{why}");

    let twins = plant(&read("rust/exhibits/twins.rs"), "n: usize", "n: u32");
    assert!(c_agrees(&twins, &at("c"), "callers.h").is_err());
    let controls = read("rust/exhibits/controls.rs");
    let controls = plant(
        &controls,
        "fn greet_shim_add_one(value: i64)",
        "fn greet_shim_add_one(value: i32)",
    );
    assert!(c_agrees(&controls, &at("c"), "controls.h").is_err());
}

#[test]
fn c_names_what_drifted_in_the_header() {
    for (old, new, named) in [
        (
            "int64_t greet_add_one",
            "int32_t greet_add_one",
            "greet_add_one",
        ),
        ("int64_t value", "int64_t value, int flags", "greet_add_one"),
        ("double x;", "float x;", "greet_point.x"),
        ("double y;", "double y; double z;", "greet_point"),
        ("GREET_STOPPED = -3", "GREET_STOPPED = -4", "GREET_STOPPED"),
        (
            "int (*greet_visitor)",
            "void (*greet_visitor)",
            "greet_visitor",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let drifted = plant(&read("c/greet.h"), old, new);
        fs::write(folder.path().join("greet.h"), drifted).unwrap();
        let why = c_agrees(committed(), folder.path(), "greet.h")
            .expect_err(&format!("C does not notice `{new}` for `{old}`"));
        assert!(why.contains(named), "`{named}` is not named:\n{why}");
    }
}

#[test]
fn what_cannot_be_asked_of_c_is_an_error() {
    for rust in [
        "union U { a: i64 }",
        "unsafe extern \"C\" { static X: i64; }",
        "unsafe extern \"C\" { fn f(x: Option<&i64>); }",
        "unsafe extern \"C\" { fn f(x: [i64; 2]); }",
        "struct S(i64);",
        "const X: f64 = 1.0;",
    ] {
        assert!(c_view::assertions(rust, "greet.h").is_err(), "{rust}");
    }
}

/// Whether the declarations in `rust` are those of the header: C's words if not.
fn c_agrees(rust: &str, folder: &Path, header: &str) -> Result<(), String> {
    let program = c_view::assertions(rust, header).map_err(|why| why.to_string())?;
    assert!(program.contains("_Static_assert"), "nothing is asserted");
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("assertions.c");
    fs::write(&file, &program).unwrap();
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let output = Command::new(&compiler)
        .args([
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
            "-I",
        ])
        .args([folder, &file])
        .output()
        .unwrap_or_else(|why| panic!("{compiler}: {why}; install a C compiler, or name it in CC"));
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "{}\n{program}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}
