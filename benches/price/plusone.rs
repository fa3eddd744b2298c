//! The best-known published table, measured again: dyu/ffi-overhead counts in milliseconds what so many calls of
//! `plusone` take, each with the result of the one before.
//!
//! The programs are written anew to its description: the same loop, the same callee in a shared library, the same
//! opt-level. Beside the time stands what it cannot show: the instructions of one call, exact, by walking the loop at
//! two lengths.

use std::path::Path;
use std::process::Command;

use barecall::walk::Walk;
use serde_json::{Value, json};

/// As in the published table.
pub const CALLS: u32 = 500_000_000;

/// What was published, in milliseconds: on an i7-3630QM, gcc 5.4.1, Rust 1.17 nightly, Go 1.8.
const PUBLISHED: [(&str, [u32; 2]); 3] = [
    ("C", [1182, 1182]),
    ("Rust", [1193, 1196]),
    ("Go", [37_975, 37_879]),
];

/// What differs from what was published.
pub const NOTES: [&str; 4] = [
    "two samples each, as there; the programs are written anew, with the loop in a function of its own to be counted",
    "gcc now makes position-independent executables and calls through a PLT stub; rustc loads the address once and calls \
     by register: one instruction less. Which takes longer is the processor's affair; on the published one, neither",
    "of what is counted, 2 instructions are plusone's own in each row",
    "Go has become faster: its published row is Go 1.8's, of 2017",
];

pub struct Row {
    pub language: &'static str,
    pub published: [u32; 2],
    /// Milliseconds of two samples; or why there are none.
    pub measured: Result<[u32; 2], String>,
    /// Instructions of one call and its share of the loop, the callee's included.
    pub instructions: Result<u64, String>,
}

impl Row {
    pub fn json(&self) -> Value {
        json!({
            "language": self.language,
            "calls": CALLS,
            "published_ms": self.published,
            "measured_ms": self.measured.as_ref().ok(),
            "instructions_per_call": self.instructions.as_ref().ok(),
            "not_measured": self.measured.as_ref().err(),
        })
    }
}

/// Builds and measures every row; `say` is told of each.
pub fn rows(say: impl Fn(&str)) -> std::io::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let rows = PUBLISHED.into_iter().map(|(language, published)| {
        say(&format!("plusone in {language}"));
        let program = build(language, folder.path());
        let sample = || {
            program
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|program| run(program, CALLS))
        };
        Row {
            language,
            published,
            measured: sample().and_then(|first| Ok([first, sample()?])),
            instructions: program
                .as_ref()
                .map_err(Clone::clone)
                .and_then(|program| count(program, language)),
        }
    });
    Ok(rows.collect())
}

/// The program of a language, and the command that starts it.
fn build(language: &str, folder: &Path) -> Result<std::path::PathBuf, String> {
    let source = |name: &str, text: &str| {
        std::fs::write(folder.join(name), text).map_err(|why| why.to_string())
    };
    let run = |command: &mut Command| -> Result<(), String> {
        let output = command
            .current_dir(folder)
            .output()
            .map_err(|why| format!("no {}: {why}", command.get_program().to_string_lossy()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!(
            "{command:?} fails: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    };
    let library = folder.join("libplus.so");
    if !library.exists() {
        source("plus.c", include_str!("plusone/plus.c"))?;
        run(Command::new("cc").args(["-O2", "-fPIC", "-shared", "plus.c", "-o", "libplus.so"]))?;
        // cgo compiles every C file that lies about.
        std::fs::remove_file(folder.join("plus.c")).map_err(|why| why.to_string())?;
    }
    let program = folder.join(language.to_lowercase());
    let rpath = format!("-Wl,-rpath,{}", folder.display());
    match language {
        "C" => {
            let here = folder.join("in_c");
            std::fs::create_dir_all(&here).map_err(|why| why.to_string())?;
            source("in_c/main.c", include_str!("plusone/main.c"))?;
            run(Command::new("cc")
                .args(["-O2", "in_c/main.c", "-L.", "-lplus", &rpath, "-o"])
                .arg(&program))?;
        }
        "Rust" => {
            source("main.rs", include_str!("plusone/main.rs"))?;
            let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
            run(Command::new(rustc)
                .args(["--edition=2024", "-C", "opt-level=2", "-L.", "-lplus", "-C"])
                .arg(format!("link-arg={rpath}"))
                .args(["main.rs", "-o"])
                .arg(&program))?;
        }
        _ => {
            source("main.go", include_str!("plusone/main.go"))?;
            source("go.mod", "module plusone\n\ngo 1.21\n")?;
            run(Command::new(std::env::var_os("GO").unwrap_or("go".into()))
                .args(["build", "-o"])
                .arg(&program)
                .arg("."))?;
        }
    }
    Ok(program)
}

/// The milliseconds that a program says its calls took, provided it made them.
fn run(program: &Path, calls: u32) -> Result<u32, String> {
    let output = Command::new(program)
        .arg(calls.to_string())
        .output()
        .map_err(|why| format!("{}: {why}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split_whitespace();
    let took = words.next().and_then(|word| word.parse().ok());
    match (took, words.next()) {
        (Some(took), Some(made)) if made == calls.to_string() => Ok(took),
        _ => Err(format!(
            "{} has not made {calls} calls: it says {text:?}",
            program.display()
        )),
    }
}

/// Instructions of one call: the slope between the loop walked at two lengths.
fn count(program: &Path, language: &str) -> Result<u64, String> {
    // Go's first calls set things up.
    let (short, long) = (100_u64, 200);
    let walked = |calls: u64| {
        let mut command = Command::new(program);
        command
            .arg(calls.to_string())
            .env("GODEBUG", "asyncpreemptoff=1");
        let (from, to) = match language {
            "C" => ("main", "run"),
            "Rust" => ("main::main", "run"),
            _ => ("main.main", "main.run"),
        };
        let walk = Walk::of(command).from(from).to(to).run();
        walk.map(|walk| walk.callee.instructions)
            .map_err(|why| why.to_string())
    };
    let more = walked(long)? - walked(short)?;
    if more % (long - short) == 0 {
        Ok(more / (long - short))
    } else {
        Err(format!(
            "{more} instructions in {} calls: not the same in each",
            long - short
        ))
    }
}
