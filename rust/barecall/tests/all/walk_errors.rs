//! Whatever cannot be walked: an error with a text of its own, and no process left.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use testkit::forbid;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use barecall::walk::{Ending, Walk, WalkError, Walker};

use testkit::walking::{self, Marker, build, calls};

/// The error of a walk that must fail, and its text; nothing may be left of it.
fn error(program: &Path, which: &str, limit: impl FnOnce(Walker) -> Walker) -> (WalkError, String) {
    let marker = Marker::new();
    let result = limit(Walk::of(marker.command(program, &[which]))).run();
    marker.assert_gone();
    let error = result.expect_err("this cannot be walked");
    let text = error.to_string();
    (error, text)
}

macro_rules! assert_error {
    ($error:expr, $pattern:pat, $($part:expr),+) => {
        let (error, text) = $error;
        assert!(matches!(error, $pattern), "{error:?}");
        $(assert!(text.contains($part), "no `{}` in: {text}", $part);)+
    };
}

#[test]
fn a_program_that_is_missing() {
    let there = |w: Walker| w.from("main").to("puts");
    assert_error!(
        error("./no/such/program".as_ref(), "", there),
        WalkError::ProgramMissing { .. },
        "no such program"
    );
    assert_error!(
        error("no-such-program".as_ref(), "", there),
        WalkError::ProgramMissing { .. },
        "PATH"
    );
}

#[test]
fn a_file_that_is_no_program_for_this_machine() {
    let Some(program) = calls("no-program", &[]) else {
        return;
    };
    let there = |w: Walker| w.from("direct").to("add_one");
    let variant = |name: &str, mode: u32, change: fn(&mut Vec<u8>)| {
        let path = walking::scratch(name);
        let mut bytes = fs::read(&program).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let path = variant("not-executable", 0o644, |_| {});
    assert_error!(
        error(&path, "", there),
        WalkError::NotExecutable { .. },
        "chmod +x"
    );
    assert_error!(
        error("/proc".as_ref(), "", there),
        WalkError::NotExecutable { .. },
        "/proc"
    );
    let path = variant("text", 0o755, |bytes| {
        *bytes = b"This is only some text, no program.\n".to_vec()
    });
    assert_error!(
        error(&path, "", there),
        WalkError::NotAProgram { .. },
        "neither an ELF program nor a script"
    );
    let path = variant("aarch64", 0o755, |bytes| bytes[18] = 183);
    assert_error!(
        error(&path, "", there),
        WalkError::OtherArchitecture { .. },
        "built for aarch64"
    );
    let path = variant("i386", 0o755, |bytes| (bytes[4], bytes[18]) = (1, 3));
    assert_error!(
        error(&path, "", there),
        WalkError::OtherArchitecture { .. },
        "32-bit x86"
    );
    let path = variant("setuid", 0o4755, |_| {});
    assert_error!(
        error(&path, "", there),
        WalkError::SetUserId { .. },
        "setuid",
        "a copy without the bit"
    );
}

#[test]
fn a_static_program_without_symbols() {
    let Some(program) = calls("no-symbols", &["-static", "-s"]) else {
        return;
    };
    let there = |w: Walker| w.from("direct").to("add_one");
    assert_error!(
        error(&program, "direct", there),
        WalkError::NoSymbols { .. },
        "has no symbols",
        "strip"
    );
}

#[test]
fn a_name_that_no_function_has() {
    let Some(program) = calls("no-name", &[]) else {
        return;
    };
    let (error_, text) = error(&program, "direct", |w| w.from("dirct").to("add_one"));
    assert!(
        matches!(&error_, WalkError::NoSuchSymbol { near, .. } if near[0] == "direct"),
        "{error_:?}"
    );
    assert!(
        text.contains("no function `dirct` in no-name, libc.so.6"),
        "{text}"
    );
    assert_error!(
        error(&program, "direct", |w| w.from("direct").to("pputs")),
        WalkError::NoSuchSymbol { .. },
        "near: puts"
    );
    assert_error!(
        error(&program, "direct", |w| w.from("").to("puts")),
        WalkError::NoSuchSymbol { .. },
        "no function ``"
    );
    // It is seen when the program starts: one that never ends is not waited for.
    let begun = Instant::now();
    assert_error!(
        error(&program, "sleeping", |w| w.from("direct").to("pputs")),
        WalkError::NoSuchSymbol { .. },
        "pputs"
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_name_that_several_functions_have() {
    let Some(program) = build("several", &["twin_a.c", "twin_b.c"], &[]) else {
        return;
    };
    assert_error!(
        error(&program, "", |w| w.from("calls_twin_a").to("twin")),
        WalkError::Ambiguous { .. },
        "several:0x",
        "say which"
    );
    assert_error!(
        error(&program, "", |w| w.from("twin").to("main")),
        WalkError::Ambiguous { .. },
        "several:0x"
    );
}

#[test]
fn a_function_that_is_not_yet_chosen() {
    let Some(program) = calls("not-chosen", &["-Wl,-z,lazy", "-fno-builtin"]) else {
        return;
    };
    let there = |w: Walker| w.from("measure").to("strlen");
    assert_error!(
        error(&program, "measure", there),
        WalkError::NotYetChosen { .. },
        "IFUNC",
        "--warmup 1"
    );
    let marker = Marker::new();
    let walk = Walk::of(marker.command(&program, &["measure"]))
        .from("measure")
        .to("strlen")
        .warmup(1)
        .run()
        .unwrap();
    assert_eq!(walk.out.instructions, 2, "{walk}");
}

#[test]
fn a_caller_that_is_never_reached() {
    let Some(program) = calls("never", &[]) else {
        return;
    };
    let there = |w: Walker| w.from("never").to("puts");
    assert_error!(
        error(&program, "status", there),
        WalkError::FromNotReached {
            arrivals: 0,
            ending: Ending::Exited(3),
            ..
        },
        "`never` was never reached: the program exited with 3"
    );
    assert_error!(
        error(&program, "direct", |w| w
            .from("direct")
            .to("add_one")
            .warmup(7)),
        WalkError::FromNotReached {
            arrivals: 5,
            warmup: 7,
            ..
        },
        "reached 5 times",
        "give less than 5"
    );
    assert_error!(
        error(&program, "crashing", there),
        WalkError::FromNotReached {
            ending: Ending::Killed(_),
            ..
        },
        "SIGSEGV killed the program"
    );
    assert_error!(
        error(&program, "sleeping", |w| there(w)
            .timeout(Duration::from_millis(200))),
        WalkError::FromNotReached {
            ending: Ending::TimeLimit(_),
            ..
        },
        "the time limit of 0.2 s passed"
    );
}

#[test]
fn a_callee_that_is_never_reached() {
    let Some(program) = calls("aimless", &["-Wl,-z,now"]) else {
        return;
    };
    assert_error!(
        error(&program, "aimless", |w| w.from("aimless").to("never")),
        WalkError::Returned { .. },
        "`aimless` returned after",
        "had not reached `never`",
        "--warmup"
    );
    assert_error!(
        error(&program, "looping", |w| w
            .from("looping")
            .to("never")
            .max_steps(1000)),
        WalkError::StepLimit { .. },
        "`never` was not reached from `looping` within 1000 steps",
        "the last one was at loops in aimless",
        "--max-steps"
    );
    assert_error!(
        error(&program, "looping", |w| w
            .from("looping")
            .to("never")
            .timeout(Duration::from_millis(300))),
        WalkError::TimeLimit { .. },
        "`never` was not reached from `looping` within 0.3 s",
        "at loops in aimless",
        "--timeout"
    );
}

#[test]
fn a_callee_that_does_not_return() {
    let Some(program) = calls("no-return", &["-Wl,-z,now"]) else {
        return;
    };
    let walk = |which, from: &'static str, to: &'static str| {
        error(&program, which, move |w| w.from(from).to(to))
    };
    assert_error!(
        walk("exiting", "exiting", "exits"),
        WalkError::Exited { code: 7, .. },
        "`exits` did not return: the program exited with 7"
    );
    assert_error!(
        walk("crashing", "crashing", "crashes"),
        WalkError::Crashed { .. },
        "SIGSEGV killed the program",
        "at crashes"
    );
    assert_error!(
        walk("forking", "forking", "forks"),
        WalkError::Forked { .. },
        "it started a new process",
        "in libc.so.6"
    );
    assert_error!(
        walk("execing", "execing", "execs"),
        WalkError::Execed { .. },
        "replaced itself with another (exec)",
        "at execve"
    );
    assert_error!(
        walk("thread", "ending_thread", "ends_thread"),
        WalkError::ThreadExited { .. },
        "the thread ended"
    );
    assert_error!(
        walk("left", "left", "leaves"),
        WalkError::LeftWithoutReturn { .. },
        "left without returning (longjmp",
        "went on at left+0x"
    );
    assert_error!(
        error(&program, "blocking", |w| w
            .from("blocking")
            .to("blocks")
            .timeout(Duration::from_millis(500))),
        WalkError::Blocked { .. },
        "it waits in system call 0 (read) at read+0x",
        "for the whole time limit of 0.5 s"
    );
    // The other threads are stopped, and must not keep the program from ending.
    assert_error!(
        walk("exiting-threads", "exiting", "exits"),
        WalkError::Exited { code: 7, .. },
        "exited with 7"
    );
}

fn barecall() -> Command {
    Command::new(env!("CARGO_BIN_EXE_cargo-barecall"))
}

#[test]
fn the_command_line_exits_with_2_and_says_why() {
    let Some(program) = calls("command-line", &[]) else {
        return;
    };
    let marker = Marker::new();
    let run = barecall()
        .args(["walk", "--from", "dirct", "--to", "add_one", "--"])
        .arg(&program)
        .args(["direct", marker.word()])
        .output()
        .unwrap();
    marker.assert_gone();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    assert!(run.stdout.is_empty(), "{run:?}");
    assert!(
        String::from_utf8_lossy(&run.stderr).starts_with("error: no function `dirct`"),
        "{run:?}"
    );
    let usage = barecall().args(["walk", "--from", "a"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
}

#[test]
fn the_command_line_keeps_the_programs_output_out_of_its_own() {
    let Some(program) = calls("output", &["-Wl,-z,now"]) else {
        return;
    };
    for first in [&["walk"][..], &["barecall", "walk"]] {
        let run = barecall()
            .args(first)
            .args([
                "--from", "say", "--to", "puts", "--warmup", "4", "--repeat", "2", "--format",
                "json", "--",
            ])
            .arg(&program)
            .arg("say")
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(0), "{run:?}");
        let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(json["repeats"]["identical"], 2);
    }
    let text = barecall()
        .args(["walk", "--from", "say", "--to", "puts", "--"])
        .arg(&program)
        .arg("say")
        .output()
        .unwrap();
    assert!(text.stdout.starts_with(b"walk    say -> puts"), "{text:?}");
}

#[test]
fn walks_that_differ_exit_with_1() {
    let Some(program) = build("differ-1", &["differ.c"], &[]) else {
        return;
    };
    let run = barecall()
        .args([
            "walk", "--from", "caller", "--to", "callee", "--repeat", "3", "--",
        ])
        .arg(&program)
        .arg(walking::scratch("differ-1-count"))
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    assert!(
        String::from_utf8_lossy(&run.stdout).contains("1 of 3 walks identical"),
        "{run:?}"
    );
}

#[test]
fn a_walk_that_is_killed_leaves_nothing() {
    let Some(program) = calls("killed", &[]) else {
        return;
    };
    for signal in [libc::SIGINT, libc::SIGKILL] {
        let marker = Marker::new();
        let mut walk = barecall();
        walk.args(["walk", "--from", "never", "--to", "puts", "--"])
            .arg(&program)
            .args(["family-sleeping", marker.word()])
            .stderr(Stdio::null());
        // A shell has what it starts in the background ignore SIGINT: also this test, perhaps, and what it starts.
        // SAFETY: signal only, which is async-signal-safe, and no handler.
        unsafe {
            walk.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            });
        }
        let mut walk = walk.spawn().unwrap();
        // Itself, the program, its child, and two of the daemon's.
        wait_until(|| marker.processes().len() == 5);
        // SAFETY: the child is ours and not yet waited for.
        unsafe { libc::kill(walk.id().cast_signed(), signal) };
        assert_eq!(walk.wait().unwrap().signal(), Some(signal));
        wait_until(|| marker.processes().is_empty());
    }
}

/// Waits for something that comes soon. A loaded machine may be slow.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it did not come");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_system_that_forbids_ptrace() {
    let Some(program) = calls("forbidden", &[]) else {
        return;
    };
    let marker = Marker::new();
    let mut command = barecall();
    command
        .args(["walk", "--from", "direct", "--to", "add_one", "--"])
        .arg(&program)
        .args(["direct", marker.word()]);
    // SAFETY: prctl only, which is async-signal-safe.
    unsafe { command.pre_exec(|| forbid(libc::SYS_ptrace)) };
    let run = command.output().unwrap();
    marker.assert_gone();
    assert_eq!(run.status.code(), Some(2), "{run:?}");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(
        said.contains("the system forbids to trace a program"),
        "{said}"
    );
    assert!(
        said.contains("--cap-add=SYS_PTRACE") || said.contains("kernel.yama.ptrace_scope is"),
        "{said}"
    );
}

#[test]
fn a_system_that_forbids_to_fix_addresses_is_no_obstacle() {
    let Some(program) = calls("randomised", &[]) else {
        return;
    };
    let mut command = barecall();
    command
        .args([
            "walk", "--from", "direct", "--to", "add_one", "--repeat", "3", "--",
        ])
        .arg(&program)
        .arg("direct");
    // SAFETY: prctl only, which is async-signal-safe.
    unsafe { command.pre_exec(|| forbid(libc::SYS_personality)) };
    let run = command.output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        said.contains("3 of 3 walks identical, addresses randomised"),
        "{run:?}"
    );
}
