//! From a citation to its verdict.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{ROOT, run};

/// What a newcomer has is the citation: the command in it leads to the same verdict.
#[test]
fn a_citation_leads_to_its_verdict() {
    let output = run(&["cite", "callbacks-too", "--format", "json"]);
    let cited: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let plain = cited["citation"]["plain"].as_str().expect("a citation");
    assert!(
        plain.contains(&format!("zero-cost-ffi {}", env!("CARGO_PKG_VERSION"))),
        "{plain}"
    );
    let (_, command) = plain
        .split_once("Check: cargo run --release -- ")
        .expect("a command");
    let mut arguments: Vec<&str> = command.split_whitespace().collect();
    arguments.extend(["--format", "json"]);
    let proved: Value = serde_json::from_slice(&run(&arguments).stdout).expect("JSON");
    let [claim] = &proved["claims"].as_array().expect("claims")[..] else {
        panic!("one claim: {proved}");
    };
    let verdict = claim["verdict"].as_str().expect("a verdict");
    assert!(plain.contains(&format!("Verdict: {verdict} (")), "{plain}");
    let text = String::from_utf8(run(&["cite", "callbacks-too"]).stdout).expect("UTF-8");
    for form in ["plain", "bibtex", "markdown"] {
        let form = cited["citation"][form].as_str().expect("a form").trim_end();
        assert!(text.contains(form), "{form} is not in {text}");
    }
    assert_eq!(run(&["cite", "no-such-claim"]).status.code(), Some(2));
}

/// The file for those who cite the whole has the same version, authors and name.
#[test]
fn the_citation_file_is_of_this_version() {
    let text = fs::read_to_string(Path::new(ROOT).join("CITATION.cff")).expect("CITATION.cff");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| {
            line.trim_start_matches([' ', '-'])
                .strip_prefix(name)?
                .strip_prefix(": ")
        });
        line.map(|value| value.trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    assert_eq!(field("cff-version"), "1.2.0");
    assert_eq!(field("version"), env!("CARGO_PKG_VERSION"));
    assert!(
        text.contains("license:\n  - MIT\n  - Apache-2.0\n"),
        "{text}"
    );
    let plain = String::from_utf8(run(&["cite", "one-instruction"]).stdout).expect("UTF-8");
    assert!(
        plain.starts_with(&format!(
            "{}. {} ",
            field("name"),
            field("title").split(':').next().unwrap_or_default()
        )),
        "{plain}"
    );
}
