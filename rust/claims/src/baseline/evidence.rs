//! The claims on file, one record each; whether they are still what is found; and the documents made from them.
//!
//! A record keeps its date and compilers until what it states changes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::{Error, Record};
use crate::report::facts::Facts;
use crate::report::{Claim, Missing, Report};

/// The folder of the records, from the root of the repository.
pub const FOLDER: &str = "asm-snapshots/evidence/x86_64-unknown-linux-gnu";
/// The command that records what is found.
pub const ACCEPT: &str = "cargo run --release -- evidence --accept";
/// The number of the records' shape.
pub const SCHEMA: u32 = 1;
const PIN: &str = include_str!("../../../../rust-toolchain.toml");

/// What makes the documents that are generated from the records: their paths from the root, and their texts.
pub type Documents = fn(&[Record<Facts>]) -> Vec<(&'static str, String)>;

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What is to be printed.
    pub text: String,
    /// Whether what is on file is what is found.
    pub same: bool,
    /// What could not be compared, and why.
    pub not_checked: Vec<Missing>,
}

/// Whether the running program is optimised; one that is not has other machine code than is on file.
#[must_use]
pub const fn optimised() -> bool {
    !cfg!(debug_assertions)
}

/// Compares what is on file with a report of every claim.
///
/// # Errors
/// When a record is missing, damaged or of another version, or a document cannot be read.
pub fn compare(root: &Path, report: &Report, documents: Documents) -> Result<Outcome, Error> {
    let on_file = report
        .claims
        .iter()
        .map(|claim| read(root, claim).map(Some));
    let on_file = on_file.collect::<Result<Vec<_>, _>>()?;
    let proposal = Proposal::of(root, report, &on_file, documents, false)?;
    let mut text = String::new();
    for Change { name, old, new } in &proposal.changes {
        let diff = TextDiff::from_lines(old, new);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{}",
            diff.unified_diff()
                .context_radius(2)
                .header(name, "found now")
        );
    }
    let same = text.is_empty();
    if same {
        let names: Vec<&str> = documents(&[]).iter().map(|(name, _)| *name).collect();
        text = format!("{} say what is found\n", names.join(" and "));
    } else {
        let _ = write!(text, "\nto accept: {ACCEPT}\n");
    }
    Ok(Outcome {
        text,
        same,
        not_checked: proposal.not_checked,
    })
}

/// Puts on file what a report of every claim found; what could not be checked stays as it is. A record that cannot be
/// used is replaced.
///
/// # Errors
/// When a file cannot be read or written.
pub fn accept(root: &Path, report: &Report, documents: Documents) -> Result<Outcome, Error> {
    let on_file: Vec<_> = report
        .claims
        .iter()
        .map(|claim| read(root, claim).ok())
        .collect();
    let proposal = Proposal::of(root, report, &on_file, documents, true)?;
    let mut text = String::new();
    for Change { name, new, .. } in &proposal.changes {
        let file = root.join(name);
        let folder = file.parent().unwrap_or(root);
        let written = match new.as_str() {
            "" => fs::remove_file(&file),
            new => fs::create_dir_all(folder).and_then(|()| fs::write(&file, new)),
        };
        written.map_err(|source| Error::Write { file, source })?;
        let did = if new.is_empty() { "removed" } else { "written" };
        let _ = writeln!(text, "{name} is {did}");
    }
    if proposal.changes.is_empty() {
        text = "nothing has changed\n".to_owned();
    }
    Ok(Outcome {
        text,
        same: true,
        not_checked: proposal.not_checked,
    })
}

fn name(claim: &str) -> String {
    format!("{FOLDER}/{claim}.json")
}

fn read(root: &Path, claim: &Claim) -> Result<Record<Facts>, Error> {
    Record::read_from(&root.join(name(&claim.id)), SCHEMA, ACCEPT)
}

/// A file that is not as it should be. An empty text stands for no file.
struct Change {
    name: String,
    old: String,
    new: String,
}

/// What should be on file instead of what is.
struct Proposal {
    changes: Vec<Change>,
    not_checked: Vec<Missing>,
}

impl Proposal {
    fn of(
        root: &Path,
        report: &Report,
        on_file: &[Option<Record<Facts>>],
        documents: Documents,
        force: bool,
    ) -> Result<Self, Error> {
        if let Some(missing) = unpinned(&report.toolchain.made_by) {
            return Ok(Self {
                changes: Vec::new(),
                not_checked: vec![missing],
            });
        }
        let mut not_checked = BTreeSet::new();
        let records: Vec<Record<Facts>> = report
            .claims
            .iter()
            .zip(on_file)
            .map(|(claim, before)| {
                let (record, missing) = decide(report, claim, before.as_ref(), force);
                not_checked.extend(missing);
                record
            })
            .collect();
        let mut files: Vec<(String, String)> = documents(&records)
            .into_iter()
            .map(|(name, text)| (name.to_owned(), text))
            .collect();
        for record in &records {
            let name = name(&record.facts.id);
            let file = root.join(&name);
            let text = record.to_text();
            files.push((name, text.map_err(|source| Error::Write { file, source })?));
        }
        let no_claims = stale(root, &files)?;
        files.extend(no_claims.into_iter().map(|name| (name, String::new())));
        let mut changes = Vec::new();
        for (name, new) in files {
            let old = text_of(&root.join(&name))?;
            if old != new {
                changes.push(Change { name, old, new });
            }
        }
        Ok(Self {
            changes,
            not_checked: not_checked.into_iter().collect(),
        })
    }
}

/// The record of a claim as it should be. What was not checked stays as it is on file; so does, unless it is to be
/// accepted, what other compilers made.
fn decide(
    report: &Report,
    claim: &Claim,
    before: Option<&Record<Facts>>,
    force: bool,
) -> (Record<Facts>, Option<Missing>) {
    let made_by = &report.toolchain.made_by;
    let found = Record {
        schema: SCHEMA,
        recorded: report.date.clone(),
        target: super::TARGET.to_owned(),
        made_by: made_by.clone(),
        facts: Facts::from(claim),
    };
    let Some(before) = before else {
        return (found, None);
    };
    if before.facts == found.facts {
        return (before.clone(), None);
    }
    let file = name(&claim.id);
    if let Some(missing) = claim.missing.first() {
        let why = format!("{file}: {}", missing.why);
        return (before.clone(), Some(Missing::new(&missing.what, why)));
    }
    if !force && before.made_by != *made_by {
        let why = format!(
            "{file} differs from what is found, but other compilers made it: {} here, {} there; {}; `{ACCEPT}` \
             accepts what is found",
            made_by.join("; "),
            before.made_by.join("; "),
            first_difference(before, &found)
        );
        return (before.clone(), Some(Missing::new("cc", why)));
    }
    (found, None)
}

/// The first line that two records do not share.
fn first_difference(on_file: &Record<Facts>, found: &Record<Facts>) -> String {
    let text = |facts: &Facts| serde_json::to_string_pretty(facts).unwrap_or_default();
    let (on_file, found) = (text(&on_file.facts), text(&found.facts));
    let (mut on_file, mut found) = (on_file.lines(), found.lines());
    loop {
        match (on_file.next(), found.next()) {
            (None, None) => return "their texts are the same".to_owned(),
            (old, new) if old == new => {}
            (old, new) => {
                let line = |line: Option<&str>| line.map_or("nothing", str::trim).to_owned();
                return format!("{} on file, {} found", line(old), line(new));
            }
        }
    }
}

/// Why nothing on file can be compared with an image that these made.
fn unpinned(made_by: &[String]) -> Option<Missing> {
    let pinned = PIN
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'))
        .unwrap_or("?");
    let is = made_by
        .iter()
        .any(|producer| producer.starts_with(&format!("rustc version {pinned} ")));
    let target = cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    ));
    (!is || !target).then(|| {
        let why = format!(
            "the evidence is recorded for rustc {pinned} on {}; this image was made by {}",
            super::TARGET,
            made_by.join("; ")
        );
        Missing::new("pinned", why)
    })
}

/// The records of claims that are no more.
fn stale(root: &Path, files: &[(String, String)]) -> Result<Vec<String>, Error> {
    let folder = root.join(FOLDER);
    let unreadable = |source| unreadable(folder.clone(), source);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut stale = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?.file_name();
        let name = format!("{FOLDER}/{}", entry.to_string_lossy());
        if !files.iter().any(|(known, _)| *known == name) {
            stale.push(name);
        }
    }
    stale.sort();
    Ok(stale)
}

fn text_of(file: &Path) -> Result<String, Error> {
    match fs::read(file) {
        // What is not text differs from all that is, and is replaced.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(unreadable(file.to_owned(), source)),
    }
}

fn unreadable(file: PathBuf, source: io::Error) -> Error {
    let command = ACCEPT.to_owned();
    Error::Read {
        file,
        command,
        source,
    }
}
