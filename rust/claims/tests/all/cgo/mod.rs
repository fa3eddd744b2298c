//! The Go side: built, walked, and compared with what is on file; and what is said where it cannot be built.
//!
//! With any Go and C compiler the facts are asserted; with those on record, every count and every listing. To record
//! anew, with the Go that is on PATH or that GO names:
//! `INSTA_UPDATE=always cargo test -p claims --test all cgo`. The evidence itself is recorded only with the newest Go on
//! record or a newer one; an older one goes into the table of versions.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod again;
mod goroutines;
mod listing;
mod said;
mod versions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use barecall::Image;
use barecall::walk::Walk;

use claims::baseline::{self, Record};
use claims::go::calls::{self, CALLS, GoCall, GoCallKind};
use claims::go::phase;
use claims::go::program::{self, Program};
use claims::go::recorded::{self, FOLDER, GoFacts, WALKS};
use claims::go::toolchain::Toolchain;
use claims::report::{Evidence, Side, Walked};
use listing::{hashless, listing, without_hash};
use versions::{Counts, VERSIONS, Version, Versions};

const ACCEPT: &str = "to accept: `INSTA_UPDATE=always cargo test -p claims --test all cgo`";

/// The program, built once for all tests; aloud, if it cannot be.
fn program() -> Option<&'static Program> {
    static PROGRAM: OnceLock<Option<Program>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| match Program::build() {
        Ok(program) => Some(program),
        Err(why) => {
            testkit::missing("go", &why.to_string());
            None
        }
    });
    program.as_ref()
}

fn updates() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|how| how == "always")
}

fn today() -> String {
    time::UtcDateTime::now().date().to_string()
}

/// Whether the record is of another toolchain than this one, and whose it is.
fn another(program: &Program, made_by: &[String]) -> Option<String> {
    let (here, there) = (program.toolchain.made_by().join(", "), made_by.join(", "));
    (here != there).then(|| format!("recorded with {there}, this is {here}"))
}

/// Each walk three times over; none as it must not be. With the Go on record all three are the same. An older one
/// takes the time of one change of state in eight: of each call, the walk with the fewest instructions.
fn walks(program: &Program) -> Vec<(&'static GoCall, Walk)> {
    let mut least: Vec<(&GoCall, Walk)> = Vec::new();
    let mut same = true;
    let mut rounds = 3;
    let mut round = 0;
    while round < rounds {
        let taken: Vec<(&GoCall, Walk)> = CALLS
            .iter()
            .zip(calls::walk(program, &CALLS))
            .map(|(call, walk)| {
                (
                    call,
                    walk.unwrap_or_else(|why| panic!("{}: {why}", call.name)),
                )
            })
            .collect();
        for (index, (call, walk)) in taken.iter().enumerate() {
            let faults = call.faults(walk);
            assert_eq!(faults, Vec::<String>::new(), "{}:\n{walk}", call.name);
            if let Some((_, first)) = least.get_mut(index) {
                same &= walk == first;
                if Counts::of(walk).total() < Counts::of(first).total() {
                    *first = walk.clone();
                }
            }
        }
        if least.is_empty() {
            least = taken;
        }
        if !same && rounds == 3 {
            assert!(!is_on_record(program), "the walks are not the same again");
            rounds = 12;
        }
        round += 1;
    }
    least
}

/// Whether the evidence on file is this toolchain's.
fn is_on_record(program: &Program) -> bool {
    Record::<GoFacts>::read(&WALKS).is_ok_and(|record| another(program, &record.made_by).is_none())
}

#[test]
fn the_evidence_is_what_is_on_file() {
    let Some(program) = program() else { return };
    let walks = walks(program);
    let blocked = recorded::blocked(program, 8).expect("it says what it found");
    assert_eq!(
        (
            blocked.processors,
            blocked.calls,
            blocked.in_c,
            blocked.ticks
        ),
        (1, 8, 8, 1000)
    );
    assert!(blocked.threads > blocked.calls, "{blocked:?}");

    let mut versions = on_file();
    versions.put(Version {
        go: program.toolchain.version.clone(),
        cc: program.toolchain.cc.clone(),
        recorded: today(),
        calls: walks
            .iter()
            .map(|(call, walk)| (call.name.to_owned(), Counts::of(walk)))
            .collect(),
    });
    let facts = GoFacts {
        blocked,
        walks: walks
            .iter()
            .map(|(call, walk)| Walked {
                side: Side::Go,
                name: call.name.to_owned(),
                evidence: Evidence::Recorded,
                phases: Some(phase::of(walk)),
                walk: hashless(walk),
            })
            .collect(),
    };
    let mut record = Record::new(&WALKS, program.toolchain.made_by(), facts);
    let known = Record::<GoFacts>::read(&WALKS);
    if let Ok(known) = &known
        && another(program, &known.made_by).is_none()
    {
        // Of what is not the same in every run, what is on file stays.
        record.recorded.clone_from(&known.recorded);
        let (found, known) = (&mut record.facts.blocked, &known.facts.blocked);
        found.threads = known.threads;
        found.threads_before = known.threads_before;
    }
    let newest = versions.versions.first().map(|version| version.go.as_str());
    if updates() {
        if versions != on_file() {
            let record = Record::new(&VERSIONS, versions.made_by(), versions.clone());
            record.write(&VERSIONS).expect("written");
        }
        std::fs::write(readme(), with_tables(&versions)).expect("written");
        if newest == Some(&program.toolchain.version) {
            record.write(&WALKS).expect("written");
            texts(program, &walks);
        }
        return;
    }
    let known = known.unwrap_or_else(|why| panic!("{why}; {ACCEPT}"));
    let counted = on_file();
    let version = counted
        .versions
        .iter()
        .find(|version| another(program, &[version.go.clone(), version.cc.clone()]).is_none());
    match version {
        Some(_) => assert_eq!(
            versions.versions, counted.versions,
            "the counts are not those on file; {ACCEPT}"
        ),
        None => testkit::missing(
            "pinned",
            &format!(
                "no counts are on file for {}, {}",
                program.toolchain.version, program.toolchain.cc
            ),
        ),
    }
    match another(program, &known.made_by) {
        None => {
            assert_eq!(record, known, "the walks are not those on file; {ACCEPT}");
            texts(program, &walks);
        }
        Some(why) if version.is_none() => testkit::missing("pinned", &why),
        // An older one on record: its counts have been compared.
        Some(_) => {}
    }
}

fn on_file() -> Versions {
    match Record::read(&VERSIONS) {
        Ok(record) => record.facts,
        Err(why) if updates() => {
            eprintln!("{why}");
            Versions::default()
        }
        Err(why) => panic!("{why}"),
    }
}

/// The ladders and the listings, as text: every one of them, and no other.
fn texts(program: &Program, walks: &[(&GoCall, Walk)]) {
    let head = |what: String| {
        format!(
            "# {what}\n# compiler  {}, {}\n# target    {}\n# flags     -trimpath -buildvcs=false; C: -std=c11 -O3\n\n",
            program.toolchain.version,
            program.toolchain.cc,
            baseline::TARGET
        )
    };
    let mut texts = Vec::new();
    let mut functions = BTreeSet::new();
    for (call, walk) in walks {
        let mut text = head(format!("walk      {}: {}", call.name, call.says));
        text.push_str(&hashless(walk).to_text());
        if matches!(call.kind, GoCallKind::Out | GoCallKind::Callback) {
            text.push_str("\nby phase, out and back together\n");
            for (phase, count) in &Counts::of(walk).phases {
                text.push_str(&format!("{count:6}  {phase}\n"));
            }
        }
        texts.push((format!("{}.walk", call.name), text));
        // These three go through every function that any of them does, but for C's own names.
        if ["add_one", "add_one_nocallback", "visit"].contains(&call.name) {
            functions.insert(walk.from.clone());
            let steps = walk.out.steps.iter().chain(&walk.back.steps);
            functions.extend(steps.map(|step| step.symbol.clone()));
        }
    }
    let image = Image::open(&program.path).expect("the program");
    for name in functions {
        let function = image
            .function(&name)
            .unwrap_or_else(|why| panic!("{name}: {why}"));
        let name = without_hash(&name);
        let mut text = head(format!("function  {name}"));
        text.push_str(&listing(&image, &function));
        texts.push((name, text));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // In the file's own head, which is not compared: a listing keeps its date until it changes.
    settings.set_description(format!("recorded {}", today()));
    settings.bind(|| {
        for (name, text) in &texts {
            insta::assert_snapshot!(name.clone(), text);
        }
    });
    let expected: BTreeSet<String> = texts
        .iter()
        .map(|(name, _)| format!("{name}.snap"))
        .collect();
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".snap"))
        .collect();
    for left in found.difference(&expected) {
        assert!(updates(), "{left} belongs to nothing; {ACCEPT}");
        std::fs::remove_file(folder().join(left)).expect("removed");
    }
}

fn folder() -> PathBuf {
    // Without `..`, which insta takes for a path from the test's own folder.
    baseline::root()
        .join(FOLDER)
        .canonicalize()
        .expect("the folder is there")
}

/// The tables are what is on file, whatever Go is here.
#[test]
fn the_tables_are_those_on_file() {
    if updates() {
        return;
    }
    let versions = on_file();
    let text = std::fs::read_to_string(readme()).expect("cgo/README.md");
    assert!(
        with_tables(&versions) == text,
        "cgo/README.md has other counts; {ACCEPT}"
    );
    assert!(versions.versions.len() >= 2, "one Go is no comparison");
}

fn readme() -> PathBuf {
    program::sources().join("README.md")
}

/// `cgo/README.md` with these counts.
fn with_tables(versions: &Versions) -> String {
    let text = std::fs::read_to_string(readme()).expect("cgo/README.md");
    let tables = [
        ("calls", versions.table()),
        ("phases of add_one", versions.phases("add_one")),
        ("phases of visit", versions.phases("visit")),
    ];
    tables
        .iter()
        .fold(text, |text, (name, table)| replaced(&text, name, table))
}

/// The text with that table between its marks.
fn replaced(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{begin}{table}{end}{after}")
}

/// Elsewhere, the same sources make the same program, byte by byte.
#[test]
fn another_folder_makes_the_same_program() {
    let Some(program) = program() else { return };
    let elsewhere = copy();
    let other = built(program.toolchain.clone(), elsewhere.path());
    same(program, &other);
}

/// And so do two builds from nothing: in two folders, each with a cache of its own. Some 15 s each.
#[test]
#[ignore = "slow: builds Go's library twice"]
fn two_clean_builds_make_the_same_program() {
    let Some(program) = program() else { return };
    let clean = || {
        let folder = copy();
        // None of its own, so that it is made for this build alone.
        let toolchain = Toolchain {
            cache: None,
            ..program.toolchain.clone()
        };
        built(toolchain, folder.path())
    };
    let (one, other) = (clean(), clean());
    same(&one, &other);
    same(&one, program);
    let (one, other) = (walks(&one), walks(&other));
    assert_eq!(one, other);
}

/// `cgo/` and `c/` in a folder of their own.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["cgo", "c"] {
        let from = program::sources().join("..").join(name);
        let to = folder.path().join(name);
        std::fs::create_dir(&to).expect("a folder");
        for entry in std::fs::read_dir(from).expect("the sources") {
            let entry = entry.expect("an entry");
            // `cgo/tasks` is another program.
            if entry.path().is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
            }
        }
    }
    folder
}

fn built(toolchain: Toolchain, folder: &Path) -> Program {
    Program::build_with(toolchain, &folder.join("cgo"), None).expect("it is built")
}

fn same(one: &Program, other: &Program) {
    let read = |program: &Program| std::fs::read(&program.path).expect("the program");
    assert!(read(one) == read(other), "the two programs differ");
}

/// As a user of the module meets it.
#[test]
fn the_program_says_what_it_is_asked_wrongly() {
    let Some(program) = program() else { return };
    for (arguments, said) in [
        (vec![], "usage: zcffi-go"),
        (vec!["no_such_act"], "no act no_such_act; `zcffi-go list`"),
        (vec!["bench", "add_one", "x"], "x is no number from 1 to"),
        (vec!["bench", "add_one", "0"], "0 is no number"),
        (
            vec!["blocked", "1000000"],
            "1000000 is no number from 1 to 1000",
        ),
    ] {
        let output = Command::new(&program.path)
            .args(&arguments)
            .output()
            .expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    let list = Command::new(&program.path)
        .arg("list")
        .output()
        .expect("it runs");
    let list = String::from_utf8_lossy(&list.stdout);
    let names: Vec<&str> = CALLS.iter().map(|call| call.name).collect();
    assert_eq!(list.lines().collect::<Vec<_>>(), names);
    for name in names {
        let output = Command::new(&program.path)
            .args(["bench", name, "1000"])
            .output()
            .expect("it runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(stdout.trim().parse::<u64>().is_ok(), "{name}: {stdout}");
    }
}
