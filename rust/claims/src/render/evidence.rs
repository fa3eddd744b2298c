//! EVIDENCE.md: each claim with the exact figures it rests on, on file; and whether that is still what is found.
//!
//! Only what is the same wherever the compilers are the same is in it: no times, no addresses, no paths. Each section
//! keeps the date and the compilers it was recorded with until what it says changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use barecall::walk::Leg;
use similar::TextDiff;

use crate::claim::{Claim, Missing, TALK, Walked};
use crate::image_under_test::ImageUnderTest;
use crate::render::cite::{self, PROJECT, kind, sentence};
use crate::render::html::ladder;
use crate::render::show;
use crate::render::wrap::wrapped;

/// The document, from the root of the repository.
pub const FILE: &str = "EVIDENCE.md";
/// The picture of the ladders, likewise.
pub const PICTURE: &str = "docs/ladder.svg";
/// What writes both anew.
const ACCEPT: &str = "cargo run --release -- evidence --accept";
const LISTINGS: &str = "asm-snapshots/x86_64-unknown-linux-gnu";
const PIN: &str = include_str!("../../../../rust-toolchain.toml");
const RECORDED: &str = "Recorded ";
const WIDTH: usize = 120;

/// Why nothing was compared or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the evidence on file is that of an optimised image: cargo run --release -- evidence")]
    NotOptimised,
    #[error("{}: {why}: run from the workspace it was built in", .file.display())]
    File { file: PathBuf, why: io::Error },
}

/// What became of the comparison.
pub struct Outcome {
    /// What is to be said.
    pub text: String,
    /// Whether what is on file is what is found.
    pub same: bool,
    /// What could not be compared, and why.
    pub not_checked: Vec<Missing>,
}

/// What is on file, and what should be.
struct Proposal {
    texts: [(PathBuf, String, String); 2],
    not_checked: Vec<Missing>,
}

/// Whether this image is one to compare: what is not optimised has other listings.
///
/// # Errors
/// [`Error::NotOptimised`].
pub fn optimised() -> Result<(), Error> {
    if cfg!(debug_assertions) {
        return Err(Error::NotOptimised);
    }
    Ok(())
}

/// Compares what is on file with what is found.
///
/// # Errors
/// When the image is not optimised, or a file cannot be read.
pub fn compare(root: &Path, subject: &ImageUnderTest, claims: &[Claim]) -> Result<Outcome, Error> {
    let proposal = propose(root, subject, claims, false)?;
    let mut text = String::new();
    for (file, old, new) in &proposal.texts {
        if old != new {
            let diff = TextDiff::from_lines(old, new);
            let name = file
                .strip_prefix(root)
                .unwrap_or(file)
                .display()
                .to_string();
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "{}",
                diff.unified_diff()
                    .context_radius(2)
                    .header(&name, "found now")
            );
        }
    }
    let same = text.is_empty();
    if same {
        text = format!("{FILE} and {PICTURE} say what is found\n");
    } else {
        let _ = write!(text, "\nto accept: {ACCEPT}\n");
    }
    Ok(Outcome {
        text,
        same,
        not_checked: proposal.not_checked,
    })
}

/// Writes what is found; what could not be checked stays as it is.
///
/// # Errors
/// As [`compare`], and when a file cannot be written.
pub fn accept(root: &Path, subject: &ImageUnderTest, claims: &[Claim]) -> Result<Outcome, Error> {
    let proposal = propose(root, subject, claims, true)?;
    let mut text = String::new();
    for (file, old, new) in &proposal.texts {
        let name = file.strip_prefix(root).unwrap_or(file).display();
        let did = if old == new {
            "is unchanged"
        } else {
            "is written"
        };
        fs::write(file, new).map_err(|why| Error::File {
            file: file.clone(),
            why,
        })?;
        let _ = writeln!(text, "{name} {did}");
    }
    Ok(Outcome {
        text,
        same: true,
        not_checked: proposal.not_checked,
    })
}

fn propose(
    root: &Path,
    subject: &ImageUnderTest,
    claims: &[Claim],
    force: bool,
) -> Result<Proposal, Error> {
    optimised()?;
    let read = |name: &str| {
        let file = root.join(name);
        match fs::read_to_string(&file) {
            Ok(text) => Ok((file, text)),
            Err(why) if why.kind() == io::ErrorKind::NotFound && root.is_dir() => {
                Ok((file, String::new()))
            }
            Err(why) => Err(Error::File { file, why }),
        }
    };
    let (file, old) = read(FILE)?;
    let (picture, old_picture) = read(PICTURE)?;
    let producers = subject.image.producers();
    if let Some(missing) = unpinned(producers) {
        return Ok(Proposal {
            texts: [
                (file, old.clone(), old),
                (picture, old_picture.clone(), old_picture),
            ],
            not_checked: vec![missing],
        });
    }
    let listing = |id: &str| {
        let first = show::exhibits(subject, id).into_iter().next()?;
        listing(root, first.name)
    };
    let entries: Vec<Entry> = claims
        .iter()
        .map(|claim| Entry::of(claim, listing(claim.id)))
        .collect();
    let (new, mut not_checked) = document(&old, &entries, &producers.join("; "), force);
    let rungs = ladder::pick(claims);
    let drawn = ladder::svg(&rungs);
    let elsewhere = not_checked
        .first()
        .cloned()
        .filter(|_| !force || claims.iter().any(|claim| !claim.missing.is_empty()));
    let new_picture = match elsewhere {
        Some(missing) if drawn != old_picture && !old_picture.is_empty() => {
            not_checked.push(Missing {
                why: format!("{PICTURE}: {}", missing.why),
                ..missing
            });
            old_picture.clone()
        }
        _ => drawn,
    };
    Ok(Proposal {
        texts: [(file, old, new), (picture, old_picture, new_picture)],
        not_checked,
    })
}

/// Why nothing on file can be compared with this image.
fn unpinned(producers: &[String]) -> Option<Missing> {
    let pinned = PIN
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .unwrap_or("?");
    let is = producers
        .iter()
        .any(|producer| producer.starts_with(&format!("rustc version {pinned} ")));
    let target = cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    ));
    (!is || !target).then(|| Missing {
        what: "pinned",
        why: format!(
            "{FILE} is recorded for rustc {pinned} on x86_64-unknown-linux-gnu; this image was made by {}",
            producers.join("; ")
        ),
    })
}

/// What the document says of one claim.
struct Entry {
    id: String,
    row: String,
    body: String,
    missing: Option<Missing>,
}

impl Entry {
    fn of(claim: &Claim, listing: Option<String>) -> Self {
        Self {
            id: claim.id.to_owned(),
            row: format!(
                "| [{id}](#{id}) | {} | {} | {} |",
                claim.verdict.words(),
                claim.talk.assessment.words(),
                kind(claim.evidence),
                id = claim.id
            ),
            body: body(claim, listing),
            missing: claim.missing.first().cloned(),
        }
    }
}

/// The document as it should be: what was not checked, or was made by other compilers than what is on file, stays as it
/// is there.
fn document(old: &str, entries: &[Entry], producers: &str, force: bool) -> (String, Vec<Missing>) {
    let on_file = OnFile::read(old);
    let mut not_checked = BTreeSet::new();
    let (mut rows, mut sections) = (String::new(), String::new());
    for entry in entries {
        let before = on_file.claims.get(entry.id.as_str());
        let same =
            before.is_some_and(|before| before.row == entry.row && before.body == entry.body);
        let mut keep = same;
        if let (Some(before), false) = (before, same) {
            if let Some(missing) = &entry.missing {
                not_checked.insert(Missing {
                    what: missing.what,
                    why: format!("{FILE}#{}: {}", entry.id, missing.why),
                });
                keep = true;
            } else if !force && !before.recorded.ends_with(&format!("by {producers}")) {
                not_checked.insert(Missing {
                    what: "cc",
                    why: format!(
                        "{FILE}#{} differs from what is found, but was made by other compilers: {} here, {:?} there; \
                         it begins with {}; `{ACCEPT}` shows all",
                        entry.id,
                        producers,
                        before.recorded,
                        first_difference(
                            (before.row, before.body),
                            (&entry.row, &entry.body)
                        )
                    ),
                });
                keep = true;
            }
        }
        let recorded = format!("{RECORDED}{} by {producers}", crate::today());
        let (row, body, recorded) = match before.filter(|_| keep) {
            Some(before) => (before.row, before.body, before.recorded.as_str()),
            None => (entry.row.as_str(), entry.body.as_str(), recorded.as_str()),
        };
        let _ = writeln!(rows, "{row}");
        let _ = write!(
            sections,
            "\n## {}\n\n{body}\n{}",
            entry.id,
            wrapped(WIDTH, recorded, "", "")
        );
    }
    let head = format!(
        "# Evidence\n\n{}\n{}\n| claim | verdict | the talk | evidence |\n| --- | --- | --- | --- |\n{rows}",
        wrapped(
            WIDTH,
            &format!(
                "What each claim of {PROJECT} rests on: the figures that are exact, and the same wherever the \
                 compilers are the same. Measured values are not here; `cargo run --release -- report` shows them. \
                 To cite a claim, see [docs/citing.md](docs/citing.md)."
            ),
            "",
            ""
        ),
        wrapped(
            WIDTH,
            &format!(
                "This file is generated. `cargo run --release -- evidence` compares it with what is found now, and \
                 a test does so on every run; `{ACCEPT}` accepts a change. The talk is {TALK}."
            ),
            "",
            ""
        ),
    );
    (
        format!("{head}{sections}"),
        not_checked.into_iter().collect(),
    )
}

/// The first line that two rows with their sections do not share, as it is on file and as it is found.
fn first_difference(on_file: (&str, &str), found: (&str, &str)) -> String {
    let lines = |(row, body): (&str, &str)| {
        let all: Vec<String> = row.lines().chain(body.lines()).map(str::to_owned).collect();
        all
    };
    let (on_file, found) = (lines(on_file), lines(found));
    let same = on_file.iter().zip(&found).take_while(|(a, b)| a == b);
    let at = same.count();
    let line = |lines: &[String]| {
        lines
            .get(at)
            .map_or_else(|| "nothing".to_owned(), |line| format!("{line:?}"))
    };
    format!("{} on file, {} found", line(&on_file), line(&found))
}

/// The document on file, taken apart.
struct OnFile<'a> {
    claims: BTreeMap<&'a str, Before<'a>>,
}

struct Before<'a> {
    row: &'a str,
    body: &'a str,
    /// On one line.
    recorded: String,
}

impl<'a> OnFile<'a> {
    fn read(text: &'a str) -> Self {
        let mut claims = BTreeMap::new();
        for section in text.split("\n## ").skip(1) {
            let Some((id, rest)) = section.split_once("\n\n") else {
                continue;
            };
            let Some((body, recorded)) = rest.rsplit_once(&format!("\n{RECORDED}")) else {
                continue;
            };
            let start = rest.len() - recorded.len() - RECORDED.len();
            let link = format!("| [{id}](");
            let row = text
                .lines()
                .find(|line| line.starts_with(&link))
                .unwrap_or_default();
            let words: Vec<&str> = rest[start..].split_whitespace().collect();
            let recorded = words.join(" ");
            claims.insert(
                id,
                Before {
                    row,
                    body,
                    recorded,
                },
            );
        }
        Self { claims }
    }
}

fn body(claim: &Claim, listing: Option<String>) -> String {
    let mut text = String::new();
    let mut say = |part: &str| text.push_str(part);
    say(&wrapped(
        WIDTH,
        &format!("**{}**", sentence(claim.says)),
        "",
        "",
    ));
    say(&wrapped(
        WIDTH,
        &format!(
            "Verdict: **{}**, {}.",
            claim.verdict.words(),
            kind(claim.evidence)
        ),
        "\n",
        "",
    ));
    say(&wrapped(
        WIDTH,
        &format!(
            "\u{201c}{}\u{201d} ({TALK}): {}{}",
            claim.talk.quote,
            claim.talk.assessment.words(),
            claim
                .talk
                .because
                .map_or_else(|| ".".to_owned(), |because| format!("; {because}."))
        ),
        "\n> ",
        "> ",
    ));
    if !claim.conditions.is_empty() {
        say("\nConditions:\n\n");
        for condition in claim
            .conditions
            .iter()
            .filter(|condition| !states_measured(condition, claim))
        {
            say(&wrapped(WIDTH, condition, "- ", "  "));
        }
    }
    if !claim.findings.is_empty() {
        say("\nAgainst it:\n\n");
        for finding in &claim.findings {
            say(&format!("```text\n{finding}\n```\n"));
        }
    }
    if !claim.figures.is_empty() {
        say("\n| counted | | |\n| --- | ---: | --- |\n");
        for (name, figure) in &claim.figures {
            say(&format!(
                "| {} | {} | {} |\n",
                cell(name),
                figure.value,
                figure.unit
            ));
        }
    }
    if let Some(listing) = listing {
        say(&listing);
    }
    say(&walks(&claim.walks));
    say(&format!("\nCheck it: `{}`\n", cite::command(claim)));
    text
}

/// Whether a text has a measured value in it, rounded: that is another in each run.
fn states_measured(text: &str, claim: &Claim) -> bool {
    text.split(|char: char| !char.is_ascii_digit() && char != '.')
        .map(|number| number.trim_matches('.'))
        .filter_map(|number| Some((number, number.split_once('.')?.1.len())))
        .any(|(number, digits)| {
            let mut measured = claim.measured.values();
            measured.any(|measured| format!("{:.digits$}", measured.value) == number)
        })
}

/// The first exhibit's listing on file, with its facts.
fn listing(root: &Path, exhibit: &str) -> Option<String> {
    let name = format!("{exhibit}.rust.O3.snap");
    let text = fs::read_to_string(root.join(LISTINGS).join(&name)).ok()?;
    // Behind insta's head.
    let text = text.split("\n---\n").nth(1)?;
    Some(format!(
        "\nThe code, from [{name}]({LISTINGS}/{name}):\n\n```asm\n{}\n```\n",
        text.trim().replace('\t', "    ")
    ))
}

/// A line for each walk, and the ladder of the first of each side. What the callee itself executes is its library's
/// affair, and not here.
fn walks(walks: &[Walked]) -> String {
    let mut text = String::new();
    if walks.is_empty() {
        return text;
    }
    text.push_str(
        "\n| walked | to | out | back | stack switches |\n| --- | --- | ---: | ---: | ---: |\n",
    );
    for walked in walks {
        let walk = &walked.walk;
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} | {} | {} out, {} back |",
            walked.act,
            cell(&walk.to),
            walk.out.instructions,
            walk.back.instructions,
            walk.out.stack_switches,
            walk.back.stack_switches
        );
    }
    let side = |walked: &Walked| walked.act.split('/').next().unwrap_or_default().to_owned();
    let mut seen = BTreeSet::new();
    text.push_str("\n```text\n");
    let first = walks.iter().filter(|walked| seen.insert(side(walked)));
    let ladders: Vec<String> = first.map(ladder_of).collect();
    text.push_str(&ladders.join("\n"));
    text.push_str("```\n");
    text
}

fn ladder_of(walked: &Walked) -> String {
    let walk = &walked.walk;
    let mut text = format!("{}: {} -> {}\n", walked.act, walk.from, walk.to);
    let mut leg = |name: &str, leg: &Leg| {
        let _ = writeln!(text, "  {name:<5} {:>5}", leg.instructions);
        for step in &leg.steps {
            let switch = if step.stack_switches > 0 {
                ", switches stacks"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "        {:>5}  {}{switch}",
                step.instructions,
                ladder::without_hash(&step.symbol)
            );
        }
    };
    leg("out", &walk.out);
    leg("back", &walk.back);
    text
}

/// What would end a cell of a table does not.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::html::fixture;

    /// Longer than a line.
    const MADE_BY: &str = "rustc version 1.95.0 (59807616e 2026-04-14); Linker: LLD 22.1.2 (a tree of which the name \
        is long); GCC: (Debian 12.2.0-14+deb12u1) 12.2.0";

    fn entry() -> Entry {
        let mut claim = fixture::claim();
        claim.missing.clear();
        Entry::of(&claim, None)
    }

    fn on_file() -> String {
        document("", &[entry()], MADE_BY, false)
            .0
            .replace(&crate::today(), "2024-10-30")
    }

    #[test]
    fn what_is_found_again_keeps_its_date() {
        let (text, not_checked) = document(&on_file(), &[entry()], MADE_BY, false);
        assert_eq!(text, on_file());
        assert!(
            text.contains("Recorded 2024-10-30 by rustc version"),
            "{text}"
        );
        assert_eq!(not_checked, []);
        // Made by others, it is the same all the same.
        assert_eq!(
            document(&on_file(), &[entry()], "others", false),
            (on_file(), Vec::new())
        );
    }

    #[test]
    fn a_figure_that_changes_is_drift() {
        for (plant, instead) in [
            ("| 313 |", "| 312 |"),
            ("holds with conditions", "holds"),
            ("   12", "   11"),
        ] {
            let planted = on_file().replace(plant, instead);
            let (text, not_checked) = document(&planted, &[entry()], MADE_BY, false);
            if plant != "   12" {
                assert_ne!(planted, on_file(), "{plant} is not in {planted}");
                assert_ne!(text, planted, "{plant}");
                assert!(!text.contains("2024-10-30"), "{text}");
            }
            assert_eq!(not_checked, []);
        }
        let (without, _) = document(&on_file(), &[], MADE_BY, false);
        assert!(
            !without.contains("hostile-claim"),
            "a claim that is no more is drift, too"
        );
    }

    #[test]
    fn other_compilers_are_not_compared_but_may_be_accepted() {
        let planted = on_file().replace("| 313 |", "| 312 |");
        let (text, not_checked) = document(&planted, &[entry()], "GCC: 13", false);
        assert_eq!(text, planted);
        assert_eq!(not_checked[0].what, "cc");
        let (text, not_checked) = document(&planted, &[entry()], "GCC: 13", true);
        assert!(
            text.contains("| 313 |") && text.contains("by GCC: 13"),
            "{text}"
        );
        assert_eq!(not_checked, []);
    }

    #[test]
    fn what_was_not_checked_stays() {
        let planted = on_file().replace("| 313 |", "| 312 |");
        let mut missing = entry();
        missing.missing = Some(Missing {
            what: "go",
            why: "no go".into(),
        });
        for force in [false, true] {
            let (text, not_checked) = document(
                &planted,
                &[Entry {
                    missing: missing.missing.clone(),
                    ..entry()
                }],
                MADE_BY,
                force,
            );
            assert_eq!(text, planted);
            assert_eq!((not_checked[0].what, not_checked.len()), ("go", 1));
        }
    }

    #[test]
    fn a_condition_that_states_a_measured_value_is_left_out() {
        let claim = fixture::claim();
        for (text, states) in [
            ("26.8 ns a call", true),
            ("it took 26.81.", true),
            ("with rustc 1.95.0, 26 of 8", false),
            ("26.9", false),
        ] {
            assert_eq!(states_measured(text, &claim), states, "{text}");
        }
    }

    #[test]
    fn another_compiler_is_not_the_pinned_one() {
        assert!(unpinned(&["rustc version 1.96.0 (0 2026-05-28)".into()]).is_some());
        assert!(unpinned(&["rustc version 1.950.0".into()]).is_some());
    }

    #[test]
    fn prose_is_wrapped_and_measured_values_are_not_in_it() {
        let text = on_file();
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(!text.contains("26.8"), "{text}");
        assert_eq!(wrapped(WIDTH, "a b", "- ", "  "), "- a b\n");
    }
}
