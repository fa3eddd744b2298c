//! Agreement with an independent reading: every call to a symbol of another image that GNU objdump shows, in three
//! real libraries and programs, is found with the same target; and the other way round.
//!
//! What objdump shows is text: a call or jump to `<puts@plt>`, or one through a slot (`*0x…(%rip) # slot`), which
//! `readelf -r` says the symbol of. Each difference must be of a class that is listed here ([`Tally`]).
//!
//! One is the toolchain's own standard library; two programs are built from crates.io, once, one that bundles
//! zstd and one that bundles SQLite (`fixtures/agreement`).
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barecall::{Image, Route};

/// What building the programs may take.
const LONGEST: Duration = Duration::from_secs(600);

/// Calls, by what became of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Both readings have them, with the same target.
    agreed: usize,
    /// objdump shows the linker's stubs as well: their own jumps are no function's calls.
    in_stubs: usize,
    /// Only ours: through a register that was loaded from a slot earlier.
    by_register: usize,
    /// Only ours: past a function that only passes control on.
    past_thunk: usize,
    /// A word of `.data` that the loader fills in first, but the program may fill in anew (SQLite's table of system
    /// calls): ours is `pointer`.
    by_variable: usize,
}

#[test]
fn calls_to_other_images_are_those_that_objdump_shows() {
    agree(&[standard_library()]);
}

#[test]
#[ignore = "slow: compiles SQLite and zstd, from crates.io"]
fn calls_of_sqlite_and_zstd_are_those_that_objdump_shows() {
    match programs() {
        Ok(programs) => agree(&programs),
        Err(why) => testkit::missing("crates", &why),
    }
}

fn agree(files: &[PathBuf]) {
    if let Err(error) = Command::new("objdump").arg("--version").output() {
        return testkit::missing("gcc", &format!("objdump: {error}"));
    }
    for file in files {
        let image = Image::open(file).unwrap();
        let calls = image.calls(|_, _| {});
        let slots = slots(&text(Command::new("readelf").arg("-rW").arg(file)));
        let listing = text(
            Command::new("objdump")
                .args(["-d", "--no-show-raw-insn"])
                .arg(file),
        );
        let shown = shown(&listing, &slots);
        let ours: BTreeMap<u64, Ours> = (calls.iter())
            .filter(|call| call.target().is_none())
            .map(|call| {
                let name = call.to_mangled().first().map(|&name| name.to_owned());
                (call.at(), (call.route(), name.unwrap_or_default()))
            })
            .collect();
        let sections = text(Command::new("readelf").arg("-SW").arg(file));
        let tally = compare(&shown, &ours, variables(&sections))
            .unwrap_or_else(|why| panic!("{}:\n{why}", file.display()));
        let unresolved = calls
            .iter()
            .filter(|call| call.route() == Route::Unresolved)
            .count();
        let _ = writeln!(
            std::io::stderr(),
            "{}: {} calls, {unresolved} unresolved; {tally:?}",
            file.file_name().unwrap_or_default().display(),
            calls.len(),
        );
        assert!(tally.agreed > 20, "{}: {tally:?}", file.display());
        assert!(
            unresolved * 200 < calls.len(),
            "{}: {unresolved} of {} calls are unresolved",
            file.display(),
            calls.len()
        );
    }
}

#[test]
fn a_difference_is_seen() {
    let listing = "\nDisassembly of section .plt:\n\n    1000:\tjmp    *0x2f(%rip)        # 3000 <puts@GLIBC_2.2.5>\n\
                   \nDisassembly of section .text:\n\n    2000:\tcall   1000 <puts@plt>\n    2005:\tbnd jmp *0xf(%rip)        # 3008 <x>\n";
    let relocations = "000000003000  000100000007 R_X86_64_JUMP_SLO 0000000000000000 puts@GLIBC_2.2.5 + 0\n\
                       000000003008  000200000006 R_X86_64_GLOB_DAT 0000000000000000 abs@GLIBC_2.2.5 + 0\n";
    let shown = shown(listing, &slots(relocations));
    let ours = |list: &[(u64, Route, &str)]| -> BTreeMap<u64, Ours> {
        let ours = list.iter();
        ours.map(|&(at, route, to)| (at, (route, to.to_owned())))
            .collect()
    };
    let right = [(0x2000, Route::Plt, "puts"), (0x2005, Route::Got, "abs")];
    let data = variables("  [24] .data PROGBITS 0000000000003008 003008 000008 00  WA  0   0  8\n");
    assert_eq!(data, (0x3008, 0x3010));
    let tally = compare(&shown, &ours(&right), data).unwrap();
    assert_eq!((tally.agreed, tally.in_stubs), (2, 1));
    let pointer = [right[0], (0x2005, Route::Pointer, "")];
    assert_eq!(
        compare(&shown, &ours(&pointer), data).unwrap().by_variable,
        1
    );
    assert!(compare(&shown, &ours(&pointer), (0, 0)).is_err());
    // One missed, one with another target, one too many.
    for wrong in [
        vec![right[0]],
        vec![right[0], (0x2005, Route::Got, "labs")],
        vec![right[0], right[1], (0x2010, Route::Got, "abs")],
    ] {
        assert!(compare(&shown, &ours(&wrong), data).is_err(), "{wrong:?}");
    }
}

type Ours = (Route, String);

/// A call in objdump's text: where, to what, and whether in a section of stubs.
struct Shown {
    at: u64,
    to: String,
    in_stub: bool,
    /// The slot that it goes through itself.
    slot: Option<u64>,
}

/// Counts what agrees and what is explained; says what is not.
fn compare(
    shown: &[Shown],
    ours: &BTreeMap<u64, Ours>,
    variables: (u64, u64),
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    for call in shown {
        match ours.get(&call.at) {
            _ if call.in_stub => tally.in_stubs += 1,
            Some((_, to)) if *to == call.to => tally.agreed += 1,
            Some((Route::Pointer, _))
                if call
                    .slot
                    .is_some_and(|slot| (variables.0..variables.1).contains(&slot)) =>
            {
                tally.by_variable += 1;
            }
            found => wrong.push(format!(
                "{:#x}: objdump has a call to {}, we have {found:?}",
                call.at, call.to
            )),
        }
    }
    let known: BTreeMap<u64, &str> = shown.iter().map(|call| (call.at, &*call.to)).collect();
    for (at, (route, to)) in ours {
        match route {
            _ if known.contains_key(at) || to.is_empty() => {}
            Route::Register => tally.by_register += 1,
            Route::Thunk => tally.past_thunk += 1,
            _ => wrong.push(format!("{at:#x}: we have {route} to {to}, objdump nothing")),
        }
    }
    if wrong.is_empty() {
        Ok(tally)
    } else {
        Err(wrong.join("\n"))
    }
}

/// The first address of `.data` and the one behind the last, from `readelf -SW`.
fn variables(sections: &str) -> (u64, u64) {
    let line = sections.lines().find(|line| line.contains("] .data "));
    let words = line
        .and_then(|line| line.split_once(".data "))
        .unwrap_or_default()
        .1;
    let mut words = words
        .split_whitespace()
        .skip(1)
        .map(|word| u64::from_str_radix(word, 16));
    let (Some(Ok(start)), Some(Ok(_)), Some(Ok(size))) = (words.next(), words.next(), words.next())
    else {
        return (0, 0);
    };
    (start, start + size)
}

/// The symbol of each slot, without its version, from `readelf -rW`.
fn slots(relocations: &str) -> BTreeMap<u64, String> {
    let kinds = ["R_X86_64_GLOB_DAT", "R_X86_64_JUMP_SLO", "R_X86_64_64"];
    relocations
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [at, _, kind, _, name, "+", "0"] = words[..] else {
                return None;
            };
            let at = u64::from_str_radix(at, 16).ok()?;
            let name = name.split('@').next()?;
            // As readelf cuts the word short where it is too long.
            kinds
                .iter()
                .any(|known| kind.starts_with(known))
                .then(|| (at, name.to_owned()))
        })
        .collect()
}

/// The calls and jumps of a listing that go to a stub, or through one of the slots.
fn shown(listing: &str, slots: &BTreeMap<u64, String>) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut in_stub = false;
    for line in listing.lines() {
        if let Some(section) = line.strip_prefix("Disassembly of section ") {
            in_stub = section.starts_with(".plt");
        }
        let Some((at, text)) = line.split_once(":\t") else {
            continue;
        };
        let Ok(at) = u64::from_str_radix(at.trim(), 16) else {
            continue;
        };
        if !text
            .split(' ')
            .any(|word| word == "call" || word.starts_with('j'))
        {
            continue;
        }
        let mut through = None;
        let to = if let Some((operand, slot)) = text.split_once("(%rip)") {
            // As in `call *0x2ff1(%rip)        # 3ff8 <puts@GLIBC_2.2.5>`.
            through = slot
                .trim()
                .strip_prefix("# ")
                .and_then(|slot| u64::from_str_radix(slot.split(' ').next()?, 16).ok())
                .filter(|_| operand.contains('*'));
            through.and_then(|slot| slots.get(&slot)).cloned()
        } else {
            text.split_once('<')
                .and_then(|(_, name)| name.trim().strip_suffix("@plt>"))
                .filter(|name| !name.starts_with('*'))
                .map(|name| name.split('@').next().unwrap_or(name).to_owned())
        };
        shown.extend(to.map(|to| Shown {
            at,
            to,
            in_stub,
            slot: through,
        }));
    }
    shown
}

fn text(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The toolchain's own shared standard library.
fn standard_library() -> PathBuf {
    let folder = text(Command::new("rustc").args(["--print", "target-libdir"]));
    std::fs::read_dir(folder.trim())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libstd-") && path.extension().is_some_and(|end| end == "so")
        })
        .expect("a toolchain has its standard library as a shared one, too")
}

/// Programs from crates.io, built where a warm build finds them again.
fn programs() -> Result<[PathBuf; 2], String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agreement");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/agreement");
    std::fs::create_dir_all(&folder).unwrap();
    for (from, to) in [
        ("manifest.toml", "Cargo.toml"),
        ("lock.toml", "Cargo.lock"),
        ("zstd.rs", "zstd.rs"),
        ("sqlite.rs", "sqlite.rs"),
    ] {
        let new = std::fs::read(fixtures.join(from)).unwrap();
        let to = folder.join(to);
        // What is the same keeps its date, so that nothing is built again.
        if std::fs::read(&to).is_ok_and(|old| old == new) {
            continue;
        }
        std::fs::write(to, new).unwrap();
    }
    let log = std::fs::File::create(folder.join("log.txt")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--release", "--locked", "--target-dir", "target"])
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .current_dir(&folder)
        // Its own group, so that the compilers that it starts end with it.
        .process_group(0)
        .stdout(Stdio::null())
        .stderr(log);
    let mut child = cargo.spawn().map_err(|error| format!("cargo: {error}"))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if began.elapsed() > LONGEST => {
                let group = i32::try_from(child.id()).map_err(|error| error.to_string())?;
                // SAFETY: the child has not been waited for, so the number is still that of its group.
                unsafe { libc::kill(-group, libc::SIGKILL) };
                let _ = child.wait();
                return Err(format!("not built within {LONGEST:?}"));
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    if !status.success() {
        let log = std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default();
        return Err(format!("cargo could not build them:\n{log}"));
    }
    let built = folder.join("target/release");
    Ok([built.join("zstd"), built.join("sqlite")])
}
