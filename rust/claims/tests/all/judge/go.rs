//! The Go side, without a Go toolchain.

use claims::go::program::keep;
use claims::go::recorded::FOLDER;
use claims::go::toolchain::{Env, Toolchain, minor};
use claims::go::{goroutines, phase, twin};
use claims::report::Phase;

#[test]
fn each_function_of_the_chain_has_its_phase() {
    for (symbol, expected) in [
        ("main.addOne", Phase::Call),
        ("zero_cost_ffi::calls::add_one", Phase::Call),
        ("puts@plt", Phase::Stub),
        ("main._Cfunc_greet_add_one.abi0", Phase::Packing),
        ("runtime.cgoNoCallback", Phase::Packing),
        ("runtime.cgocall", Phase::Scheduler),
        ("runtime.reentersyscall", Phase::Scheduler),
        ("runtime.asmcgocall.abi0", Phase::StackSwitch),
        ("gosave_systemstack_switch", Phase::StackSwitch),
        ("_cgo_f806a57e788a_Cfunc_greet_add_one", Phase::CSide),
        ("_cgo_topofstack", Phase::CSide),
    ] {
        assert_eq!(phase::of_symbol(symbol), expected, "{symbol}");
    }
}

#[test]
fn a_phase_is_written_as_its_word() {
    for phase in Phase::ALL {
        let written = serde_json::to_value(phase).expect("it is written");
        assert_eq!(written, phase.as_str());
    }
}

#[test]
fn source_and_listing_are_found_by_the_name_that_go_gives_them() {
    let root = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        let file = root.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    };
    put(
        twin::FILE,
        "// addOne\nfunc addOneMore() {}\nfunc addOne(v int) int { return v }\n\nfunc forEach() {\n\t\
         if true {\n\t}\n}\nfunc x() {}\n",
    );
    put(
        &format!("{FOLDER}/main.addOne.snap"),
        "---\nsource: x\n---\n# function  main.addOne\n\n     0  push rbp\n    12  call \
         main._Cfunc_f.abi0  ; thunk -> f, via main._Cfunc_f.abi0, runtime.cgocall\n    34  call \
         runtime.morestack  ; direct\n",
    );
    let source = twin::source_in(root.path(), "add_one").expect("a source");
    assert_eq!(source.text, "func addOne(v int) int { return v }\n");
    let source = twin::source_in(root.path(), "for_each").expect("a source");
    assert_eq!(source.text, "func forEach() {\n\tif true {\n\t}\n}\n");
    assert!(twin::source_in(root.path(), "say").is_none());
    let lines = twin::lines_in(root.path(), "add_one");
    let calls: Vec<Option<String>> = lines
        .iter()
        .map(|line| {
            let call = line.call.as_ref()?;
            Some(format!("{call} to {}", call.to.as_ref()?))
        })
        .collect();
    assert_eq!(
        calls.iter().map(Option::as_deref).collect::<Vec<_>>(),
        [
            None,
            Some("thunk, via main._Cfunc_f.abi0 and runtime.cgocall to f"),
            Some("direct to runtime.morestack")
        ]
    );
    assert_eq!(
        (lines[1].at, lines[1].text.as_str()),
        (0x12, "call main._Cfunc_f.abi0")
    );
    assert!(twin::lines_in(root.path(), "say").is_empty());
}

fn env() -> Env {
    Env {
        goversion: "go1.27.3".into(),
        cgo_enabled: "1".into(),
        cc: "cc".into(),
        goos: "linux".into(),
        goarch: "amd64".into(),
        gocache: "off".into(),
        goamd64: "v1".into(),
        goexperiment: String::new(),
        goflags: String::new(),
        cgo_cflags: String::new(),
        cgo_ldflags: String::new(),
    }
}

#[test]
fn what_is_missing_is_told_apart() {
    let found = Toolchain::of("go".into(), env()).expect("this one will do");
    assert!(found.cache.is_none() && !found.cc.is_empty());
    let refused = |change: fn(&mut Env)| {
        let mut env = env();
        change(&mut env);
        Toolchain::of("go".into(), env)
            .expect_err("this one will not")
            .to_string()
    };
    assert!(refused(|env| env.goversion = "go1.23.9".into()).contains("go1.23.9 is too old"));
    assert!(refused(|env| env.goversion = "gccgo 12".into()).contains("too old"));
    assert!(refused(|env| env.cgo_enabled = "0".into()).contains("CGO_ENABLED=0; unset it"));
    assert!(refused(|env| env.goarch = "arm64".into()).contains("linux/arm64"));
    // As Go has it where there is none.
    let none = refused(|env| {
        env.cc = "no-such-cc".into();
        env.cgo_enabled = "0".into();
    });
    assert!(
        none.contains("`no-such-cc`") && none.contains("apt-get"),
        "{none}"
    );
}

#[test]
fn versions_are_read() {
    for (version, expected) in [
        ("go1.27.3", Some(27)),
        ("go1.24", Some(24)),
        ("go1.28rc1", Some(28)),
        ("devel go1.28-0f1e2d3 Tue Nov 24", Some(28)),
        ("go2.0", None),
        ("", None),
    ] {
        assert_eq!(minor(version), expected, "{version}");
    }
}

#[test]
fn none_asked_for_are_none() {
    assert!(goroutines::live(&[]).is_ok_and(|none| none.is_empty()) || Toolchain::find().is_err());
}

#[test]
fn a_program_that_is_kept_already_is_not_replaced() {
    use std::fs;
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second, kept] = ["first", "second", "kept"].map(|name| folder.path().join(name));
    fs::write(&first, "1").expect("it can be written");
    fs::write(&second, "2").expect("it can be written");
    keep(&first, &kept).expect("it is kept");
    keep(&second, &kept).expect("another is");
    assert_eq!(fs::read(&kept).expect("it is there"), b"1");
}
