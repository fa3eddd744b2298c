//! `cargo barecall diff`: what changed between two images, or two folders of snapshots: facts first, then text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use barecall::{Function, Image};
use regex::{Captures, Regex};
use serde::Serialize;
use similar::TextDiff;

use crate::record::{self, SCHEMA};
use crate::{BOLD, Failure, Format, GREEN, Outcome, RED, images, painted};

/// Say what changed in facts (routes, counts, instructions), then in text; exit code 1 if a fact did.
///
/// OLD and NEW are two images, two folders of snapshots, or two snapshots. A snapshot is a text file whose first
/// lines, `# name  value`, are its facts (`# call  puts  got  tail`), and the rest a listing. The compiler, its
/// flags and the target are shown, but are no facts. Of images, the text is compared where --function names it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall diff old/my_program target/release/my_program --function '^my_crate::'
  cargo barecall diff asm-snapshots/x86_64-unknown-linux-gnu /tmp/with-beta
  cargo barecall diff say.O2.snap say.O3.snap

JSON:
  {\"schema\":1,\"old\",\"new\",\"same\",\"in_both\",\"functions\":[{\"name\",\"change\":\"added\"|\"removed\"|\"changed\",
   \"facts\":[{\"fact\",\"old\":[…],\"new\":[…]}],\"provenance\":[{…the same…}],\"text\":UNIFIED DIFF|null}]}")]
pub(crate) struct Args {
    /// An image, a folder of snapshots, or a snapshot
    old: PathBuf,
    /// The same, later
    new: PathBuf,
    /// Only functions (or snapshots) whose name this fits
    #[arg(long, value_name = "REGEX")]
    function: Option<Regex>,
    /// How to print the changes
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What a snapshot says about its own making. Not a finding.
const PROVENANCE: [&str; 8] = [
    "exhibit", "compiler", "target", "flags", "source", "date", "linker", "file",
];
/// Names listed before the rest is only counted.
const LISTED: usize = 20;

impl Args {
    /// Compares them.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let (old, new) = (Side::open(&self.old)?, Side::open(&self.new)?);
        let pair = [
            old.snapshots(self.function.as_ref()),
            new.snapshots(self.function.as_ref()),
        ];
        let [mut old_snapshots, mut new_snapshots] = pair;
        match (&old, &new) {
            // Two snapshots are meant for each other, whatever they are called.
            (Side::Text(_), Side::Text(_)) if old_snapshots.len() == 1 && new_snapshots.len() == 1 && self.old.is_file() => {
                if let (Some((name, _)), Some((_, snapshot))) = (old_snapshots.first_key_value(), new_snapshots.pop_first()) {
                    new_snapshots.insert(name.clone(), snapshot);
                }
            }
            (Side::Text(_), Side::Text(_)) | (Side::Image(_), Side::Image(_)) => {}
            _ => return Err("OLD and NEW must be of one kind: two images, two folders of snapshots, or two snapshots".into()),
        }
        if old_snapshots.is_empty() && new_snapshots.is_empty() {
            return Err(match &self.function {
                Some(regex) => format!(
                    "nothing in {} or {} fits --function {regex}",
                    self.old.display(),
                    self.new.display()
                ),
                None => format!(
                    "{} and {} hold nothing to compare",
                    self.old.display(),
                    self.new.display()
                ),
            }
            .into());
        }
        let with_text = self.function.is_some() || matches!(old, Side::Text(_));
        let names: BTreeSet<String> = old_snapshots
            .keys()
            .chain(new_snapshots.keys())
            .cloned()
            .collect();
        let mut difference = Difference {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            old: self.old.display().to_string(),
            new: self.new.display().to_string(),
            same: true,
            in_both: 0,
            functions: Vec::new(),
        };
        for name in names {
            let change = match (old_snapshots.remove(&name), new_snapshots.remove(&name)) {
                (Some(old), Some(new)) => {
                    difference.in_both += 1;
                    Change::between(name, &old, &new, with_text)
                }
                (Some(_), None) => Change::whole(name, "removed"),
                (None, _) => Change::whole(name, "added"),
            };
            if change.change != "changed" || !change.facts.is_empty() {
                difference.same = false;
            } else if change.provenance.is_empty() && change.text.is_none() {
                continue;
            }
            difference.functions.push(change);
        }
        let text = match self.format {
            Format::Text => difference.text(),
            Format::Json => record::line(&difference)?,
        };
        Ok(Outcome {
            text,
            holds: difference.same,
        })
    }
}

/// What one of the two is.
enum Side {
    Image(Box<Image>),
    Text(BTreeMap<String, String>),
}

impl Side {
    fn open(path: &Path) -> Result<Self, Failure> {
        let io = |error| format!("{}: cannot be read: {error}", path.display());
        let kind = std::fs::metadata(path).map_err(io)?;
        let mut texts = BTreeMap::new();
        if kind.is_dir() {
            folder(path, path, &mut texts)?;
            return Ok(Self::Text(texts));
        }
        if kind.is_file() {
            let bytes = std::fs::read(path).map_err(io)?;
            if let Ok(text) = String::from_utf8(bytes)
                && !head(&text).0.is_empty()
            {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                texts.insert(name.into_owned(), text);
                return Ok(Self::Text(texts));
            }
        }
        Ok(Self::Image(Box::new(images::open(path)?)))
    }

    fn snapshots(&self, only: Option<&Regex>) -> BTreeMap<String, Snapshot<'_>> {
        let fits = |name: &str| only.is_none_or(|regex| regex.is_match(name));
        let mut snapshots = BTreeMap::new();
        match self {
            Self::Text(texts) => {
                for (name, text) in texts.iter().filter(|(name, _)| fits(name)) {
                    snapshots.insert(name.clone(), Snapshot::read(text));
                }
            }
            Self::Image(image) => {
                let mut times: BTreeMap<String, usize> = BTreeMap::new();
                for function in image.functions() {
                    let mut name = function.name();
                    // By its address alone, nothing tells that it is the same function.
                    if function.mangled().is_none() || !fits(&name) {
                        continue;
                    }
                    // Generic functions: one name, several instances, in the order of their addresses.
                    let count = times.entry(name.clone()).or_default();
                    *count += 1;
                    if *count > 1 {
                        name = format!("{name} [{count}]");
                    }
                    snapshots.insert(name, Snapshot::of(function));
                }
            }
        }
        snapshots
    }
}

/// Reads a folder's text files, by their path within it.
fn folder(root: &Path, path: &Path, texts: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let io = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
    for entry in std::fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        let kind = entry.file_type().map_err(io)?;
        let path = entry.path();
        if kind.is_dir() {
            folder(root, &path, texts)?;
        } else if kind.is_file() {
            let bytes = std::fs::read(&path)
                .map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            if let Ok(text) = String::from_utf8(bytes)
                && !head(&text).0.is_empty()
            {
                texts.insert(name, text);
            }
        }
    }
    Ok(())
}

/// One function: its facts, and where its text comes from.
struct Snapshot<'a> {
    facts: Vec<(String, String)>,
    text: Text<'a>,
}

enum Text<'a> {
    Listing(String),
    Code(Function<'a>),
}

impl<'a> Snapshot<'a> {
    fn read(text: &str) -> Self {
        let (mut facts, listing) = head(text);
        if !facts.iter().any(|(name, _)| name == "instructions") {
            let count = listing.lines().filter(|line| is_instruction(line)).count();
            facts.push(("instructions".to_owned(), count.to_string()));
        }
        Self {
            facts,
            text: Text::Listing(listing),
        }
    }

    fn of(function: Function<'a>) -> Self {
        let listing = function.listing();
        let mut facts = vec![(
            "instructions".to_owned(),
            listing.instructions().len().to_string(),
        )];
        for call in function.calls() {
            let to = call.to().unwrap_or_else(|| "?".to_owned());
            let tail = if call.tail() { "  tail" } else { "" };
            // Where it is called by its address alone, that is no fact about the function.
            let to = if to.starts_with("0x") {
                "(no name)".to_owned()
            } else {
                to
            };
            facts.push(("call".to_owned(), format!("{to}  {}{tail}", call.route())));
        }
        Self {
            facts,
            text: Text::Code(function),
        }
    }

    fn text(&self) -> String {
        match &self.text {
            Text::Listing(text) => text.clone(),
            Text::Code(function) => portable(function),
        }
    }
}

/// A snapshot's facts, and its listing.
fn head(text: &str) -> (Vec<(String, String)>, String) {
    let mut rest = text;
    // insta's own lines.
    if let Some(after) = text.strip_prefix("---\n")
        && let Some((_, after)) = after.split_once("\n---\n")
    {
        rest = after;
    }
    let mut facts = Vec::new();
    while let Some(line) = rest.strip_prefix("# ") {
        let (line, after) = line.split_once('\n').unwrap_or((line, ""));
        let (name, value) = line.split_once("  ").unwrap_or((line, ""));
        facts.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = after;
    }
    (facts, rest.trim_start_matches('\n').to_owned())
}

/// Whether a line of a listing is an instruction: indented, and neither directive nor comment.
fn is_instruction(line: &str) -> bool {
    line.starts_with([' ', '\t'])
        && !line.trim_start().starts_with(['.', '#', ';', '/'])
        && !line.trim().is_empty()
}

/// A function's instructions without addresses, which change when anything before them does.
fn portable(function: &Function<'_>) -> String {
    let (Ok(number), Ok(relative)) = (
        Regex::new("0x[0-9a-f]+"),
        Regex::new(r"rip [+-] (0x[0-9a-f]+|\d+)"),
    ) else {
        return String::new();
    };
    let listing = function.listing();
    let address = |found: &str| u64::from_str_radix(found.trim_start_matches("0x"), 16).ok();
    let starts: BTreeSet<u64> = listing
        .instructions()
        .iter()
        .map(|instruction| instruction.address())
        .collect();
    let mut labels = BTreeMap::new();
    let is_branch = |text: &str| text.starts_with(['j', 'b', 'c', 't']);
    for text in listing
        .instructions()
        .iter()
        .filter(|one| one.call().is_none())
        .map(|one| one.text())
    {
        let target = number
            .find_iter(&text)
            .last()
            .and_then(|found| address(found.as_str()));
        if let Some(target) = target.filter(|target| is_branch(&text) && starts.contains(target)) {
            labels.insert(target, 0);
        }
    }
    labels
        .values_mut()
        .zip(1..)
        .for_each(|(label, n)| *label = n);
    let mut out = String::new();
    for instruction in listing.instructions() {
        if let Some(label) = labels.get(&instruction.address()) {
            // Writing to a String cannot fail.
            let _ = writeln!(out, ".L{label}:");
        }
        let text = instruction.text();
        let text = match instruction.call() {
            Some(call) => {
                let mnemonic = text.split(' ').next().unwrap_or_default();
                format!(
                    "{mnemonic} {} ({})",
                    call.to().as_deref().unwrap_or("?"),
                    call.route()
                )
            }
            None => {
                let text = relative.replace_all(&text, "rip + _");
                let label = |found: &Captures<'_>| match address(&found[0])
                    .and_then(|target| labels.get(&target))
                {
                    Some(label) => format!(".L{label}"),
                    None => found[0].to_owned(),
                };
                number.replace_all(&text, label).into_owned()
            }
        };
        let _ = writeln!(out, "\t{text}");
    }
    out
}

#[derive(Serialize)]
struct Difference {
    schema: u32,
    /// Of barecall.
    version: &'static str,
    old: String,
    new: String,
    same: bool,
    in_both: usize,
    functions: Vec<Change>,
}

/// What became of one function.
#[derive(Serialize)]
struct Change {
    name: String,
    change: &'static str,
    facts: Vec<Fact>,
    provenance: Vec<Fact>,
    text: Option<String>,
}

/// A fact's values that the other side has not.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord, Clone)]
struct Fact {
    fact: String,
    old: Vec<String>,
    new: Vec<String>,
}

impl Change {
    fn whole(name: String, change: &'static str) -> Self {
        Self {
            name,
            change,
            facts: Vec::new(),
            provenance: Vec::new(),
            text: None,
        }
    }

    fn between(name: String, old: &Snapshot<'_>, new: &Snapshot<'_>, with_text: bool) -> Self {
        let mut changed: BTreeMap<&str, Fact> = BTreeMap::new();
        let mut left: Vec<_> = new.facts.iter().collect();
        let mut gone = Vec::new();
        for fact in &old.facts {
            match left.iter().position(|other| *other == fact) {
                Some(at) => drop(left.remove(at)),
                None => gone.push(fact),
            }
        }
        for (side, facts) in [(0, gone), (1, left)] {
            for (name, value) in facts {
                let fact = changed.entry(name).or_insert_with(|| Fact {
                    fact: name.clone(),
                    old: Vec::new(),
                    new: Vec::new(),
                });
                if side == 0 {
                    &mut fact.old
                } else {
                    &mut fact.new
                }
                .push(value.clone());
            }
        }
        let (provenance, facts) = changed
            .into_values()
            .partition(|fact| PROVENANCE.contains(&fact.fact.as_str()));
        let text = with_text
            .then(|| (old.text(), new.text()))
            .filter(|(old, new)| old != new);
        let text = text.map(|(old, new)| {
            TextDiff::from_lines(&old, &new)
                .unified_diff()
                .context_radius(3)
                .to_string()
        });
        Self {
            name,
            change: "changed",
            facts,
            provenance,
            text,
        }
    }
}

impl Difference {
    fn text(&self) -> String {
        let of = |change: &str| -> Vec<&str> {
            let functions = self
                .functions
                .iter()
                .filter(|function| function.change == change);
            functions.map(|function| function.name.as_str()).collect()
        };
        let (removed, added) = (of("removed"), of("added"));
        let facts: Vec<_> = self
            .functions
            .iter()
            .filter(|function| !function.facts.is_empty())
            .collect();
        let texts: Vec<_> = self
            .functions
            .iter()
            .filter(|function| function.text.is_some())
            .collect();
        let alone = texts
            .iter()
            .filter(|function| function.facts.is_empty())
            .count();
        let mut out = format!(
            "{} -> {}: {} in both, {} with changed facts, {} removed, {} added; {alone} changed in text alone\n",
            self.old,
            self.new,
            self.in_both,
            facts.len(),
            removed.len(),
            added.len()
        );
        // The same everywhere, as a rule: once is enough.
        let mut provenance: BTreeMap<&Fact, usize> = BTreeMap::new();
        for fact in self
            .functions
            .iter()
            .flat_map(|function| &function.provenance)
        {
            *provenance.entry(fact).or_default() += 1;
        }
        for (fact, times) in &provenance {
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "  {}: {} -> {} (in {times})",
                fact.fact,
                fact.old.join("; "),
                fact.new.join("; ")
            );
        }
        for function in facts {
            let _ = writeln!(out, "\n{}", painted(BOLD, &function.name));
            for fact in &function.facts {
                if let ([old], [new]) = (&fact.old[..], &fact.new[..]) {
                    let _ = writeln!(
                        out,
                        "  {}: {} -> {}",
                        fact.fact,
                        painted(RED, old),
                        painted(GREEN, new)
                    );
                    continue;
                }
                for old in &fact.old {
                    let _ = writeln!(
                        out,
                        "  {}",
                        painted(RED, format_args!("- {}: {old}", fact.fact))
                    );
                }
                for new in &fact.new {
                    let _ = writeln!(
                        out,
                        "  {}",
                        painted(GREEN, format_args!("+ {}: {new}", fact.fact))
                    );
                }
            }
        }
        for (head, names) in [("Removed", removed), ("Added", added)] {
            if names.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n{}", painted(BOLD, head));
            for name in names.iter().take(LISTED) {
                let _ = writeln!(out, "  {name}");
            }
            if names.len() > LISTED {
                let _ = writeln!(
                    out,
                    "  and {} more: --format json has them all",
                    names.len() - LISTED
                );
            }
        }
        for function in texts {
            let _ = writeln!(
                out,
                "\n{}",
                painted(BOLD, format_args!("Text of {}", function.name))
            );
            for line in function.text.as_deref().unwrap_or_default().lines() {
                let style = match line.as_bytes().first() {
                    Some(b'-') => RED,
                    Some(b'+') => GREEN,
                    _ => anstyle::Style::new(),
                };
                let _ = writeln!(out, "{}", painted(style, line));
            }
        }
        out
    }
}
