//! `every-opt-level`: it does not take an optimiser.

use std::collections::BTreeMap;
use std::path::Path;

use barecall::Route;
use zero_cost_ffi::catalogue::{self, Exhibit};

use crate::baseline::{self, TARGET};
use crate::evaluation::{
    Context, Evaluation, FigureSpec, Live, Outcome, Quote, Rests, Shows, Spec,
};
use crate::report::{Claim, Evidence, Missing, Verdict};

/// The claim.
pub static SPEC: Spec = Spec {
    id: "every-opt-level",
    statement: "the call is bare at opt-level 0, 1, 2, 3, s and z alike",
    talk: Quote::simplified(
        r#"unsafe { libc::puts("Hello\0".as_ptr() as *const i8) };"#,
        "`char` is unsigned on some targets, where `*const i8` does not compile; `.cast()` does",
    ),
    shows: Shows::Exhibits(|_| true),
    figures: &[&[
        FigureSpec::new("listings", "files")
            .counts("recorded listings of an exhibit in Rust, one for each opt-level"),
        FigureSpec::new("calls", "calls").counts(
            "calls of C functions that these listings' heads name, as found in the linked image",
        ),
    ]],
    live: Live::Command(RECORDS),
    check,
    ..Spec::DEFAULT
};

/// Builds every level again, and compares.
const RECORDS: &str = "cargo test --test listings";
const FOLDER: &str = "asm-snapshots/x86_64-unknown-linux-gnu";
const LEVELS: [&str; 6] = ["0", "1", "2", "3", "s", "z"];

fn check(_: &Context) -> Claim {
    judge(&baseline::root().join(FOLDER))
}

fn judge(folder: &Path) -> Claim {
    let mut evaluation = Evaluation::new(&SPEC);
    let mut provenance = BTreeMap::from([
        ("file".to_owned(), FOLDER.to_owned()),
        ("target".to_owned(), TARGET.to_owned()),
    ]);
    let on_file = folder.is_dir();
    if on_file {
        for exhibit in catalogue::exhibits() {
            for level in LEVELS {
                let name = format!("{}.rust.O{level}.snap", exhibit.name);
                match std::fs::read_to_string(folder.join(&name)) {
                    Ok(text) => snapshot(&mut evaluation, &mut provenance, &exhibit, &name, &text),
                    Err(error) => {
                        evaluation
                            .fault(format_args!("{name}: {error}; to record it: `{RECORDS}`"));
                    }
                }
            }
        }
    } else {
        evaluation.missing.push(Missing::new(
            "record",
            format_args!(
                "the listings are not at {}: run from the workspace, or record them: `{RECORDS}`",
                folder.display()
            ),
        ));
    }
    let found = format!(
        "{} calls in {} listings",
        evaluation.value("calls"),
        evaluation.value("listings")
    );
    evaluation.finish(Outcome {
        verdict: if on_file {
            Verdict::HoldsWithConditions
        } else {
            Verdict::NotChecked
        },
        rests: Rests::OnImage,
        found,
        conditions: vec![
            "recorded for the compiler and target named here; `cargo test` builds every level again and compares".into(),
            "on AArch64 it is not bare where libc is shared: rustc emits `bl puts` and the linker puts a PLT stub behind it \
             (asm-snapshots/aarch64-unknown-linux-gnu); `-C target-feature=+crt-static` removes it"
                .into(),
            "at opt-level 0 the exhibit also calls Rust functions that are inlined at higher levels".into(),
        ],
        evidence: Evidence::Recorded,
        provenance,
    })
}

/// The facts in the listing's head, found in the linked image when it was recorded, and its text, which must not
/// say otherwise.
fn snapshot(
    evaluation: &mut Evaluation,
    provenance: &mut BTreeMap<String, String>,
    exhibit: &Exhibit,
    name: &str,
    text: &str,
) {
    let field = |field: &'static str| {
        text.lines()
            .filter_map(move |line| line.strip_prefix(field).map(str::trim))
    };
    if let Some(compiler) = field("# compiler").next() {
        provenance.insert("compiler".to_owned(), compiler.to_owned());
    }
    if let Some(date) = text
        .lines()
        .find_map(|line| line.strip_prefix("description: recorded "))
    {
        // The latest: a listing keeps its date until it changes.
        let latest = provenance.entry("date".to_owned()).or_default();
        *latest = std::mem::take(latest).max(date.trim().to_owned());
    }
    let calls: Vec<(String, Option<Route>)> = field("# call")
        .filter_map(|call| {
            let (to, route) = call.split_once("  ")?;
            Some((
                to.to_owned(),
                route
                    .split_whitespace()
                    .next()
                    .and_then(|word| word.parse().ok()),
            ))
        })
        .collect();
    for (to, route) in &calls {
        if !route.is_some_and(Route::is_bare) {
            evaluation.fault(format_args!(
                "{name}: {to} by {}",
                route.map_or("an unknown route", Route::as_str)
            ));
        }
    }
    for symbol in exhibit.calls {
        let wanted = exhibit
            .calls
            .iter()
            .filter(|listed| *listed == symbol)
            .count();
        let found = calls.iter().filter(|call| call.0 == *symbol).count();
        if found < wanted {
            evaluation.fault(format_args!(
                "{name}: {found} of {wanted} calls to {symbol}"
            ));
        }
        let code = || text.lines().filter(|line| line.starts_with('\t'));
        if !code().any(|line| line.contains(&format!("{symbol}@GOTPCREL")))
            || code().any(|line| line.contains(&format!("{symbol}@PLT")))
        {
            evaluation.fault(format_args!(
                "{name}: the listing does not reach {symbol} through the GOT"
            ));
        }
    }
    evaluation.add("listings", 1);
    evaluation.add("calls", calls.len() as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let fact =
            planted(|folder| edit(&folder.join("say.rust.O2.snap"), "puts  got", "puts  plt"));
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
        let claim = planted(|folder| {
            std::fs::remove_file(folder.join("sum.rust.Os.snap")).expect("deleted")
        });
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
}
