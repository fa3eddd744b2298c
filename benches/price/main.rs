//! What a call costs in Rust and in C, in nanoseconds: every exhibit beside its twin, in turns, with the same object
//! code for the callee; then what a poll costs; then dyu/ffi-overhead's rows.
//!
//! `cargo bench --bench price [-- [NAME…] [--format json]]`; a NAME picks the rows that contain it. Nothing is asserted
//! about times. That every side does its work is: in every turn its result is compared with what must come of it.

mod cases;
mod pairs;
mod plusone;
mod sink;

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pairs::{Pair, Spread, Timing};
use serde_json::{Value, json};
use zero_cost_ffi::catalogue;
use zero_cost_ffi::compilers::Twins;

const LEGEND: &str = "\
  calls by: Rust / C. Where they differ the processor may take longer over the one, though each is one instruction; so
  \"by got\" is C that calls as Rust does (cc -fno-plt, not relaxed by the linker): the same route, the other language.
  Where functions lie may cost as much. To put each at a cache line of its own:
  RUSTFLAGS='-C llvm-args=-align-all-functions=6' CFLAGS=-falign-functions=64 cargo bench --bench price";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs benches too, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let as_json = arguments
        .windows(2)
        .any(|pair| pair == ["--format", "json"]);
    let names: Vec<&String> = arguments
        .iter()
        .filter(|argument| !(argument.starts_with("--") || as_json && *argument == "json"))
        .collect();
    let wanted =
        |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));

    control()?;
    let mut pairs = Vec::new();
    for (pair, bytes) in cases::writing() {
        if wanted(&pair.name) {
            writes(&pair, bytes)?;
            pairs.push(pair);
        }
    }
    pairs.extend(
        cases::computing()
            .into_iter()
            .filter(|pair| wanted(&pair.name)),
    );

    let mut timed = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        progress(&format!("{} of {}: {}", index + 1, pairs.len(), pair.name));
        let null = sink::Redirected::to_null()?;
        let timing = pairs::time(pair);
        drop(null);
        timed.push((pair.name.as_str(), timing?));
    }
    let mut polls = Vec::new();
    for (name, work) in cases::polls() {
        if wanted(name) {
            progress(name);
            polls.push((name, poll(name, &work)?));
        }
    }
    let go = if wanted("add_one_times") {
        go()
    } else {
        Err("not asked for".to_owned())
    };
    let rows = if wanted("plusone") {
        plusone::rows(progress)?
    } else {
        Vec::new()
    };

    if as_json {
        let document = json!({
            "schema": 1,
            "date": today(),
            "cpu": cpu(),
            "c_by_clang": Twins::BY_CLANG.map(|twins| twins.compiler),
            "pairs": timed.iter().map(|(name, timing)| pair_json(name, timing)).collect::<Vec<_>>(),
            "polls": polls.iter().map(|(name, nanoseconds)| json!({"name": name, "ns": nanoseconds})).collect::<Vec<_>>(),
            "go_add_one_ns": go.as_ref().ok(),
            "plusone": rows.iter().map(plusone::Row::json).collect::<Vec<_>>(),
        });
        println!("{document:#}");
    } else {
        print(&timed, &polls, &go, &rows);
    }
    Ok(())
}

/// The opposite, which must be refused: a side that makes one call too few, and one that writes nothing.
fn control() -> Result<(), Box<dyn Error>> {
    let pair = |c: pairs::Work| Pair {
        name: "control".to_owned(),
        rust: Box::new(|times| times as i64),
        c,
        clang: None,
        got: None,
        expected: |times| times as i64,
    };
    let one_short = pairs::time(&pair(Box::new(|times| times as i64 - 1)));
    let silent = writes(&pair(Box::new(|times| times as i64)), 1);
    if one_short.is_ok() || silent.is_ok() {
        return Err("a side that does not do its work is not refused: nothing was measured".into());
    }
    Ok(())
}

/// Checks that each side writes what it is to write.
fn writes(pair: &Pair, bytes: u64) -> Result<(), Box<dyn Error>> {
    const TIMES: u64 = 1000;
    for (language, work) in pair.sides() {
        let written = sink::written(|| {
            let _ = work(TIMES);
        })?;
        if written != TIMES * bytes {
            return Err(format!(
                "{}, {language}: {TIMES} calls wrote {written} bytes, not {}",
                pair.name,
                TIMES * bytes
            )
            .into());
        }
    }
    Ok(())
}

/// Nanoseconds of a poll: the median of several goes.
fn poll(name: &str, work: &pairs::Work) -> Result<f64, String> {
    const TIMES: u64 = 20_000;
    let mut goes = Vec::new();
    for _ in 0..25 {
        let start = Instant::now();
        let made = work(TIMES);
        let took = start.elapsed();
        if made != TIMES as i64 {
            return Err(format!("{name}: {TIMES} came to {made}"));
        }
        goes.push(took.as_nanos() as f64 / TIMES as f64);
    }
    goes.sort_by(f64::total_cmp);
    Ok(goes[goes.len() / 2])
}

/// Nanoseconds of the same call through Cgo, by the program in cgo/.
fn go() -> Result<f64, String> {
    const TIMES: u64 = 2_000_000;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("cgo");
    if !source.join("go.mod").exists() {
        return Err("cgo/ is not there".to_owned());
    }
    progress("add_one through Cgo");
    let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
    let program = folder.path().join("zcffi-go");
    let built = Command::new(std::env::var_os("GO").unwrap_or("go".into()))
        .args(["build", "-trimpath", "-buildvcs=false", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(&source)
        .output()
        .map_err(|why| format!("no go: {why}"))?;
    if !built.status.success() {
        return Err(format!(
            "go build fails: {}",
            String::from_utf8_lossy(&built.stderr).trim()
        ));
    }
    let output = Command::new(&program)
        .args(["bench", "add_one", &TIMES.to_string()])
        .output()
        .map_err(|why| why.to_string())?;
    let nanoseconds: f64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|_| format!("it says {}", String::from_utf8_lossy(&output.stderr).trim()))?;
    Ok(nanoseconds / TIMES as f64)
}

fn print(
    timed: &[(&str, Timing)],
    polls: &[(&str, f64)],
    go: &Result<f64, String>,
    rows: &[plusone::Row],
) {
    println!("{}, {}", cpu(), today());
    println!(
        "C by cc, and by {}\n",
        Twins::BY_CLANG.map_or("no clang: not measured", |twins| twins.compiler)
    );
    println!(
        "{:<26}{:>10}{:>10}   {:<24}{:<24}{:<24}calls by",
        "a call, in nanoseconds",
        "Rust",
        "C",
        "Rust / C (quartiles)",
        "Rust / C by clang",
        "Rust / C by got"
    );
    for (name, timing) in timed {
        let [clang, got] = [timing.to_clang, timing.to_got]
            .map(|other| other.map_or("not measured".to_owned(), ratio));
        println!(
            "{name:<26}{:>10.3}{:>10.3}   {:<24}{clang:<24}{got:<24}{}",
            timing.rust,
            timing.c,
            ratio(timing.to_c),
            routes(name).unwrap_or_default()
        );
    }
    println!("{LEGEND}");
    match go {
        Ok(nanoseconds) => println!("{:<26}{nanoseconds:>11.3} in Go, through Cgo", "add_one"),
        Err(why) => println!("{:<26}not measured in Go: {why}", "add_one"),
    }
    if !polls.is_empty() {
        println!("\n{:<46}ns", "a poll, which C has not");
        for (name, nanoseconds) in polls {
            println!("{name:<46}{nanoseconds:.1}");
        }
    }
    if rows.is_empty() {
        return;
    }
    println!(
        "\ndyu/ffi-overhead: milliseconds of {} million calls of plusone",
        plusone::CALLS / 1_000_000
    );
    println!(
        "{:<10}{:>14}{:>14}{:>24}",
        "", "published", "here", "instructions a call"
    );
    for row in rows {
        let two = |[first, second]: [u32; 2]| format!("{first} {second}");
        let here = row.measured.clone().map_or("-".to_owned(), two);
        let count = row
            .instructions
            .as_ref()
            .map_or("-".to_owned(), u64::to_string);
        println!(
            "{:<10}{:>14}{here:>14}{count:>24}",
            row.language,
            two(row.published)
        );
    }
    for row in rows {
        for why in [row.measured.as_ref().err(), row.instructions.as_ref().err()]
            .into_iter()
            .flatten()
        {
            println!("not measured: {}: {why}", row.language);
        }
    }
    for note in plusone::NOTES {
        println!("- {note}");
    }
}

/// How the exhibit and its twin call, in this program: `got / direct`.
fn routes(name: &str) -> Option<String> {
    let image = barecall::Image::current().ok()?;
    let exhibit = catalogue::exhibits()
        .into_iter()
        .find(|exhibit| name.split(' ').next() == Some(exhibit.name) && !name.contains("task"))?;
    let route = |function: &str| {
        let calls = image.function(function).ok()?.calls();
        Some(
            calls
                .iter()
                .find(|call| call.reaches(exhibit.calls[0]))?
                .route(),
        )
    };
    Some(format!(
        "{} / {}",
        route(exhibit.path)?,
        route(exhibit.twin?)?
    ))
}

/// `1.001 (0.998 to 1.003)`
fn ratio(spread: Spread) -> String {
    format!(
        "{:.3} ({:.3} to {:.3})",
        spread.median, spread.low, spread.high
    )
}

fn pair_json(name: &str, timing: &Timing) -> Value {
    let ratio =
        |spread: Spread| json!({"median": spread.median, "quartiles": [spread.low, spread.high]});
    json!({
        "name": name,
        "rust_ns": timing.rust,
        "c_ns": timing.c,
        "rust_to_c": ratio(timing.to_c),
        "rust_to_c_by_clang": timing.to_clang.map(ratio),
        "rust_to_c_through_the_got": timing.to_got.map(ratio),
    })
}

/// On stderr, as the report is on stdout.
fn progress(what: &str) {
    let _ = writeln!(std::io::stderr(), "measuring {what}");
}

fn today() -> String {
    time::UtcDateTime::now().date().to_string()
}

/// The processor, as Linux names it.
fn cpu() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = known
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("a processor without a name".to_owned(), |(_, name)| {
        name.trim().to_owned()
    })
}
