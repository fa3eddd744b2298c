//! What would be wrong does not compile: one program for each mistake, in
//! `tests/misuse/`, with what the compiler must say of it as the last line of its
//! first comment.
//!
//! By rustc itself, against the library that this test is linked to: whatever builds a
//! project of its own for that builds every dependency twice.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Output;

use super::compile::{BUILT, rustc};

#[test]
fn misuse_does_not_compile() {
    let library = &BUILT.library;
    let _limit = testkit::limit::seconds(120);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/misuse");
    let mut checked = 0;
    for entry in fs::read_dir(folder).expect("it is there") {
        let program = entry.expect("a readable folder").path();
        let source = fs::read_to_string(&program).expect("UTF-8");
        let comment = source.lines().map_while(|line| line.strip_prefix("//! "));
        let expected = source
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .next_back()
            .expect("what the compiler must say");
        assert!(
            comment.count() > 0 && expected.starts_with("error"),
            "{}",
            program.display()
        );
        let (compiled, said) = compile(library, &source);
        assert!(!compiled, "{} compiles", program.display());
        let errors: Vec<_> = said
            .lines()
            .filter(|line| line.starts_with("error"))
            .collect();
        assert!(
            errors.iter().any(|error| error.starts_with(expected)),
            "{}: {said}",
            program.display()
        );
        checked += 1;
    }
    assert!(checked >= 5, "only {checked} programs found");
}

/// The control: without the mistake it does, or every program would fail for another reason.
#[test]
fn use_compiles() {
    let library = &BUILT.library;
    let _limit = testkit::limit::seconds(120);
    for (program, mistake, right) in [
        (
            "closure_that_is_not_send",
            "std::rc::Rc;",
            "std::sync::Arc as Rc;",
        ),
        (
            "closure_that_borrows",
            "|_| count += 1",
            "move |_| count += 1",
        ),
        (
            "buffer_that_is_borrowed",
            "&mut buffer, ",
            "buffer.to_vec(), ",
        ),
        (
            "pointer_across_an_await",
            "&raw mut value;",
            "(&raw mut value).addr();",
        ),
        (
            "host_on_another_thread",
            "std::thread::spawn(move || host.greet(c\"you\"));",
            "let _ = host.greet(c\"you\");",
        ),
    ] {
        let file = format!("{}/tests/misuse/{program}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = fs::read_to_string(file).expect("it is there");
        assert_eq!(
            source.matches(mistake).count(),
            1,
            "{program}: nothing to correct"
        );
        let source = source
            .replace(mistake, right)
            .replace("pointer.addr()", "pointer");
        let (compiled, said) = compile(library, &source);
        assert!(compiled, "{program}, corrected: {said}");
    }
}

/// Whether it compiles, and what the compiler said.
fn compile(library: &Path, source: &str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("program.rs");
    fs::write(&file, source).expect("it is written");
    let dependencies = library.parent().expect("a folder");
    let output: Output = rustc()
        .args(["--edition=2024", "--emit=metadata", "--out-dir"])
        .arg(folder.path())
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("--extern")
        .arg(format!("zero_cost_ffi={}", library.display()))
        .arg(file)
        .output()
        .expect("rustc runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
