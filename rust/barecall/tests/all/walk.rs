//! Walks: what they count, and for each count a control that must count otherwise.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::{env, fs};

use barecall::walk::{Leg, Walk, WalkError};

use testkit::alone::{again, name_of};
use testkit::missing;
use testkit::walking::{Marker, build, calls, scratch};

/// The walk of one call of the fixture `calls.c`; what it left behind is nothing.
fn walk(program: &std::path::Path, which: &str, from: &str, to: &str, warmup: u64) -> Walk {
    let marker = Marker::new();
    let walk = Walk::of(marker.command(program, &[which]))
        .from(from)
        .to(to)
        .warmup(warmup)
        .run();
    marker.assert_gone();
    walk.unwrap_or_else(|error| panic!("{from} -> {to}: {error}"))
}

fn symbols(leg: &Leg) -> Vec<(&str, u64)> {
    leg.steps
        .iter()
        .map(|step| (step.symbol.as_str(), step.instructions))
        .collect()
}

#[test]
fn a_bare_call_is_one_out_and_none_back() {
    let Some(program) = calls("bare", &[]) else {
        return;
    };
    let bare = walk(&program, "direct", "direct", "add_one", 0);
    assert!(bare.is_bare() && bare.is_same_stack(), "{bare}");
    assert_eq!(bare.call, "call add_one");
    assert_eq!(symbols(&bare.out), [("direct", 1)]);
    let tail = walk(&program, "tail", "tail", "add_one", 3);
    assert!(tail.is_bare() && tail.is_same_stack(), "{tail}");
    assert_eq!(tail.call, "jmp add_one");
}

#[test]
fn a_shim_shows_its_own_instructions() {
    let Some(program) = calls("shim", &[]) else {
        return;
    };
    let shim = walk(&program, "shim", "through_shim", "add_one", 0);
    assert!(!shim.is_bare(), "{shim}");
    assert_eq!(symbols(&shim.out), [("through_shim", 1), ("shim", 1)]);
    assert_eq!(symbols(&shim.back), [("shim", 1)]);
    assert!(shim.is_same_stack(), "{shim}");
}

#[test]
fn a_trampoline_to_another_stack_shows_two_switches() {
    let Some(program) = calls("switch", &[]) else {
        return;
    };
    let switching = walk(&program, "switching", "switching", "add_one", 0);
    assert!(!switching.is_same_stack(), "{switching}");
    assert_eq!(
        (switching.out.stack_switches, switching.back.stack_switches),
        (1, 1),
        "{switching}"
    );
    assert_eq!(switching.out.steps[1].symbol, "on_other_stack");
    assert_eq!(switching.out.steps[1].stack_switches, 1);
    assert!(
        switching
            .to_text()
            .contains("on_other_stack  switches stacks"),
        "{switching}"
    );
}

#[test]
fn a_lazy_binding_shows_the_resolver_once_and_then_the_stub() {
    let Some(program) = calls("lazy", &["-Wl,-z,lazy"]) else {
        return;
    };
    let first = walk(&program, "say", "say", "puts", 0);
    assert!(first.out.instructions > 100, "{first}");
    let resolver = |step: &barecall::walk::Step| step.symbol.starts_with("ld-linux-x86-64.so.2+0x");
    assert!(first.out.steps.iter().any(resolver), "{first}");
    let second = walk(&program, "say", "say", "puts", 1);
    assert_eq!(
        symbols(&second.out),
        [("say", 1), ("puts@plt", 1)],
        "{second}"
    );
    assert_eq!(second.back.instructions, 0);

    let Some(program) = calls("now", &["-fno-plt", "-Wl,-z,now"]) else {
        return;
    };
    let bare = walk(&program, "say", "say", "puts", 0);
    assert!(bare.is_bare(), "{bare}");
    assert!(
        bare.call.starts_with("call qword ptr [rip+0x"),
        "{}",
        bare.call
    );
}

#[test]
fn every_layout_of_a_program_is_walked() {
    for (name, flags) in [
        ("no-pie", &["-no-pie"][..]),
        ("static", &["-static"]),
        ("static-pie", &["-static-pie"]),
        ("stripped-of-debug", &["-Wl,-S"]),
        ("ibt", &["-fcf-protection=full", "-Wl,-z,lazy"]),
    ] {
        let Some(program) = calls(name, flags) else {
            return;
        };
        let direct = walk(&program, "direct", "direct", "add_one", 1);
        assert!(direct.is_bare(), "{name}: {direct}");
        let say = walk(&program, "say", "say", "puts", 1);
        let stub = say.out.steps.iter().find(|step| step.symbol != "say");
        assert!(
            stub.is_none_or(|stub| stub.symbol == "puts@plt"),
            "{name}: {say}"
        );
        assert_eq!(say.back.instructions, 0, "{name}: {say}");
    }
}

/// lld and mold place the code so that it shares the first page of the file with
/// its headers, and that page is mapped twice.
#[test]
fn code_may_share_a_page_of_the_file() {
    let links = |linker: &str| {
        let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
        let linked = Command::new(compiler)
            .args([&format!("-fuse-ld={linker}"), "-Wl,--version"])
            .output();
        linked.is_ok_and(|linked| linked.status.success())
    };
    if !links("mold") {
        return missing("mold", "`apt-get install mold`");
    }
    for linker in ["mold", "lld"].into_iter().filter(|linker| links(linker)) {
        let Some(program) = calls(linker, &[&format!("-fuse-ld={linker}"), "-Wl,-z,now"]) else {
            return;
        };
        let say = walk(&program, "say", "say", "puts", 0);
        let stub = say.out.steps.last().expect("a step");
        assert_eq!(stub.symbol, "puts@plt", "{linker}: {say}");
        assert!(walk(&program, "direct", "direct", "add_one", 1).is_bare());
    }
}

#[test]
fn the_vdso_has_names_too() {
    let Some(program) = calls("vdso", &["-fno-plt"]) else {
        return;
    };
    let watch = walk(&program, "watch", "watch", "__vdso_clock_gettime", 1);
    let names: Vec<_> = watch
        .out
        .steps
        .iter()
        .map(|step| step.symbol.as_str())
        .collect();
    assert_eq!(names, ["watch", "clock_gettime"], "{watch}");
    // libc and the vDSO both have a `clock_gettime`: a file's name tells which.
    let libc = walk(&program, "watch", "watch", "libc.so.6:clock_gettime", 1);
    assert!(libc.is_bare(), "{libc}");
}

#[test]
fn a_library_that_is_loaded_later_is_found() {
    let Some(program) = build("loads", &["loads.c"], &[]) else {
        return;
    };
    let Some(library) = build("libloaded.so", &["twin_a.c"], &["-shared", "-fPIC"]) else {
        return;
    };
    let walk = walk(
        &program,
        &library.to_string_lossy(),
        "calls_twin_a",
        "twin",
        0,
    );
    assert!(walk.is_bare(), "{walk}");
}

#[test]
fn what_the_caller_does_before_the_call_is_not_the_way_out() {
    let Some(program) = calls("busy", &[]) else {
        return;
    };
    assert!(walk(&program, "busy", "busy", "add_one", 0).is_bare());
}

#[test]
fn a_recursive_callee_returns_once() {
    let Some(program) = calls("recurse", &[]) else {
        return;
    };
    let recursive = walk(&program, "recurse", "calls_recurse", "recurse", 0);
    assert!(recursive.is_bare(), "{recursive}");
    assert!(recursive.callee.instructions > 12, "{recursive}");
}

#[test]
fn atomics_and_system_calls_are_counted_where_they_happen() {
    let Some(program) = calls("note", &["-fno-plt"]) else {
        return;
    };
    let noting = walk(&program, "noting", "noting", "add_one", 1);
    assert_eq!(
        (noting.out.atomics, noting.out.syscalls),
        (1, 1),
        "{noting}"
    );
    let of = |name: &str| {
        noting
            .out
            .steps
            .iter()
            .find(|step| step.symbol.ends_with(name))
            .unwrap()
    };
    assert_eq!(of("note").atomics, 1);
    assert_eq!(of("getppid").syscalls, 1);
    assert_eq!((noting.back.atomics, noting.back.syscalls), (0, 0));
}

#[test]
fn a_repeated_instruction_counts_once() {
    let Some(program) = calls("copy", &[]) else {
        return;
    };
    let copying = walk(&program, "copying", "copying", "copy", 0);
    assert!(
        copying.callee.instructions < 10,
        "1000 repetitions: {copying}"
    );
}

#[test]
fn a_function_that_is_chosen_at_load_time_is_walked_once_it_is_bound() {
    let Some(program) = calls("measure", &["-Wl,-z,now", "-fno-builtin"]) else {
        return;
    };
    let measure = walk(&program, "measure", "measure", "strlen", 0);
    assert_eq!(
        symbols(&measure.out),
        [("measure", 1), ("strlen@plt", 1)],
        "{measure}"
    );
    assert_eq!(measure.back.instructions, 0);
}

#[test]
fn a_signal_handler_runs_and_is_not_counted() {
    let Some(program) = calls("raise", &["-Wl,-z,now"]) else {
        return;
    };
    let raising = walk(&program, "raising", "raising", "raised", 0);
    assert!(raising.is_bare(), "{raising}");
    // The handler alone executes 300 instructions or more; raise() far less.
    assert!(raising.callee.instructions < 200, "{raising}");
}

#[test]
fn other_threads_neither_disturb_nor_are_disturbed() {
    let Some(program) = calls("threads", &[]) else {
        return;
    };
    for which in ["spinning", "arriving", "leaderless"] {
        for warmup in [0, 3] {
            assert!(
                walk(&program, which, "direct", "add_one", warmup).is_bare(),
                "{which}"
            );
        }
    }
}

#[test]
fn other_processes_run_on_and_are_not_walked() {
    let Some(program) = calls("processes", &[]) else {
        return;
    };
    // In "forked" the program fails unless its child, which executes `direct`
    // as well, ends well; in "vforking" parent and child share their memory; in
    // "group" the program stops itself and is continued by its child.
    for which in ["forked", "vforking", "group"] {
        assert!(
            walk(&program, which, "direct", "add_one", 2).is_bare(),
            "{which}"
        );
    }
}

/// The program leaves a daemon and that daemon's child behind.
#[test]
fn a_daemon_runs_on_and_is_not_walked() {
    let Some(program) = calls("daemon", &[]) else {
        return;
    };
    assert!(walk(&program, "family", "direct", "add_one", 2).is_bare());
}

#[test]
fn a_program_started_by_another_is_followed() {
    let Some(program) = calls("exec", &[]) else {
        return;
    };
    let marker = Marker::new();
    let command = marker.command(
        "env".as_ref(),
        &["A=1", &program.to_string_lossy(), "direct"],
    );
    let walk = Walk::of(command).from("direct").to("add_one").run();
    marker.assert_gone();
    let walk = walk.unwrap();
    assert!(walk.is_bare(), "{walk}");
}

#[test]
fn a_hundred_walks_are_identical() {
    let Some(program) = calls("hundred", &[]) else {
        return;
    };
    let marker = Marker::new();
    let walk = Walk::of(marker.command(&program, &["shim"]))
        .from("through_shim")
        .to("add_one")
        .warmup(1)
        .repeat(100)
        .run();
    marker.assert_gone();
    let walk = walk.unwrap();
    assert!(walk.is_repeatable(), "{walk}");
    assert!(
        walk.to_text()
            .contains("(warm-up 1, 100 of 100 walks identical)"),
        "{walk}"
    );
}

#[test]
fn walks_that_differ_are_not_called_identical() {
    let Some(program) = build("differ", &["differ.c"], &[]) else {
        return;
    };
    let count = scratch("differ-count");
    let walk = Walk::of({
        let mut command = Command::new(program);
        command.arg(count);
        command
    })
    .from("caller")
    .to("callee")
    .repeat(4)
    .run()
    .unwrap();
    assert_eq!(
        (walk.repeats.walks, walk.repeats.identical),
        (4, 1),
        "{walk}"
    );
}

#[test]
fn stepping_every_instruction_gives_the_same_record() {
    let Some(program) = calls("step-all", &["-Wl,-z,lazy"]) else {
        return;
    };
    for (which, from, to) in [
        ("say", "say", "puts"),
        ("noting", "noting", "add_one"),
        ("switching", "switching", "add_one"),
        ("raising", "raising", "raised"),
        ("copying", "copying", "copy"),
        ("recurse", "calls_recurse", "recurse"),
    ] {
        let take = |step_all| {
            let marker = Marker::new();
            Walk::of(marker.command(&program, &[which]))
                .from(from)
                .to(to)
                .step_all(step_all)
                .run()
                .unwrap()
        };
        assert_eq!(take(true), take(false), "{which}");
    }
}

#[test]
fn callgrind_counts_the_same() {
    let Some(program) = calls("callgrind", &[]) else {
        return;
    };
    let in_five_calls = |which: &str, function: &str| -> Option<u64> {
        let run = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(format!("--toggle-collect={function}"))
            .arg(&program)
            .arg(which)
            .output()
            .ok()?;
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let collected = said
            .lines()
            .find_map(|line| line.split_once("Collected :"))
            .map(|(_, count)| count.trim());
        Some(
            collected
                .unwrap_or_else(|| panic!("valgrind said:\n{said}"))
                .parse()
                .expect("a count"),
        )
    };
    let Some(callee) = in_five_calls("shim", "add_one") else {
        return missing("valgrind", "`apt-get install valgrind`");
    };
    let shim = in_five_calls("shim", "shim").unwrap();
    let whole = in_five_calls("shim", "through_shim").unwrap();

    let inner = walk(&program, "shim", "through_shim", "add_one", 1);
    assert_eq!(inner.callee.instructions * 5, callee, "{inner}");
    // The call itself is the caller's; all else between is the shim's.
    let between = inner.out.instructions - 1 + inner.callee.instructions + inner.back.instructions;
    assert_eq!(between * 5, shim, "{inner}");
    let outer = walk(&program, "shim", "main", "through_shim", 0);
    assert_eq!(outer.callee.instructions * 5, whole, "{outer}");
}

/// A Rust program: this one. Its names are given demangled and shortened.
#[test]
fn rust_is_walked_by_its_own_names() {
    if env::var_os("BE_WALKED").is_some() {
        assert_eq!(rust::caller(1), 3);
        return;
    }
    let mut this = again(name_of(&rust_is_walked_by_its_own_names));
    this.env("BE_WALKED", "1").stdout(Stdio::null());
    let walk = Walk::of(this)
        .from("rust::caller")
        .to("rust::callee")
        .repeat(3)
        .run()
        .unwrap();
    assert_eq!(
        (walk.from.as_str(), walk.to.as_str()),
        ("all::walk::rust::caller", "all::walk::rust::callee")
    );
    assert!(walk.is_bare() && walk.is_repeatable(), "{walk}");
}

/// `all::walk::rust::caller` is a path in that program too, and not `:walk::rust::caller` of the file `all`, which is
/// how a file's function is named.
#[test]
fn a_program_may_bear_the_name_of_its_crate() {
    let program = scratch("all");
    let this = env::current_exe().unwrap();
    // A link, not a symbolic one: what is mapped bears the name by which it was started.
    fs::hard_link(&this, &program)
        .or_else(|_| fs::copy(&this, &program).map(drop))
        .unwrap();
    let walk = |from: &str, to: &str| {
        let mut named = Command::new(&program);
        named
            .args(["--exact", name_of(&rust_is_walked_by_its_own_names)])
            .env("BE_WALKED", "1")
            .stdout(Stdio::null());
        Walk::of(named).from(from).to(to).run()
    };
    for file in ["", "all:"] {
        let [from, to] =
            ["caller", "callee"].map(|function| format!("{file}all::walk::rust::{function}"));
        let walk = walk(&from, &to).unwrap_or_else(|error| panic!("{from} -> {to}: {error}"));
        assert_eq!(walk.from, "all::walk::rust::caller");
        assert!(walk.is_bare(), "{walk}");
    }
    // The control: in that file there is no such function.
    let missing = walk("all::walk::rust::caller", "all:all::walk::rust::called");
    assert!(
        matches!(&missing, Err(WalkError::NoSuchSymbol { query, .. }) if query == "all:all::walk::rust::called"),
        "{missing:?}"
    );
}

mod rust {
    #[inline(never)]
    pub fn callee(x: u64) -> u64 {
        std::hint::black_box(x) + 1
    }

    #[inline(never)]
    pub fn caller(x: u64) -> u64 {
        callee(x) + 1
    }
}

#[test]
fn json_has_what_the_design_says() {
    let Some(program) = calls("json", &[]) else {
        return;
    };
    let walk = walk(&program, "switching", "switching", "add_one", 0);
    let json: serde_json::Value = serde_json::from_str(&walk.to_json()).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["from"], "switching");
    assert_eq!(json["to"], "add_one");
    assert_eq!(json["callee"]["instructions"], walk.callee.instructions);
    for way in ["out", "back"] {
        let keys: BTreeMap<String, serde_json::Value> =
            serde_json::from_value(json[way].clone()).unwrap();
        let keys: Vec<_> = keys.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "atomics",
                "instructions",
                "stack_switches",
                "steps",
                "syscalls"
            ]
        );
        assert_eq!(json[way]["stack_switches"], 1);
    }
    assert_eq!(json["out"]["steps"][0]["symbol"], "switching");
    let read_back: Walk = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(read_back, walk);
    assert_eq!(json["out"]["steps"][0]["instructions"], 1);
}

#[test]
fn functions_of_one_name_can_be_told_apart() {
    let Some(program) = build("twins", &["twin_a.c", "twin_b.c"], &[]) else {
        return;
    };
    let try_walk = |to: &str| {
        let marker = Marker::new();
        let walk = Walk::of(marker.command(&program, &[]))
            .from("calls_twin_b")
            .to(to)
            .run();
        marker.assert_gone();
        walk
    };
    let Err(WalkError::Ambiguous { candidates, .. }) = try_walk("twin") else {
        panic!("two are called twin")
    };
    assert_eq!(candidates.len(), 2, "{candidates:?}");
    // One of them is called; the other is never reached.
    let walks: Vec<_> = candidates
        .iter()
        .map(|(unique, _)| try_walk(unique))
        .collect();
    assert_eq!(
        walks
            .iter()
            .filter(|walk| matches!(walk, Ok(walk) if walk.is_bare()))
            .count(),
        1,
        "{walks:?}"
    );
    assert_eq!(
        walks
            .iter()
            .filter(|walk| matches!(walk, Err(WalkError::Returned { .. })))
            .count(),
        1,
        "{walks:?}"
    );
}
