//! `no-more-than-c`

use claims::baseline;
use claims::claims::no_more_than_c::{Counted, SPEC, judge, on_file};
use claims::evaluation::{Evaluation, Rests, plain};
use claims::measure::callgrind::{FILE, InstructionCounts, Record};
use claims::report::{Evidence, Verdict};

fn judged(rust: u64, c: u64, clang: Option<u64>) -> (Evaluation, Counted) {
    let mut evaluation = Evaluation::new(&SPEC);
    let count = InstructionCounts {
        name: "say".to_owned(),
        rust,
        c,
        clang,
    };
    let counted = judge(&mut evaluation, &[count], Evidence::Live);
    (evaluation, counted)
}

#[test]
fn one_instruction_more_than_clang_is_seen() {
    let (evaluation, _) = judged(3, 3, Some(3));
    assert!(evaluation.findings.is_empty());
    let (evaluation, _) = judged(4, 9, Some(3));
    assert_eq!(
        evaluation.verdict(Verdict::Holds, Rests::OnImage),
        Verdict::DoesNotHold
    );
    assert!(
        evaluation.findings[0].contains("4 instructions in Rust, 3"),
        "{:?}",
        evaluation.findings
    );
}

#[test]
fn what_was_not_counted_does_not_hold() {
    assert!(!judged(3, 3, None).0.findings.is_empty());
    let mut none = Evaluation::new(&SPEC);
    judge(&mut none, &[], Evidence::Recorded);
    assert!(!none.findings.is_empty());
}

/// gcc may shape a loop better: that is told, not held against Rust.
#[test]
fn another_shape_is_told() {
    let (evaluation, counted) = judged(3, 2, Some(3));
    assert!(evaluation.findings.is_empty());
    assert!(counted.conditions[0].contains("say 2, by clang 3, in Rust 3"));
    assert!(
        counted
            .found
            .contains("1 of 1 whole functions no more than clang's C, 0 than")
    );
}

#[test]
fn what_is_on_file_is_read() {
    let mut evaluation = Evaluation::new(&SPEC);
    let counted = on_file(&mut evaluation, &FILE);
    assert_eq!(evaluation.findings, Vec::<String>::new());
    let all = plain().len();
    assert!(
        counted
            .found
            .contains(&format!("{all} of {all} whole functions")),
        "{}",
        counted.found
    );
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let count = |name: &str, clang| InstructionCounts {
        name: name.to_owned(),
        rust: 2,
        c: 13,
        clang,
    };
    let counts = vec![count("say", Some(3)), count("add_one", None)];
    let makers = vec!["rustc version 1.95.0".to_owned(), "GCC: 12".to_owned()];
    let record = Record::new(&FILE, makers, counts);
    let file = tempfile::NamedTempFile::new().expect("a file");
    record.write_to(file.path()).expect("written");
    let read = Record::read_from(file.path(), FILE.schema, FILE.command);
    assert_eq!(read.expect("the record"), record);
}

/// Missing, it is missing; damaged or newer, it speaks against the claim. Each names the file and the command.
#[test]
fn a_file_that_cannot_be_used_is_named() {
    for (text, against) in [
        (None, false),
        (Some("say 1 2"), true),
        (Some(r#"{ "schema": 99 }"#), true),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("counts.json");
        if let Some(text) = text {
            std::fs::write(&path, text).expect("written");
        }
        let path: &'static str = path.to_string_lossy().into_owned().leak();
        let mut evaluation = Evaluation::new(&SPEC);
        on_file(&mut evaluation, &baseline::File { path, ..FILE });
        let said = match against {
            true => evaluation.findings.join(""),
            false => evaluation.missing[0].why.clone(),
        };
        assert!(said.contains(path) && said.contains(FILE.command), "{said}");
    }
}
