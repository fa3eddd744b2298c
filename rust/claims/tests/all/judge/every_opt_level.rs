//! `every-opt-level`

use std::path::Path;

use claims::baseline;
use claims::claims::every_opt_level::{FOLDER, LEVELS, RECORDS, judge};
use claims::report::{Claim, Verdict};
use zero_cost_ffi::catalogue;

/// The folder on file, and copies of it with something planted.
fn planted(plant: impl Fn(&Path)) -> Claim {
    let folder = tempfile::tempdir().expect("a folder");
    let from = baseline::root().join(FOLDER);
    for entry in std::fs::read_dir(from).expect("the listings") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("a copy");
    }
    plant(folder.path());
    judge(folder.path())
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("the listing");
    assert!(text.contains(from));
    std::fs::write(file, text.replace(from, to)).expect("edited");
}

#[test]
fn what_is_on_file_holds() {
    let claim = planted(|_| {});
    assert_eq!(
        claim.verdict,
        Verdict::HoldsWithConditions,
        "{:?}",
        claim.findings
    );
    assert_eq!(
        claim.figures["listings"].value as usize,
        catalogue::exhibits().len() * LEVELS.len()
    );
}

#[test]
fn a_planted_stub_does_not() {
    let fact = planted(|folder| edit(&folder.join("say.rust.O2.snap"), "puts  got", "puts  plt"));
    assert_eq!(fact.verdict, Verdict::DoesNotHold);
    assert!(
        fact.findings[0].contains("say.rust.O2.snap: puts by plt"),
        "{:?}",
        fact.findings
    );
    let text = planted(|folder| {
        edit(
            &folder.join("say.rust.O2.snap"),
            "qword ptr [rip + puts@GOTPCREL]",
            "puts@PLT",
        )
    });
    assert_eq!(text.verdict, Verdict::DoesNotHold);
}

#[test]
fn a_missing_listing_does_not() {
    let claim =
        planted(|folder| std::fs::remove_file(folder.join("sum.rust.Os.snap")).expect("deleted"));
    assert_eq!(claim.verdict, Verdict::DoesNotHold);
    assert!(claim.findings[0].starts_with("sum.rust.Os.snap"));
}

#[test]
fn without_the_folder_it_is_not_checked() {
    let claim = judge(Path::new("/nowhere"));
    assert_eq!(claim.verdict, Verdict::NotChecked);
    assert_eq!(claim.missing[0].what, "record");
    assert!(claim.missing[0].why.contains("/nowhere"));
    assert!(claim.missing[0].why.contains(RECORDS));
}
