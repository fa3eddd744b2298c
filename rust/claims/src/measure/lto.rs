//! The exhibits once more, in a program of their own: built with linker-plugin LTO, and without it.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use barecall::walk::{Walk, WalkError};
use barecall::{Function, Image, Instruction};
use serde::{Deserialize, Serialize};
use zero_cost_ffi::catalogue::{self, Exhibit};
use zero_cost_ffi::compilers::Twins;

use super::missing::MissingTool;
use super::process;
use crate::baseline;
use crate::image_under_test::{ImageUnderTest, on_show, words};

/// How often the loop goes round, in two walks whose difference is the rest.
const SHORT: u64 = 10;
const LONG: u64 = 110;

/// One exhibit in both builds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    /// Its calls of the C function, with LTO.
    pub calls: u64,
    /// Whether the C function still is in the image, with LTO.
    pub callee_is_there: bool,
    /// What it executes, all it calls included, with LTO and without. A loop's, once round.
    pub with: u64,
    pub without: u64,
}

/// What is to be known of both builds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    pub rows: Vec<Row>,
    /// What the walk to `greet_add_one` says where there is none.
    pub walked: String,
    /// The machine code with LTO, by exhibit.
    pub listings: BTreeMap<String, Vec<String>>,
}

/// The facts on file.
pub const FILE: baseline::File = baseline::File {
    path: "asm-snapshots/x86_64-unknown-linux-gnu/below-zero.json",
    schema: 1,
    command: "cargo run --release -- prove --record below-zero",
};

/// What is in [`FILE`].
pub type Record = baseline::Record<Facts>;

/// Both builds, compared.
#[derive(Debug)]
pub struct Compared {
    pub facts: Facts,
    /// Faults of the control: what the build without LTO should have and has not.
    pub faults: Vec<String>,
    pub made_by: Vec<String>,
}

/// Why they could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum NotCompared {
    #[error("no clang: `apt-get install clang-14`, then `touch build.rs`")]
    NoClang,
    #[error("{command}: {source}")]
    Build {
        command: String,
        source: process::Error,
    },
    #[error("{0}")]
    Image(#[from] barecall::Error),
    #[error("{0}")]
    Walk(#[from] WalkError),
}

impl MissingTool for NotCompared {
    fn missing_tool(&self) -> Option<&'static str> {
        match self {
            Self::NoClang => Some("clang"),
            Self::Walk(error) => error.missing_tool(),
            Self::Build { .. } | Self::Image(_) => None,
        }
    }
}

/// The exhibits that call the static library, and have a twin.
pub fn exhibits() -> Vec<Exhibit> {
    let all = catalogue::exhibits().into_iter();
    all.filter(|exhibit| exhibit.twin.is_some() && exhibit.calls[0].starts_with("greet_"))
        .collect()
}

/// Builds both beside the judge's own image, and compares them. Half a minute the first time.
///
/// # Errors
/// Whatever keeps one from being built, read or walked.
pub fn compare(subject: &ImageUnderTest) -> Result<Compared, NotCompared> {
    let clang = clang().ok_or(NotCompared::NoClang)?;
    let folder = subject.image.path().with_file_name("below-zero");
    let with = build(&folder.join("with"), &clang, true)?;
    let without = build(&folder.join("without"), &clang, false)?;
    let (image, control) = (Image::open(&with)?, Image::open(&without)?);
    let mut compared = Compared {
        facts: Facts::default(),
        faults: Vec::new(),
        made_by: image.producers().to_vec(),
    };
    for exhibit in exhibits() {
        let callee = exhibit.calls[0];
        let function = image.function(exhibit.path)?;
        if let Err(fault) = control.function(exhibit.path)?.bare_calls(exhibit.calls) {
            compared.faults.push(format!("without LTO: {fault}"));
        }
        if let Err(fault) = control.function(callee) {
            compared.faults.push(format!("without LTO: {fault}"));
        }
        compared.facts.rows.push(Row {
            name: exhibit.name.to_owned(),
            calls: on_show(&function, exhibit.calls).len() as u64,
            callee_is_there: image.function(callee).is_ok(),
            with: count(&with, &exhibit)?,
            without: count(&without, &exhibit)?,
        });
        let name = exhibit.name.to_owned();
        compared.facts.listings.insert(name, listing(&function));
        if exhibit.name == "add_one_times" {
            let there = walker(&without, SHORT)
                .from(exhibit.path)
                .to(callee)
                .run()?;
            if !there.is_bare() {
                compared.faults.push(format!("without LTO:\n{there}"));
            }
            compared.facts.walked = match walker(&with, SHORT).from(exhibit.path).to(callee).run() {
                Ok(walk) => walk.to_string(),
                Err(nowhere) => nowhere.to_string(),
            };
        }
    }
    Ok(compared)
}

/// The clang that the build found, by the name under which it is.
fn clang() -> Option<String> {
    let found = Twins::BY_CLANG?.compiler;
    let numbered = (14..=22).rev().map(|version| format!("clang-{version}"));
    std::iter::once("clang".to_owned())
        .chain(numbered)
        .find(|name| {
            let version =
                process::stdout(Command::new(name).arg("--version"), Duration::from_secs(10));
            version.is_ok_and(|version| version.starts_with(found))
        })
}

/// Builds examples/below_zero.rs: the library through Cargo, the program on it by rustc alone, since Cargo would first
/// build whatever the tests need.
fn build(folder: &Path, clang: &str, lto: bool) -> Result<PathBuf, NotCompared> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kind = if lto {
        "with linker-plugin LTO"
    } else {
        "without"
    };
    // Nothing to be done about a stderr that cannot be written.
    let _ = writeln!(std::io::stderr(), "below-zero: building {kind}, by {clang}");
    let (cflags, rustflags) = if lto {
        ("-flto=thin", "-Clinker-plugin-lto")
    } else {
        ("", "")
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args([
            "build",
            "--release",
            "--locked",
            "--lib",
            "--package",
            "zero-cost-ffi",
            "--target-dir",
        ])
        .arg(folder)
        .env("CC", clang)
        .env("CFLAGS", cflags)
        .env("RUSTFLAGS", rustflags)
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    run(cargo.current_dir(&root))?;
    let (built, program) = (folder.join("release"), folder.join("below_zero"));
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc
        .args([
            "--edition=2024",
            "-C",
            "opt-level=3",
            "examples/below_zero.rs",
            "-o",
        ])
        .arg(&program)
        .args(rustflags.split_whitespace())
        .arg("--extern")
        .arg(format!(
            "zero_cost_ffi={}",
            built.join("libzero_cost_ffi.rlib").display()
        ))
        .arg("-L")
        .arg(format!("dependency={}", built.join("deps").display()));
    run(rustc.current_dir(&root))?;
    run(&mut Command::new(&program))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<(), NotCompared> {
    /// A build takes half a minute.
    const LIMIT: Duration = Duration::from_secs(600);
    process::stdout(command, LIMIT)
        .map(drop)
        .map_err(|source| NotCompared::Build {
            command: format!("{command:?}"),
            source,
        })
}

fn walker(program: &Path, times: u64) -> barecall::walk::Walker {
    let mut command = Command::new(program);
    command
        .arg(times.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Walk::of(command).timeout(Duration::from_secs(20))
}

/// What an exhibit executes until it returns. A loop's, once round.
fn count(program: &Path, exhibit: &Exhibit) -> Result<u64, WalkError> {
    let all = |times| {
        let walk = walker(program, times)
            .from("perform")
            .to(exhibit.path)
            .run();
        walk.map(|walk| walk.callee.instructions)
    };
    if crate::scenario::call::is_loop(exhibit.name) {
        return Ok((all(LONG)? - all(SHORT)?) / (LONG - SHORT));
    }
    all(SHORT)
}

fn listing(function: &Function<'_>) -> Vec<String> {
    let calls = function.calls();
    let listing = function.listing();
    let line = |instruction: &Instruction<'_>| {
        let at = instruction.address();
        match calls.iter().find(|call| call.at() == at) {
            Some(call) => format!(
                "{}  {}, to {}",
                instruction.text(),
                words(call),
                call.to().as_deref().unwrap_or("?")
            ),
            None => instruction.text(),
        }
    };
    listing.instructions().iter().map(line).collect()
}
