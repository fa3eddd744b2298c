//! `cargo barecall diff`: what changed between two images, or between two recorded listings: facts first, then text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use barecall::{Function, Image};
use regex::{Captures, Regex};
use serde::Serialize;
use similar::TextDiff;

use crate::{BOLD, Document, Failure, Format, GREEN, Outcome, RED, images, painted};

/// Print which facts changed (routes, counts, instructions), then the changed text. If a fact changed, exit with 1.
///
/// OLD and NEW are two images, or two recorded listings of a function. A recorded listing is a text file whose first
/// lines, `# name  value`, are its facts (`# call  puts  got  tail`). The compiler, its flags and the target are shown,
/// but do not count as facts. The text of images is compared only for functions that --function selects. To compare
/// folders of listings, use `diff -r`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall diff old/my_program target/release/my_program --function '^my_crate::'
  cargo barecall diff say.O2.snap say.O3.snap

JSON:
  {\"schema\":1,\"old\",\"new\",\"same\",\"in_both\",\"functions\":[{\"name\",\"change\":\"added\"|\"removed\"|\"changed\",
   \"facts\":[{\"fact\",\"old\":[…],\"new\":[…]}],\"provenance\":[{…the same…}],\"text\":UNIFIED DIFF|null}]}")]
pub(crate) struct Args {
    /// An image, or a recorded listing
    old: PathBuf,
    /// A later version of the same
    new: PathBuf,
    /// Compare only functions whose name matches
    #[arg(long, value_name = "REGEX")]
    function: Option<Regex>,
    /// How to print the changes
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What a listing says about its own making. Not a finding.
const PROVENANCE: [&str; 8] = [
    "exhibit", "compiler", "target", "flags", "source", "date", "linker", "file",
];
/// Names listed before the rest is only counted.
const LISTED: usize = 20;

impl Args {
    /// Compares them.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let sides = (Side::open(&self.old)?, Side::open(&self.new)?);
        let (mut old, mut new) = match (&sides, &self.function) {
            ((Side::Image(old), Side::Image(new)), only) => {
                (functions(old, only.as_ref()), functions(new, only.as_ref()))
            }
            ((Side::Listing(_), Side::Listing(_)), Some(_)) => {
                return Err("--function names functions of images, and a listing is of one".into());
            }
            ((Side::Listing(old), Side::Listing(new)), None) => {
                // They are meant for each other, whatever they are called.
                let name = self.old.file_name().unwrap_or_default().to_string_lossy();
                let side = |text| BTreeMap::from([(name.to_string(), Snapshot::read(text))]);
                (side(old), side(new))
            }
            _ => return Err("OLD and NEW must be two images, or two recorded listings".into()),
        };
        if old.is_empty() && new.is_empty() {
            let (old, new) = (self.old.display(), self.new.display());
            return Err(match &self.function {
                Some(regex) => format!("nothing in {old} or {new} fits --function {regex}").into(),
                None => format!("{old} and {new} hold nothing to compare").into(),
            });
        }
        let names: BTreeSet<String> = old.keys().chain(new.keys()).cloned().collect();
        let mut difference = Difference {
            old: self.old.display().to_string(),
            new: self.new.display().to_string(),
            same: true,
            in_both: 0,
            functions: Vec::new(),
        };
        for name in names {
            let change = match (old.remove(&name), new.remove(&name)) {
                (Some(old), Some(new)) => {
                    difference.in_both += 1;
                    Change::between(name, &old, &new)
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
        Ok(Outcome {
            text: self.format.render(&difference)?,
            holds: difference.same,
        })
    }
}

/// What one of the two is.
enum Side {
    Image(Box<Image>),
    Listing(String),
}

impl Side {
    fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let io = |error| format!("{shown}: cannot be read: {error}");
        let kind = std::fs::metadata(path).map_err(io)?;
        if kind.is_dir() {
            return Err(format!("{shown} is a folder; `diff -r` compares folders").into());
        }
        if kind.is_file()
            && let Ok(text) = String::from_utf8(std::fs::read(path).map_err(io)?)
            && !head(&text).0.is_empty()
        {
            return Ok(Self::Listing(text));
        }
        Ok(Self::Image(Box::new(images::open(path)?)))
    }
}

/// The functions of an image that have a name: by their addresses alone, nothing tells which are the same.
fn functions(image: &Image, only: Option<&Regex>) -> BTreeMap<String, Snapshot> {
    let mut functions = BTreeMap::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for function in image.functions().filter(|one| one.mangled().is_some()) {
        let mut name = function.name();
        if only.is_some_and(|regex| !regex.is_match(&name)) {
            continue;
        }
        // Generic functions: one name, several instances, in the order of their addresses.
        let count = times.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name = format!("{name} [{count}]");
        }
        functions.insert(name, Snapshot::of(&function, only.is_some()));
    }
    functions
}

/// One function: its facts, and its text if that is compared.
struct Snapshot {
    facts: Vec<(String, String)>,
    text: Option<String>,
}

impl Snapshot {
    fn read(text: &str) -> Self {
        let (mut facts, listing) = head(text);
        if !facts.iter().any(|(name, _)| name == "instructions") {
            let count = listing.lines().filter(|line| is_instruction(line)).count();
            facts.push(("instructions".to_owned(), count.to_string()));
        }
        Self {
            facts,
            text: Some(listing),
        }
    }

    fn of(function: &Function<'_>, with_text: bool) -> Self {
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
            text: with_text.then(|| portable(function)),
        }
    }
}

/// A recorded listing's facts, and the listing itself.
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
    let regex = |text| Regex::new(text).expect("it is a constant");
    let (number, relative) = (regex("0x[0-9a-f]+"), regex(r"rip [+-] (0x[0-9a-f]+|\d+)"));
    let address = |found: &str| u64::from_str_radix(found.trim_start_matches("0x"), 16).ok();
    let listing = function.listing();
    let instructions = listing.instructions();
    let starts: BTreeSet<u64> = instructions.iter().map(|one| one.address()).collect();
    // Where branches lead: b, cbz, jmp, tbz and their kin.
    let targets: BTreeSet<u64> = instructions
        .iter()
        .filter(|one| one.call().is_none())
        .map(|one| one.text())
        .filter(|text| text.starts_with(['j', 'b', 'c', 't']))
        .filter_map(|text| address(number.find_iter(&text).last()?.as_str()))
        .filter(|target| starts.contains(target))
        .collect();
    let labels: BTreeMap<u64, usize> = targets.into_iter().zip(1..).collect();
    let mut out = String::new();
    for instruction in instructions {
        // Writing to a String cannot fail.
        if let Some(label) = labels.get(&instruction.address()) {
            let _ = writeln!(out, ".L{label}:");
        }
        let text = instruction.text();
        let text = if let Some(call) = instruction.call() {
            let (mnemonic, to) = (text.split(' ').next().unwrap_or_default(), call.to());
            let to = to.as_deref().unwrap_or("?");
            format!("{mnemonic} {to} ({})", call.route())
        } else {
            let label = |found: &Captures<'_>| {
                let label = address(&found[0]).and_then(|target| labels.get(&target));
                label.map_or_else(|| found[0].to_owned(), |label| format!(".L{label}"))
            };
            let text = relative.replace_all(&text, "rip + _");
            number.replace_all(&text, label).into_owned()
        };
        let _ = writeln!(out, "\t{text}");
    }
    out
}

#[derive(Serialize)]
struct Difference {
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
#[derive(Serialize)]
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

    fn between(name: String, old: &Snapshot, new: &Snapshot) -> Self {
        let mut changed: BTreeMap<&str, Fact> = BTreeMap::new();
        let mut left: Vec<_> = new.facts.iter().collect();
        let mut gone = Vec::new();
        for fact in &old.facts {
            match left.iter().position(|other| *other == fact) {
                Some(at) => drop(left.remove(at)),
                None => gone.push(fact),
            }
        }
        let old_values = gone.into_iter().map(|fact| (fact, true));
        let new_values = left.into_iter().map(|fact| (fact, false));
        for ((name, value), is_old) in old_values.chain(new_values) {
            let fact = changed.entry(name).or_insert_with(|| Fact {
                fact: name.clone(),
                old: Vec::new(),
                new: Vec::new(),
            });
            let values = if is_old { &mut fact.old } else { &mut fact.new };
            values.push(value.clone());
        }
        let (provenance, facts) = changed
            .into_values()
            .partition(|fact| PROVENANCE.contains(&fact.fact.as_str()));
        let texts = old.text.as_ref().zip(new.text.as_ref());
        let text = texts.filter(|(old, new)| old != new).map(|(old, new)| {
            let diff = TextDiff::from_lines(old, new);
            diff.unified_diff().context_radius(3).to_string()
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

impl Document for Difference {
    fn text(&self) -> String {
        let of = |change: &str| -> Vec<&Change> {
            let functions = self.functions.iter();
            functions.filter(|one| one.change == change).collect()
        };
        let (changed, removed, added) = (of("changed"), of("removed"), of("added"));
        let (facts, alone): (Vec<&Change>, Vec<_>) =
            changed.iter().partition(|one| !one.facts.is_empty());
        let mut out = format!(
            "{} -> {}: {} in both, {} with changed facts, {} removed, {} added; {} changed in text alone\n",
            self.old,
            self.new,
            self.in_both,
            facts.len(),
            removed.len(),
            added.len(),
            alone.iter().filter(|one| one.text.is_some()).count()
        );
        // Writing to a String cannot fail.
        for fact in changed.iter().flat_map(|one| &one.provenance) {
            let (old, new) = (fact.old.join("; "), fact.new.join("; "));
            let _ = writeln!(out, "  {}: {old} -> {new}", fact.fact);
        }
        for function in facts {
            let _ = writeln!(out, "\n{}", painted(BOLD, &function.name));
            for Fact { fact, old, new } in &function.facts {
                if let ([old], [new]) = (&old[..], &new[..]) {
                    let (old, new) = (painted(RED, old), painted(GREEN, new));
                    let _ = writeln!(out, "  {fact}: {old} -> {new}");
                    continue;
                }
                for (sign, style, values) in [('-', RED, old), ('+', GREEN, new)] {
                    for value in values {
                        let line = painted(style, format_args!("{sign} {fact}: {value}"));
                        let _ = writeln!(out, "  {line}");
                    }
                }
            }
        }
        for (head, functions) in [("Removed", removed), ("Added", added)] {
            if functions.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n{}", painted(BOLD, head));
            for function in functions.iter().take(LISTED) {
                let _ = writeln!(out, "  {}", function.name);
            }
            if let more @ 1.. = functions.len().saturating_sub(LISTED) {
                let _ = writeln!(out, "  and {more} more: --format json has them all");
            }
        }
        for function in changed {
            let Some(text) = &function.text else { continue };
            let head = painted(BOLD, format_args!("Text of {}", function.name));
            let _ = writeln!(out, "\n{head}");
            for line in text.lines() {
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
