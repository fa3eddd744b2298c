//! Every exhibit and every machine at every opt-level: first the fact, on any compiler, then the
//! listing, under the pinned one.
//!
//! The fact is read off a linked image: the exhibits built as a dynamic library at
//! that level, every call's route asserted bare. The listing is what the compiler
//! wrote for the same build (`--emit asm`), compared with the file in
//! `asm-snapshots/`. To accept a change: `cargo insta review`, or
//! `INSTA_UPDATE=always cargo test --test all listings`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use barecall::{Call, Function, Image, Route};
use zero_cost_ffi::catalogue::{Exhibit, Machine, exhibits, machines};

use super::compile::{self, Compiler, run};

/// A target that listings are recorded for.
struct Target {
    triple: &'static str,
    /// Flags beside the opt-level.
    flags: &'static str,
    /// What a call to a shared library's function must be in a linked image. A static library's is bare on both.
    shared: &'static [Route],
}

const X86_64: Target = Target {
    triple: "x86_64-unknown-linux-gnu",
    flags: "-C codegen-units=1 -C llvm-args=-x86-asm-syntax=intel",
    shared: &[Route::Got, Route::Register],
};

/// rustc emits `bl puts` here, and the linker puts a stub behind it: the call is not bare.
const AARCH64: Target = Target {
    triple: "aarch64-unknown-linux-gnu",
    flags: "-C codegen-units=1",
    shared: &[Route::Plt],
};

const LEVELS: [&str; 6] = ["0", "1", "2", "3", "s", "z"];
const ACCEPT: &str =
    "to accept: `cargo insta review`, or `INSTA_UPDATE=always cargo test --test all listings`";

macro_rules! levels {
    ($($test:ident: $level:literal),*) => {
        $(#[test]
        fn $test() {
            rust(&X86_64, compile::here(), $level);
            twins($level);
        })*
    };
}
levels!(o0: "0", o1: "1", o2: "2", o3: "3", os: "s", oz: "z");

#[test]
#[ignore = "slow: the same once more for another processor"]
fn aarch64() {
    if is_aarch64_here() {
        let compiler = Compiler::of(AARCH64.triple, AARCH64_CC);
        for level in LEVELS {
            rust(&AARCH64, &compiler, level);
        }
    }
}

/// A file that belongs to no exhibit proves nothing, and looks as if it did.
#[test]
fn no_listing_is_left_over() {
    for target in [X86_64, AARCH64] {
        complete(&target);
    }
}

fn complete(target: &Target) {
    let names = exhibits().into_iter().flat_map(|exhibit| {
        let twin = exhibit.twin.filter(|_| target.triple == X86_64.triple);
        [
            Some(format!("{}.rust", exhibit.name)),
            twin.map(|twin| format!("{twin}.c")),
        ]
    });
    let machines = machines()
        .into_iter()
        .map(|machine| format!("{}.rust", machine.name));
    let expected: BTreeSet<String> = names
        .flatten()
        .chain(machines)
        .flat_map(|name| LEVELS.map(|level| format!("{}.snap", file(&name, level))))
        .collect();
    let entries = std::fs::read_dir(folder(target)).expect("asm-snapshots is there");
    let found: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .expect("a readable folder")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .filter(|name| name.ends_with(".snap"))
        .collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    let left: Vec<_> = found.difference(&expected).collect();
    assert!(
        missing.is_empty() && left.is_empty(),
        "missing: {missing:?}; left over: {left:?}; {ACCEPT}"
    );
}

/// The normalisation must not hide what is on show.
#[test]
fn what_is_normalised() {
    let mut names = Names::default();
    let text = names.normalise("rip + _ZN4core3fmt5write17h0123456789abcdefE@GOTPCREL");
    assert_eq!(text, "rip + core::fmt::write@GOTPCREL");
    assert_eq!(names.normalise(".LBB12_3"), ".LBB_3");
    assert_eq!(names.normalise("[rip + .LJTI12_0]"), "[rip + .LJTI_0]");
    assert_eq!(names.normalise("rip + .Lanon.0f1e.7"), "rip + .Lanon.0");
    assert_eq!(names.normalise("rip + .Lanon.0f1e.9"), "rip + .Lanon.1");
    assert_eq!(
        names.normalise("OUTLINED_FUNCTION_113"),
        "OUTLINED_FUNCTION_0"
    );
    assert_eq!(
        names.normalise("OUTLINED_FUNCTION_7"),
        "OUTLINED_FUNCTION_1"
    );
    for untouched in [
        "qword ptr [rip + puts@GOTPCREL]",
        "rsp, 24",
        "puts@PLT",
        "rax",
    ] {
        assert_eq!(names.normalise(untouched), untouched);
    }
}

fn folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("asm-snapshots")
        .join(target.triple)
}

/// Whether this machine can make an image for AArch64; aloud, if not.
fn is_aarch64_here() -> bool {
    let sysroot = run(compile::rustc().args(["--print", "sysroot"]));
    let std = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(AARCH64.triple);
    // With the C library's headers and stand-in, it knows where `libc.so` is.
    let libc = Command::new(AARCH64_CC)
        .arg("-print-file-name=libc.so")
        .output();
    let libc = libc.is_ok_and(|found| found.stdout.starts_with(b"/"));
    let why = if !std.is_dir() {
        format!("`rustup target add {}`", AARCH64.triple)
    } else if !libc {
        "`apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross`".to_owned()
    } else {
        return true;
    };
    testkit::missing(
        "aarch64",
        &format!("the listings of {} need {why}", AARCH64.triple),
    );
    false
}

/// Compiles the C side and links.
const AARCH64_CC: &str = "aarch64-linux-gnu-gcc";

fn file(name: &str, level: &str) -> String {
    format!("{name}.O{level}")
}

/// Where the builds go: a folder of their own, so that they do not undo the tests' own build.
fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("listings")
}

/// The fact, then the listing.
fn rust(target: &Target, compiler: &Compiler, level: &str) {
    let flags = format!("-C opt-level={level} {}", target.flags);
    let mut all: Vec<&str> = flags.split(' ').collect();
    all.push("--emit=asm=FOLDER/exhibits.s");
    let built = compiler.compile(&format!("O{level}"), "dylib", &all);
    let image = Image::open(built.join("libzero_cost_ffi.so")).expect("a linked image");
    let assembly = std::fs::read_to_string(built.join("exhibits.s")).expect("the compiler's text");

    let (version, pinned) = compile::version();
    let mut failures = Vec::new();
    let mut listings = Vec::new();
    for exhibit in exhibits() {
        let symbol = symbol(&exhibit);
        let function = match image.function(&symbol) {
            Ok(function) => function,
            Err(error) => {
                failures.push(error.to_string());
                continue;
            }
        };
        if let Err(error) = as_expected(target, &exhibit, &function) {
            failures.push(error);
            continue;
        }
        let calls = function.calls();
        let on_show = calls
            .iter()
            .filter(|call| exhibit.calls.iter().any(|to| call.reaches(to)));
        let mut text = head(target, exhibit.name, exhibit.says, &version, &flags);
        facts(&mut text, on_show);
        text.push('\n');
        text.push_str(&listing(&assembly, function.mangled().expect("a name")));
        listings.push((file(&format!("{}.rust", exhibit.name), level), text));
    }
    for machine in machines() {
        match image.function(machine.symbol) {
            Ok(function) => {
                let mut text = head(target, machine.name, machine.says, &version, &flags);
                machine_facts(&mut text, target, &machine, &function);
                text.push('\n');
                text.push_str(&listing(&assembly, function.mangled().expect("a name")));
                listings.push((file(&format!("{}.rust", machine.name), level), text));
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    assert!(
        failures.is_empty(),
        "for {} at opt-level {level}:\n{}",
        target.triple,
        failures.join("\n")
    );
    if pinned {
        compare(target, listings);
    } else {
        testkit::missing(
            "pinned",
            &format!(
                "listings at O{level} are recorded for another compiler than {}",
                version
            ),
        );
    }
}

/// The fact: bare, but for what the target's linker is known to put in between.
fn as_expected(target: &Target, exhibit: &Exhibit, function: &Function<'_>) -> Result<(), String> {
    if target.shared.iter().all(|route| route.is_bare()) {
        return function
            .bare_calls(exhibit.calls)
            .map(drop)
            .map_err(|error| error.to_string());
    }
    for symbol in exhibit.calls {
        let allowed = if *symbol == "puts" {
            target.shared
        } else {
            &[Route::Direct, Route::Got, Route::Register][..]
        };
        let calls: Vec<_> = function
            .calls()
            .into_iter()
            .filter(|call| call.reaches(symbol))
            .collect();
        if calls.is_empty() || !calls.iter().all(|call| allowed.contains(&call.route())) {
            return Err(format!(
                "{}: expected {allowed:?} to {symbol}, found {calls:?}",
                exhibit.name
            ));
        }
    }
    Ok(())
}

/// The C twins at the same level, beside them: facts always, text under the compiler on record.
fn twins(level: &str) {
    let scratch = scratch();
    let cc = std::env::var_os("CC").unwrap_or("cc".into());
    let version = run(Command::new(&cc).arg("--version"));
    let version = version.lines().next().expect("a line").to_owned();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (flags, intel) = (format!("-std=c11 -O{level} -fPIC"), "-masm=intel");
    let compile = |arguments: &[&OsStr]| {
        run(Command::new(&cc)
            .current_dir(root)
            .args(flags.split(' '))
            .arg(intel)
            .args(arguments));
    };
    let library = scratch.join(format!("twins.O{level}"));
    let text = scratch.join(format!("twins.O{level}.s"));
    std::fs::create_dir_all(&scratch).expect("a folder for the build");
    // Linked as rustc links: an executable that may be moved, every slot bound before it starts.
    let link: [&OsStr; 7] = [
        "-pie",
        "-nostartfiles",
        "-Wl,-e,say,-z,relro,-z,now",
        "c/callers.c",
        "c/greet.c",
        "-o",
        library.to_str().expect("UTF-8"),
    ]
    .map(AsRef::as_ref);
    compile(&link);
    let assemble: [&OsStr; 6] = [
        "-S",
        "-fno-asynchronous-unwind-tables",
        "-fcf-protection=none",
        "c/callers.c",
        "-o",
        text.to_str().expect("UTF-8"),
    ]
    .map(AsRef::as_ref);
    compile(&assemble);
    let image = Image::open(&library).expect("a linked image");
    let text = std::fs::read_to_string(text).expect("the compiler's text");

    let mut listings = Vec::new();
    for exhibit in exhibits().iter().filter(|exhibit| exhibit.twin.is_some()) {
        let function = image
            .function(exhibit.name)
            .expect("the twin is in the image");
        let calls = function.calls();
        for symbol in exhibit.calls {
            assert!(
                calls.iter().any(|call| call.reaches(symbol)),
                "{} in C does not call {symbol}: {calls:?}",
                exhibit.name
            );
        }
        let mut out = head(&X86_64, exhibit.name, "the twin, in C", &version, &flags);
        facts(&mut out, calls.iter());
        out.push('\n');
        out.push_str(&listing(&text, exhibit.name));
        listings.push((file(&format!("{}.c", exhibit.name), level), out));
    }
    let recorded = std::fs::read_to_string(folder(&X86_64).join(format!("{}.snap", listings[0].0)))
        .unwrap_or_default();
    let on_record = recorded
        .lines()
        .find_map(|line| line.strip_prefix("# compiler  "));
    if on_record.is_none_or(|on_record| on_record == version) {
        compare(&X86_64, listings);
    } else {
        let why = format!(
            "the C listings at O{level} are recorded for {}, this is {version}",
            on_record.unwrap_or_default()
        );
        testkit::missing("cc", &why);
    }
}

/// Compares each listing with the one on file; every difference is shown before the test fails.
fn compare(target: &Target, listings: Vec<(String, String)>) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(target));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // In the file's own head, which is not compared: a listing keeps its date until it changes.
    settings.set_description(format!("recorded {}", time::UtcDateTime::now().date()));
    let changed: Vec<String> = settings.bind(|| {
        let differs = |(name, text): &(String, String)| {
            let compared = std::panic::catch_unwind(|| insta::assert_snapshot!(name.clone(), text));
            compared.is_err()
        };
        listings
            .iter()
            .filter(|listing| differs(listing))
            .map(|listing| listing.0.clone())
            .collect()
    });
    assert!(
        changed.is_empty(),
        "{} listings are not those on file: {}; {ACCEPT}",
        changed.len(),
        changed.join(", ")
    );
}

fn symbol(exhibit: &Exhibit) -> String {
    if exhibit.poll {
        format!("{}::{{{{closure}}}}", exhibit.path)
    } else {
        exhibit.path.to_owned()
    }
}

fn head(target: &Target, name: &str, says: &str, compiler: &str, flags: &str) -> String {
    format!(
        "# exhibit   {name}: {says}\n# compiler  {compiler}\n# target    {}\n# flags     {flags}\n",
        target.triple
    )
}

/// One line a call, as found in the linked image.
fn facts<'a, 'i: 'a>(out: &mut String, calls: impl Iterator<Item = &'a Call<'i>>) {
    for call in calls {
        let to = call.to().unwrap_or_else(|| "?".to_owned());
        let _ = write!(out, "# call      {to}  {}", call.route());
        if call.tail() {
            out.push_str("  tail");
        }
        for via in call.via() {
            let _ = write!(out, "  via {via}");
        }
        out.push('\n');
    }
}

/// The future's size, and how long its poll is.
fn machine_facts(out: &mut String, target: &Target, machine: &Machine, poll: &Function<'_>) {
    // Of the target that this test was built for.
    if target.triple == X86_64.triple {
        let _ = writeln!(out, "# bytes     {}", machine.bytes);
    }
    let listing = poll.listing();
    let instructions = listing.instructions();
    let is_call = |text: &str| {
        let op = text.split_whitespace().next();
        op.is_some_and(|op| ["call", "bl", "blr"].contains(&op))
    };
    let calls = instructions.iter().filter(|found| is_call(&found.text()));
    let (long, calls) = (instructions.len(), calls.count());
    let _ = writeln!(out, "# poll      {long} instructions, {calls} calls");
}

/// The function's labels and instructions, without directives.
fn listing(text: &str, function: &str) -> String {
    let mut names = Names::default();
    let mut out = String::new();
    let (begin, end) = (format!("{function}:"), format!("\t.size\t{function}, "));
    for line in text
        .lines()
        .skip_while(|line| *line != begin)
        .take_while(|line| !line.starts_with(&end))
    {
        // Labels that nothing but unwinding and debuggers use.
        let unused = [".Lfunc", ".Ltmp"]
            .iter()
            .any(|label| line.starts_with(label));
        let directive = line.trim_start().starts_with('.') && !line.ends_with(':');
        if unused || directive {
            continue;
        }
        let _ = match line.strip_prefix('\t').map(str::trim) {
            None => writeln!(out, "{}", names.normalise(line)),
            Some(text) => match text.split_once(char::is_whitespace) {
                Some((op, args)) => writeln!(out, "\t{op} {}", names.normalise(args.trim())),
                None => writeln!(out, "\t{text}"),
            },
        };
    }
    assert!(!out.is_empty(), "{function} is not in the text");
    out
}

/// What changes from build to build though the code does not: hashes in symbols, and numbers that count through
/// the whole crate.
#[derive(Default)]
struct Names {
    constants: Vec<String>,
    /// What the compiler moved out of several functions, to be shorter.
    outlined: Vec<String>,
}

impl Names {
    fn normalise(&mut self, text: &str) -> String {
        let word = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(word) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            out.push_str(&self.name(&rest[..end]));
            rest = &rest[end..];
        }
        out + rest
    }

    fn name(&mut self, word: &str) -> String {
        if let Some(label) = word.strip_prefix(".LBB") {
            return format!(".LBB_{}", label.rsplit('_').next().unwrap_or(label));
        }
        if let Some(table) = word.strip_prefix(".LJTI") {
            return format!(".LJTI_{}", table.rsplit('_').next().unwrap_or(table));
        }
        for (prefix, all) in [
            (".Lanon.", &mut self.constants),
            ("OUTLINED_FUNCTION_", &mut self.outlined),
        ] {
            if word.starts_with(prefix) {
                let known = all.iter().position(|known| known == word);
                let number = known.unwrap_or_else(|| {
                    all.push(word.to_owned());
                    all.len() - 1
                });
                return format!("{prefix}{number}");
            }
        }
        if barecall::is_rust(word) {
            barecall::demangle(word)
        } else {
            word.to_owned()
        }
    }
}
