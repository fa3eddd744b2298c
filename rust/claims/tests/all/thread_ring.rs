//! The thread rings' counts: the same in every run, the same by strace, and said aloud where they cannot be had.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use claims::scenario::child::VARIABLE;
use serde_json::Value;

use crate::cell;
use testkit::forbid;

const CLAIMS: &str = env!("CARGO_BIN_EXE_claims");

/// A command that ends, one way or another.
fn limited(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60"]).arg(program);
    command.env_remove("BARECALL_REQUIRE");
    command
}

fn judge(arguments: &[&str]) -> Command {
    let mut command = limited(Path::new(CLAIMS));
    command.args(arguments);
    command
}

/// What a child is asked to run: a thread ring.
fn ring(variant: &str, stages: usize, in_flight: usize, hops_each: usize, buffer: usize) -> String {
    let plan = serde_json::json!({
        "stages": stages, "in_flight": in_flight, "hops_each": hops_each, "buffer": buffer,
    });
    let scenario = serde_json::json!({ "thread_ring": { "variant": variant, "plan": plan } });
    serde_json::json!({ "schema": 1, "limit": 60, "scenario": scenario }).to_string()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

const BOTH: [&str; 5] = [
    "prove",
    "reads-per-message",
    "switch-cost",
    "--format",
    "json",
];

#[test]
fn two_runs_count_exactly_the_same() {
    let claims = || {
        let output = judge(&BOTH).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json(&output)["claims"].clone()
    };
    let (first, second) = (claims(), claims());
    for index in 0..2 {
        let (first, second) = (&first[index], &second[index]);
        assert_eq!(first["verdict"], "holds with conditions");
        assert_eq!(first["figures"], second["figures"]);
        assert_eq!(first["matrices"], second["matrices"]);
        assert_eq!(first["found"], second["found"]);
    }
    assert_eq!(first[0]["charts"], second[0]["charts"]);
    for (name, value) in [
        ("threads, 1 in flight, 1-byte buffer: read", 128),
        ("tokio, 1 in flight, 1-byte buffer: read", 256),
        ("tokio, 1 in flight, 1-byte buffer: read, EAGAIN", 128),
        ("tokio, 1 in flight, 64-byte buffer: read", 128),
        ("tokio, 1 in flight, 64-byte buffer: epoll_wait", 128),
        ("tokio, 4 in flight, 64-byte buffer: epoll_wait", 32),
        ("tokio, 16 in flight, 1-byte buffer: epoll_wait", 8),
        ("epoll-level, 16 in flight, 1-byte buffer: read", 128),
        ("epoll-edge, 1 in flight, 1-byte buffer: read", 256),
        ("epoll-edge, 1 in flight, 64-byte buffer: read", 128),
        ("epoll-level-twice, 1 in flight, 1-byte buffer: read", 256),
    ] {
        let (case, call) = name.split_once(": ").expect("a case and a call");
        assert_eq!(
            cell(&first[0], "system calls", case, call),
            Some(value),
            "{name}"
        );
    }
    let switches = |variant, column| cell(&first[1], "switches", variant, column);
    assert_eq!(switches("threads", "at least"), Some(1016));
    assert_eq!(switches("tokio", "voluntary"), Some(0));
    // Times have charts and measured values only.
    assert!(first[1]["measured"]["creation of a task"]["spread"][0].is_f64());
    let charts = |index: usize| first[index]["charts"].as_array().expect("charts");
    assert!(
        charts(0)
            .iter()
            .flat_map(|chart| chart["series"].as_array().expect("series"))
            .all(|one| one["exact"] == true)
    );
    assert!(
        charts(1)
            .iter()
            .flat_map(|chart| chart["series"].as_array().expect("series"))
            .all(|one| one["exact"] == false)
    );
}

/// An independent count: what strace says of a longer and of a shorter run.
#[test]
fn strace_counts_the_same() {
    if Command::new("strace").arg("--version").output().is_err() {
        testkit::missing(
            "strace",
            "no program of that name (Debian: apt-get install strace)",
        );
        return;
    }
    let claims = json(
        &judge(&BOTH[..2])
            .args(&BOTH[3..])
            .output()
            .expect("it runs"),
    );
    let no_uring = claims["claims"][0]["missing"].is_array();
    for (variant, stages, in_flight, buffer) in [
        ("threads", 8, 1, 1),
        ("threads", 32, 16, 1),
        ("tokio", 8, 1, 1),
        ("tokio", 8, 4, 64),
        ("tokio", 128, 64, 1),
        ("epoll-edge", 32, 16, 1),
        ("epoll-level-twice", 8, 1, 1),
        ("io-uring", 32, 16, 1),
    ] {
        if variant == "io-uring" && no_uring {
            testkit::missing("io_uring", "the kernel has none, or forbids it");
            continue;
        }
        let counted = |hops_each| strace(&ring(variant, stages, in_flight, hops_each, buffer));
        let (longer, shorter) = (counted(1 + 128 / stages), counted(1));
        let case = format!("{variant}, {in_flight} in flight, {buffer}-byte buffer");
        for call in ["read", "write", "epoll_wait", "io_uring_enter"] {
            let of =
                |counts: &BTreeMap<String, [u64; 2]>| counts.get(call).copied().unwrap_or_default();
            let ([longer, longer_failed], [shorter, shorter_failed]) = (of(&longer), of(&shorter));
            let counted =
                |call: &str| cell(&claims["claims"][0], "system calls", &case, call).unwrap_or(0);
            assert_eq!(longer - shorter, counted(call), "{case}: {call}");
            assert_eq!(
                longer_failed - shorter_failed,
                if call == "read" {
                    counted("read, EAGAIN")
                } else {
                    0
                },
                "{case}: {call}, EAGAIN"
            );
        }
    }
}

/// How often each was called, and how often it failed.
fn strace(request: &str) -> BTreeMap<String, [u64; 2]> {
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("table");
    let status = limited(Path::new("strace"))
        .args(["-f", "-c", "-o"])
        .arg(&table)
        .args([CLAIMS, "scenario"])
        .env(VARIABLE, request)
        // As the judge does it.
        .env("MALLOC_ARENA_MAX", "1")
        .stdout(std::process::Stdio::null())
        .status()
        .expect("it runs");
    assert!(status.success(), "{request}: {status}");
    // % time, seconds, usecs/call, calls, errors (or nothing), name
    let table = fs::read_to_string(table).expect("a table");
    table
        .lines()
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let calls = columns.get(3)?.parse().ok()?;
            let failed = if columns.len() == 6 {
                columns[4].parse().ok()?
            } else {
                0
            };
            Some(((*columns.last()?).to_owned(), [calls, failed]))
        })
        .collect()
}

/// Runs it in a system that forbids one call.
fn without(syscall: libc::c_long, arguments: &[&str], required: &str) -> Output {
    let mut command = judge(arguments);
    command.env("BARECALL_REQUIRE", required);
    // SAFETY: prctl only, which is async-signal-safe.
    unsafe { command.pre_exec(move || forbid(syscall)) };
    command.output().expect("it runs")
}

#[test]
fn where_io_uring_is_forbidden_it_is_said() {
    let output = without(libc::SYS_io_uring_setup, &BOTH, "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for claim in json(&output)["claims"].as_array().expect("claims") {
        assert_eq!(claim["verdict"], "holds with conditions", "{claim}");
        let why = claim["missing"][0]["why"].as_str().expect("why");
        assert!(
            why.contains("EPERM") && why.contains("io_uring_disabled"),
            "{why}"
        );
        let figures = claim["figures"].as_object().expect("figures");
        assert!(
            figures.keys().all(|name| !name.starts_with("io-uring")),
            "{figures:?}"
        );
    }
    let required = without(libc::SYS_io_uring_setup, &BOTH, "io_uring");
    assert_eq!(required.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&required.stderr).contains("asks for io_uring"));
}

#[test]
fn where_ptrace_is_forbidden_nothing_is_counted() {
    let output = without(libc::SYS_ptrace, &BOTH, "");
    let document = json(&output);
    let claims = &document["claims"];
    assert_eq!(claims[0]["verdict"], "not checked");
    assert!(
        claims[0]["found"]
            .as_str()
            .is_some_and(|found| found.contains("--cap-add=SYS_PTRACE"))
    );
    // It needs none.
    assert_eq!(claims[1]["verdict"], "holds with conditions");
}

/// Named claims are not begun where they cannot be run; among all, they are not checked, aloud.
#[test]
fn too_low_a_limit_is_named_with_what_raises_it() {
    let limited = |arguments: &[&str]| {
        let mut command = judge(arguments);
        let few = libc::rlimit {
            rlim_cur: 40,
            rlim_max: 40,
        };
        // SAFETY: setrlimit only, which is async-signal-safe; the limits are the closure's own.
        unsafe {
            command.pre_exec(
                move || match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) {
                    0 => Ok(()),
                    _ => Err(io::Error::last_os_error()),
                },
            );
        }
        command.output().expect("it runs")
    };
    for (claim, needed) in [("reads-per-message", 288), ("switch-cost", 96)] {
        let output = limited(&["prove", claim]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        let expected = format!(
            "error: it takes {needed} file descriptors, and this process may have 40 (RLIMIT_NOFILE): raise the limit with \
             `ulimit -n {needed}`\n"
        );
        assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
        let shown = limited(&["show", claim]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(
            shown.contains("not checked") && shown.contains("ulimit -n"),
            "{shown}"
        );
    }
}

/// A user who may have few threads; root may have any number, so it is run as another.
#[test]
fn too_few_threads_are_named_with_what_raises_them() {
    const NOBODY: u32 = 65_534;
    // SAFETY: no arguments.
    let root = unsafe { libc::geteuid() } == 0;
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let program = folder.path().join("claims");
    fs::copy(CLAIMS, &program).expect("there is room");
    // A thread ring of this one: the judge of all has more to say.
    let mut command = limited(&program);
    command
        .arg("scenario")
        .env(VARIABLE, ring("threads", 64, 1, 1, 1));
    if root {
        command.uid(NOBODY);
    }
    let few = libc::rlimit {
        rlim_cur: 9,
        rlim_max: 9,
    };
    // SAFETY: setrlimit only, which is async-signal-safe; the limits are the closure's own.
    unsafe {
        command.pre_exec(
            move || match libc::setrlimit(libc::RLIMIT_NPROC, &raw const few) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            },
        );
    }
    let Ok(output) = command.output() else {
        testkit::missing("limits", "another user's processes are as many already");
        return;
    };
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let said = "it takes 64 threads more, and there may be 9: raise the limit of this user (RLIMIT_NPROC) with `ulimit -u`";
    assert!(stderr.contains(said), "{stderr}");
}

#[test]
fn absurd_arguments_are_refused() {
    for (arguments, said) in [
        (
            &["prove", "switch-cost", "--hops", "0"][..],
            "0 is not in 1..=1000000000",
        ),
        (
            &["prove", "switch-cost", "--hops", "99999999999999999999"],
            "invalid value",
        ),
        (
            &["prove", "switch-cost", "--hops", "-1"],
            "unexpected argument",
        ),
    ] {
        let output = judge(arguments).output().expect("it runs");
        refused(&output, said, arguments);
    }
    for (request, said) in [
        (
            ring("tokio", 0, 1, 1, 1),
            "0 stages: it must be 2 to 100000",
        ),
        (
            ring("tokio", 8, 5, 1, 1),
            "5 messages in flight: it must be 1 to 4",
        ),
        (ring("tokio", 8, 0, 1, 1), "0 messages in flight"),
        (ring("tokio", 8, 1, 0, 1), "0 hops of a stage"),
        (ring("tokio", 8, 1, 1, 0), "0 bytes of buffer"),
        (ring("smoke", 8, 1, 1, 1), "no thread ring smoke"),
        (
            ring("tokio", 8, 1, 1, 1).replace("stages", "steps"),
            "unknown field `steps`",
        ),
    ] {
        let mut child = judge(&["scenario"]);
        let output = child.env(VARIABLE, &request).output().expect("it runs");
        refused(&output, said, &[&request]);
    }
}

fn refused(output: &Output, said: &str, asked: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{asked:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(said), "{asked:?}: {stderr}");
}
