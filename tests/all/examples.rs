//! Every example prints what its first comment says.

use std::fs;
use std::path::Path;

use super::compile::BUILT;

#[test]
fn every_example_prints_its_first_comment() {
    let mut checked = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let source = entry.unwrap().path();
        let expected = shown(&fs::read_to_string(&source).unwrap());
        assert!(!expected.is_empty(), "{} shows no output", source.display());

        let name = source.file_stem().unwrap().to_str().unwrap();
        let output = BUILT.example(name).output().unwrap();
        assert!(
            output.status.success(),
            "{name}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found, expected, "{name} prints something else than it says");
        checked += 1;
    }
    assert!(checked >= 3, "only {checked} examples found");
}

/// It refuses what it does not understand, and says what it would.
#[cfg(target_os = "linux")]
#[test]
fn the_thread_ring_says_what_is_wrong() {
    for (arguments, said) in [
        (&["--hops"][..], "--hops takes a number"),
        (&["--hops", "many"], "--hops many: not a number"),
        (&["--hops", "0"], "0 hops of a stage"),
        (&["--stages", "0"], "0 stages"),
        (
            &["--in-flight", "17"],
            "17 messages in flight: it must be 1 to 16",
        ),
        (&["smoke"], "no variant smoke; there are threads, tokio,"),
    ] {
        let output = BUILT
            .example("thread_ring")
            .args(arguments)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

#[test]
fn what_an_example_shows_is_the_block_in_its_first_comment() {
    let shown = shown("//! One idea.\n//!\n//! ```text\n//! 1\n//!   2\n//! ```\nfn main() {}\n");
    assert_eq!(shown, "1\n  2\n");
    assert_eq!(self::shown("//! One idea.\nfn main() {} // 1\n"), "");
}

/// The output that an example shows: the text block in its first comment.
fn shown(source: &str) -> String {
    source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .skip_while(|line| *line != " ```text")
        .skip(1)
        .take_while(|line| *line != " ```")
        .flat_map(|line| [line.strip_prefix(' ').unwrap_or(line), "\n"])
        .collect()
}
