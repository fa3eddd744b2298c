//! The judge as a user meets it: exit codes, JSON, and a verdict that turns with the image.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::cell;
use testkit::forbid;

const CLAIMS: &str = env!("CARGO_BIN_EXE_claims");

fn run(arguments: &[&str]) -> Output {
    Command::new(CLAIMS)
        .args(arguments)
        .env_remove("BARECALL_REQUIRE")
        .output()
        .expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// Every claim, as JSON: checked once, for all tests that only read what was found.
static PROVED: LazyLock<Value> = LazyLock::new(|| {
    let folder = testkit::scratch::shared("proved", |folder| {
        let output = run(&["--format", "json"]);
        std::fs::write(folder.join("proved.json"), output.stdout).expect("written");
    });
    let text = std::fs::read(folder.join("proved.json")).expect("it is there");
    serde_json::from_slice(&text).expect("JSON")
});

#[test]
fn every_claim_holds_here() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    // However its lines are broken.
    let said = stdout(&output)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let all = stdout(&run(&["list"])).lines().count();
    assert!(
        stdout(&output).contains(&format!("{all} of {all} claims hold")),
        "{}",
        stdout(&output)
    );
    for walked in [
        "10 walked: 1 out, 0 back, same stack;",
        "10 walked: to puts 1 and 2 out, 0 and 0 back",
        "8 walked: 1 out, 0 back, same stack",
        "19 of 19 calls walked: 0 stack switches",
        "1 walked: 1 out, 0 back, same stack;",
    ] {
        assert!(said.contains(walked), "{said}");
    }
    assert_eq!(stdout(&output), stdout(&run(&["prove"])));
    assert!(
        !stdout(&output).contains('\u{1b}'),
        "colour, though this is no terminal"
    );
}

#[test]
fn json_has_the_same_facts() {
    let document = &*PROVED;
    assert_eq!(document["schema"], 2);
    let claims = document["claims"].as_array().expect("claims");
    assert_eq!(claims.len(), stdout(&run(&["list"])).lines().count());
    for claim in claims {
        for field in [
            "id",
            "statement",
            "verdict",
            "conditions",
            "talk",
            "evidence",
            "figures",
            "provenance",
            "reproduce",
        ] {
            assert!(!claim[field].is_null(), "{field} is missing in {claim}");
        }
        assert!(!claim["talk"]["quote"].as_str().expect("a quote").is_empty());
        for figure in claim["figures"].as_object().expect("figures").values() {
            assert!(
                figure["value"].is_u64() && figure["unit"].is_string(),
                "{figure}"
            );
        }
    }
    let claim = |id: &str| {
        let named = claims.iter().find(|claim| claim["id"] == id);
        named.unwrap_or_else(|| panic!("no claim {id}"))
    };
    assert_eq!(claim("one-instruction")["verdict"], "holds");
    let two = claim("no-more-than-c");
    for matrix in ["to the callee", "walked to the callee"] {
        assert_eq!(cell(two, matrix, "puts", "Rust"), Some(1), "{matrix}");
        assert_eq!(cell(two, matrix, "puts", "C"), Some(2), "{matrix}");
    }
    // Nothing more per call in a task, and per poll what the runtime needs.
    let tasks = &claim("from-a-task")["figures"];
    assert_eq!(
        tasks["per call in a task"]["value"], tasks["per call outside"]["value"],
        "{tasks}"
    );
    let per_poll = tasks["per poll"]["value"].as_u64().expect("a count");
    assert!((100..5000).contains(&per_poll), "{tasks}");
    if cfg!(target_os = "linux") {
        assert_eq!(tasks["patterns"]["value"], 5, "{tasks}");
        let drops = &claim("drop-cancels")["figures"];
        for counted in ["callbacks", "releases"] {
            assert_eq!(
                (&drops[counted]["value"], &drops[counted]["unit"]),
                (&576.into(), &counted.into()),
                "{drops}"
            );
        }
        assert_eq!(drops["left in C"]["value"], 0, "{drops}");
        assert_eq!(drops["controls"]["value"], 5, "{drops}");
    }
    for (id, walked) in [
        ("one-instruction", 10),
        ("from-a-task", 8),
        ("same-stack", 19),
        ("callbacks-too", 1),
    ] {
        let figures = &claim(id)["figures"];
        assert_eq!(figures["walked"]["value"], walked, "{figures}");
        assert_eq!(figures["walked out"]["value"], 1, "{figures}");
        assert_eq!(figures["walked out"]["unit"], "instructions");
        assert_eq!(figures["walked back"]["value"], 0, "{figures}");
        assert_eq!(figures["stack switches"]["value"], 0, "{figures}");
    }
}

#[test]
fn the_quotes_are_the_talks() {
    for claim in PROVED["claims"].as_array().expect("claims") {
        let quote = claim["talk"]["quote"].as_str().expect("a quote");
        assert!(quote.len() < 80, "quoted briefly: {quote}");
        let assessment = claim["talk"]["assessment"].as_str();
        assert!(
            matches!(assessment, Some("as said" | "simplified" | "out of date")),
            "{assessment:?}"
        );
    }
}

#[test]
fn one_claim_and_its_evidence() {
    assert!(
        stdout(&run(&["list"]))
            .lines()
            .any(|line| line.starts_with("from-a-task "))
    );
    let shown = stdout(&run(&["show", "one-instruction"]));
    for expected in [
        "unsafe { libc::puts(\"Hello\\0\".as_ptr().cast()) };",
        "// c/callers.c",
        "conditions",
        "> ",
    ] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
    let document: Value =
        serde_json::from_slice(&run(&["show", "from-a-task", "--format", "json"]).stdout)
            .expect("JSON");
    let calls = document["code"][0]["rust"].as_array().expect("a listing");
    assert!(calls.iter().any(|line| { line["call"]["to"] == "puts" }));
}

#[test]
fn the_ladders_are_shown() {
    let shown = stdout(&run(&["show", "callbacks-too"]));
    for expected in [
        "control/visit_through_shim",
        "     1  claims::scenario::trampolines::visit_shim",
        "by pointer, chosen at run time",
        "back    0 instructions, same stack",
    ] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
    let document: Value =
        serde_json::from_slice(&run(&["show", "callbacks-too", "--format", "json"]).stdout)
            .expect("JSON");
    let walk = &document["claims"][0]["walks"][0];
    assert_eq!(
        (&walk["side"], &walk["name"]),
        (&"rust".into(), &"visit".into())
    );
    assert_eq!(walk["out"]["instructions"], 1);
    assert_eq!(walk["out"]["steps"][0]["symbol"], "greet_for_each");
}

/// Where nothing can be walked the image's verdicts stand, with that condition; the walks' own are not checked.
#[test]
fn where_ptrace_is_forbidden_it_is_said() {
    let forbidden = |required: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(CLAIMS);
        command.args(arguments).env_remove("BARECALL_REQUIRE");
        if let Some(required) = required {
            command.env("BARECALL_REQUIRE", required);
        }
        // SAFETY: prctl only, which is async-signal-safe.
        unsafe { command.pre_exec(|| forbid(libc::SYS_ptrace)) };
        command.output().expect("it runs")
    };
    let output = forbidden(None, &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for claim in document["claims"].as_array().expect("claims") {
        let expected = match claim["id"].as_str().expect("an id") {
            "same-stack" | "callbacks-too" | "reads-per-message" => "not checked",
            // They rest on no walk.
            "every-opt-level" | "drop-cancels" | "below-zero" | "cgo-buys-something"
            | "state-machine" | "right-sized" | "million-tasks" | "switch-cost" => continue,
            _ => {
                let first = claim["conditions"][0].as_str().expect("a condition");
                assert!(
                    first.starts_with("not walked, so by the image alone: the system forbids"),
                    "{first}"
                );
                "holds with conditions"
            }
        };
        assert_eq!(claim["verdict"], expected, "{claim}");
        assert!(claim["missing"][0]["why"].as_str().is_some_and(|why| {
            why.contains("ptrace_scope") || why.contains("--cap-add=SYS_PTRACE")
        }));
    }
    let text = stdout(&forbidden(None, &[]));
    for said in ["3 not checked\n", "\nmissing: ptrace: the system forbids"] {
        assert!(text.contains(said), "{text}");
    }
    for required in ["ptrace", "go, ptrace", "all"] {
        let output = forbidden(Some(required), &["prove", "one-instruction"]);
        assert_eq!(output.status.code(), Some(1), "{required}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("asks for ptrace"), "{stderr}");
    }
    let other = forbidden(Some("go"), &["prove", "one-instruction"]);
    assert_eq!(other.status.code(), Some(0));
}

#[test]
fn what_is_asked_wrongly_is_said() {
    let output = run(&["prove", "no-such-claim"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("the claims are: one-instruction, every-opt-level")
    );
    assert_eq!(run(&["--no-such-flag"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

/// Before anything starts: more than there is memory for, none, no number, and a number that no claim asks for.
#[test]
fn a_number_of_tasks_that_cannot_be_had() {
    let start = std::time::Instant::now();
    for (tasks, said) in [
        ("999999999999", "ask for at most"),
        ("0", "0 is not in 1..18446744073709551615"),
        ("-1", "unexpected argument '-1'"),
        ("many", "invalid digit"),
        ("99999999999999999999", "too large"),
    ] {
        for command in [&["prove", "million-tasks"][..], &["show", "million-tasks"]] {
            let output = run(&[command, &["--tasks", tasks]].concat());
            assert_eq!(output.status.code(), Some(2), "{tasks}: {output:?}");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(stderr.contains(said), "{tasks}: {stderr}");
            assert_eq!(stdout(&output), "");
        }
    }
    let output = run(&["prove", "same-stack", "--tasks", "1000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--tasks is for million-tasks"));
    assert!(
        start.elapsed() < std::time::Duration::from_secs(60),
        "it did not start"
    );
}

/// A tighter limit than the machine's is named, with what raises it.
#[test]
fn the_limit_that_is_too_low_is_named() {
    let limited = |resource, most| {
        let mut command = Command::new(CLAIMS);
        command.args(["prove", "million-tasks", "--tasks", "4000000"]);
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: setrlimit only, which is async-signal-safe; it reads a value of its own.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(resource, &raw const limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        command.output().expect("it runs")
    };
    let output = limited(libc::RLIMIT_AS, 1 << 30);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("4000000 tasks take about 1953 MiB"),
        "{stderr}"
    );
    assert!(
        stderr.contains("`ulimit -v unlimited` raises it") && stderr.contains("`--tasks 2097152`"),
        "{stderr}"
    );
}

/// Fewer threads than are asked for, as a user who is not root: refused where they were asked for, else said.
#[test]
fn too_few_threads_are_named() {
    let limited = |arguments: &[&str]| {
        let mut command = Command::new(CLAIMS);
        command.args(arguments).env_remove("BARECALL_REQUIRE");
        let limit = libc::rlimit {
            rlim_cur: 50,
            rlim_max: 50,
        };
        // SAFETY: system calls only, which are async-signal-safe; setrlimit reads a value of its own.
        unsafe {
            command.pre_exec(move || {
                let limited = libc::setrlimit(libc::RLIMIT_NPROC, &raw const limit) == 0;
                // Root has no such limit.
                if limited && (libc::geteuid() != 0 || libc::setuid(65_534) == 0) {
                    return Ok(());
                }
                Err(std::io::Error::last_os_error())
            });
        }
        command.output()
    };
    let output = match limited(&["prove", "million-tasks", "--tasks", "5000"]) {
        Ok(output) => output,
        Err(error) => {
            return testkit::missing("threads", &format!("no judge for another user: {error}"));
        }
    };
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = "1000 threads are more than the 50 that the user's processes (`ulimit -u`) leaves; `ulimit -u 100000` raises it";
    assert!(stderr.contains(said), "{stderr}");
    let output = limited(&["prove", "million-tasks"]).expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        stdout(&output).contains("missing: threads: 100 threads are more than the 50"),
        "{output:?}"
    );
}

/// An independent tool counts as many allocations, and as many bytes, for two thousand tasks more.
#[test]
fn valgrind_counts_as_many_allocations() {
    let heap = |tasks: &str| -> std::io::Result<(u64, u64)> {
        let output = Command::new("valgrind")
            .args([CLAIMS, "scenario"])
            .env(
                "CLAIMS_SCENARIO",
                format!(
                    r#"{{"schema":1,"limit":60,"scenario":{{"idle":{{"what":"tasks","count":{tasks}}}}}}}"#
                ),
            )
            .output()?;
        assert!(output.status.success(), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let line = stderr
            .split("total heap usage:")
            .nth(1)
            .expect("memcheck says so");
        let line = line.lines().next().expect("a line").replace(',', "");
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        Ok((numbers[0], numbers[2]))
    };
    let (few, many) = match (heap("1000"), heap("3000")) {
        (Ok(few), Ok(many)) => (few, many),
        (Err(error), _) | (_, Err(error)) => {
            return testkit::missing("valgrind", &format!("`apt-get install valgrind`: {error}"));
        }
    };
    let (allocations, bytes) = (many.0 - few.0, many.1 - few.1);
    // When all wake at once, the runtime's queue grows: by doubling, 8 bytes each.
    assert!((2000..2010).contains(&allocations), "{allocations}");
    assert!(
        (2000 * 256..2000 * 256 + 65_536).contains(&bytes),
        "{bytes}"
    );
}

/// A line for each number of tasks, in text and in JSON.
#[test]
fn the_growth_is_shown() {
    let output = run(&["prove", "million-tasks"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    for count in ["1000", "10000"] {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{count} ")));
        let line = line.unwrap_or_else(|| panic!("no line for {count}:\n{text}"));
        for said in [
            "task, allocated 256 bytes",
            "task, until all sleep",
            "thread, extrapolated",
            "goroutine, stack",
        ] {
            assert!(line.contains(said), "{said} is not in {line}");
        }
    }
    let document: Value =
        serde_json::from_slice(&run(&["prove", "million-tasks", "--format", "json"]).stdout)
            .expect("JSON");
    let claim = &document["claims"][0];
    let chart = &claim["charts"][0];
    assert_eq!(
        (chart["id"].as_str(), chart["x"]["log"].as_bool()),
        (Some("bytes-per-task"), Some(true))
    );
    let tasks = &chart["series"][0];
    assert_eq!(
        (tasks["name"].as_str(), tasks["exact"].as_bool()),
        (Some("task, allocated"), Some(true))
    );
    assert_eq!(tasks["points"][1]["x"], 10_000.0);
    assert_eq!(tasks["points"][1]["y"], 256.0);
    assert_eq!(claim["layouts"][0]["bytes"], 256);
    assert_eq!(claim["talk"]["assessment"], "out of date");
}

/// What a claim about futures rests on: their source, their machine code, and where their bytes are.
#[test]
fn the_machines_are_shown() {
    let shown = stdout(&run(&["show", "state-machine"]));
    for expected in [
        "impl Future for GreetOnSlide {",
        "pub async fn greet() {",
        "never wakes",
    ] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
    let shown = stdout(&run(&["show", "right-sized"]));
    for expected in [
        "held: 1026 bytes",
        "  offset  bytes  part",
        "across await 1",
        "rust-lang/rust#62958",
    ] {
        assert!(shown.contains(expected), "{expected} is not in:\n{shown}");
    }
}

/// A reader that closes early is no error.
#[test]
fn a_broken_pipe_is_no_error() {
    let mut child = Command::new(CLAIMS)
        .args(["show", "one-instruction"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut stderr)
        .expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{stderr}");
    assert_eq!(stderr, "");
}

/// The judge reads its own image: without names there is nothing to judge, and it says so.
#[test]
fn stripped_it_judges_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let stripped = folder.path().join("claims");
    let strip = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(CLAIMS)
        .status()
        .expect("binutils come with gcc");
    assert!(strip.success());
    let output = Command::new(&stripped).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("stripped") && stderr.contains("strip = \"none\""),
        "{stderr}"
    );
}

/// Built with linker-plugin LTO, now: the call is gone, the walk finds nothing to walk to, and the same build without
/// LTO has both.
#[test]
fn below_zero_is_built_and_walked() {
    let output = run(&["prove", "--live", "below-zero", "--format", "json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let claim = &document["claims"][0];
    if let Some(missing) = claim["missing"][0]["what"].as_str() {
        return testkit::missing(missing, claim["missing"][0]["why"].as_str().expect("why"));
    }
    assert_eq!(output.status.code(), Some(0), "{claim}");
    assert_eq!(claim["evidence"], "live");
    assert_eq!(claim["verdict"], "holds with conditions", "{claim}");
    let executed = |build| cell(claim, "executed", "add_one_times", build).expect(build);
    assert_eq!(executed("with LTO"), 0);
    assert!(executed("without LTO") > 0);
    let walked = claim["conditions"].to_string();
    assert!(walked.contains("no function `greet_add_one`"), "{walked}");
}

/// Whole functions are counted in an optimised image, so the judge's own release build; a debug one reads the record.
#[test]
fn counts_on_file_are_read_where_nothing_is_optimised() {
    let document: Value =
        serde_json::from_slice(&run(&["prove", "no-more-than-c", "--format", "json"]).stdout)
            .expect("JSON");
    let claim = &document["claims"][0];
    let counted = claim["found"].as_str().expect("found");
    let expected = if cfg!(debug_assertions) {
        "counted (on file): 10 of 10"
    } else {
        "counted: 10 of 10"
    };
    assert!(counted.contains(expected), "{counted}");
    for exhibit in ["say", "add_one_times", "for_each"] {
        let executed = |side| cell(claim, "whole function", exhibit, side).expect(side);
        assert!(executed("Rust") <= executed("C by clang"), "{exhibit}");
    }
}
