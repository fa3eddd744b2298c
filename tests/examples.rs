//! Every example prints what its first comment says.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_example_prints_its_first_comment() {
    let mut checked = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let source = entry.unwrap().path();
        let expected = first_comment(&fs::read_to_string(&source).unwrap());
        assert!(!expected.is_empty(), "{} shows no output", source.display());

        let name = source.file_stem().unwrap().to_str().unwrap();
        // By Cargo, not from where it left them: that may be older than the source.
        let output = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--offline", "--example", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
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

#[test]
fn the_first_comment_ends_where_prose_begins() {
    let source = "// 1\n//   2\n//\n// Prose.\nfn main() {}\n";
    assert_eq!(first_comment(source), "1\n  2\n");
    assert_eq!(first_comment("fn main() {}\n// 1\n"), "");
}

/// The output that an example shows: its first comment, up to an empty line in it.
fn first_comment(source: &str) -> String {
    source
        .lines()
        .map_while(|line| line.strip_prefix("// "))
        .flat_map(|line| [line, "\n"])
        .collect()
}
