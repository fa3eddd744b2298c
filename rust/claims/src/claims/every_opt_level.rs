//! `every-opt-level`: it does not take an optimiser.

use std::collections::BTreeMap;
use std::path::Path;

use barecall::Route;
use zero_cost_ffi::catalogue::{self, Exhibit};

use super::{Rests, Statement, Tally, reproduce};
use crate::claim::{Assessment, Claim, Evidence, Talk, Verdict};
use crate::subject::Subject;

pub const STATEMENT: Statement = Statement {
    id: "every-opt-level",
    says: "the call is bare at opt-level 0, 1, 2, 3, s and z alike",
    check,
};

const TARGET: &str = "x86_64-unknown-linux-gnu";
const LEVELS: [&str; 6] = ["0", "1", "2", "3", "s", "z"];

fn check(_: &Subject) -> Claim {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../asm-snapshots")
        .join(TARGET);
    judge(&folder)
}

fn judge(folder: &Path) -> Claim {
    let mut tally = Tally::default();
    let mut provenance = BTreeMap::from([
        ("file", format!("asm-snapshots/{TARGET}")),
        ("target", TARGET.to_owned()),
    ]);
    let on_file = folder.is_dir();
    if on_file {
        for exhibit in catalogue::exhibits() {
            for level in LEVELS {
                let name = format!("{}.rust.O{level}.snap", exhibit.name);
                match std::fs::read_to_string(folder.join(&name)) {
                    Ok(text) => snapshot(&mut tally, &mut provenance, &exhibit, &name, &text),
                    Err(error) => tally.findings.push(format!("{name}: {error}")),
                }
            }
        }
    } else {
        tally.findings.push(format!(
            "the listings are not at {}: run from the workspace",
            folder.display()
        ));
    }
    Claim {
        id: STATEMENT.id,
        says: STATEMENT.says,
        verdict: if on_file { tally.verdict(Verdict::HoldsWithConditions, Rests::OnImage) } else { Verdict::NotChecked },
        found: format!("{} calls in {} listings", tally.value("calls"), tally.value("listings")),
        conditions: vec![
            "recorded for the compiler and target named here; `cargo test` builds every level again and compares".into(),
            "on AArch64 it is not bare where libc is shared: rustc emits `bl puts` and the linker puts a PLT stub behind it \
             (asm-snapshots/aarch64-unknown-linux-gnu); `-C target-feature=+crt-static` removes it"
                .into(),
            "at opt-level 0 the exhibit also calls Rust functions that are inlined above it".into(),
        ],
        missing: Vec::new(),
        findings: tally.findings,
        talk: Talk {
            quote: r#"unsafe { libc::puts("Hello\0".as_ptr() as *const i8) };"#,
            assessment: Assessment::Simplified,
            because: Some("`char` is unsigned on some targets, where `*const i8` does not compile; `.cast()` does"),
        },
        evidence: Evidence::Recorded,
        figures: tally.figures,
        measured: tally.measured,
        pictures: tally.pictures,
        provenance,
        reproduce: format!("{}, and `cargo test --test listings`", reproduce(STATEMENT.id)),
        walks: Vec::new(),
    }
}

/// The facts in the listing's head, found in the linked image when it was recorded, and its text, which must not
/// say otherwise.
fn snapshot(
    tally: &mut Tally,
    provenance: &mut BTreeMap<&'static str, String>,
    exhibit: &Exhibit,
    name: &str,
    text: &str,
) {
    let field = |field: &'static str| {
        text.lines()
            .filter_map(move |line| line.strip_prefix(field).map(str::trim))
    };
    if let Some(compiler) = field("# compiler").next() {
        provenance.insert("compiler", compiler.to_owned());
    }
    if let Some(date) = text
        .lines()
        .find_map(|line| line.strip_prefix("description: recorded "))
    {
        // The latest: a listing keeps its date until it changes.
        let latest = provenance.entry("date").or_default();
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
            tally.findings.push(format!(
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
            tally
                .findings
                .push(format!("{name}: {found} of {wanted} calls to {symbol}"));
        }
        let code = || text.lines().filter(|line| line.starts_with('\t'));
        if !code().any(|line| line.contains(&format!("{symbol}@GOTPCREL")))
            || code().any(|line| line.contains(&format!("{symbol}@PLT")))
        {
            tally.findings.push(format!(
                "{name}: the listing does not reach {symbol} through the GOT"
            ));
        }
    }
    tally.add("listings", 1, "files");
    tally.add("calls", calls.len() as u64, "calls");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder on file, and copies of it with something planted.
    fn planted(plant: impl Fn(&Path)) -> Claim {
        let folder = tempfile::tempdir().expect("a folder");
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../asm-snapshots")
            .join(TARGET);
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
        assert_eq!(judge(Path::new("/nowhere")).verdict, Verdict::NotChecked);
    }
}
