//! Mach-O and PE: each route on each architecture, linked and not, expected against found; and files that lie.
//!
//! The sources are in `fixtures/formats`. Needs clang, and the linkers that come with rustc.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use barecall::{Image, Route};
use testkit::toolchain::{Arch, Format, Toolchain};

use Route::{Direct, Got, Plt, Pointer, Register, Thunk, Unresolved};

/// A file, and what is special about it.
struct Made {
    what: &'static str,
    format: Format,
    arch: Arch,
    path: PathBuf,
}

const TARGETS: [(Format, Arch); 4] = [
    (Format::MachO, Arch::X86),
    (Format::MachO, Arch::Aarch64),
    (Format::Pe, Arch::X86),
    (Format::Pe, Arch::Aarch64),
];

/// All files; none where something is missing.
fn made() -> &'static [Made] {
    static MADE: OnceLock<Vec<Made>> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats");
        let tools = match Toolchain::find(&folder) {
            Ok(tools) => tools,
            Err((what, why)) => {
                testkit::missing(what, &why);
                return Vec::new();
            }
        };
        std::thread::scope(|scope| {
            let tools = &tools;
            let threads = TARGETS.map(|target| scope.spawn(move || make(tools, target)));
            let made = threads.map(|thread| thread.join().unwrap());
            made.into_iter().flatten().collect()
        })
    })
}

fn make(tools: &Toolchain, target: (Format, Arch)) -> Vec<Made> {
    let fixture = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/formats")
            .join(name)
    };
    let (format, arch) = target;
    let named = |name: &str| format!("{format:?}-{arch:?}-{name}");
    let object = tools.compile(target, &fixture("calls.c"), &[], &named("calls.o"));
    let more =
        |name: &str, flags: &[&str]| tools.compile(target, &fixture("more.c"), flags, &named(name));
    let plain = more("more.o", &[]);
    let file = |what, path| Made {
        what,
        format,
        arch,
        path,
    };
    let archive = tools.archive(&[&object, &plain], &named("both.a"));
    let mut files = vec![file("object", object.clone()), file("archive", archive)];
    match format {
        Format::MachO => {
            let library = fixture("libgreet.tbd");
            let inputs = [&*object, &plain, &library];
            let mut link = |what, flags: &[&str]| {
                files.push(file(what, tools.link(target, &inputs, flags, &named(what))));
            };
            link("chained", &["-dylib", "-fixup_chains"]);
            link("binds", &["-dylib", "-no_fixup_chains"]);
            link("executable", &["-execute", "-e", "_once", "-fixup_chains"]);
        }
        Format::Pe => {
            let exports = ["puts", "imported"];
            let library =
                tools.import_library(arch, &fixture("greet.c"), &exports, &named("greet"));
            let guarded = more("guarded.o", &["-DGUARDED"]);
            let delayed = more("delayed.o", &["-DDELAYED"]);
            let exported: Vec<String> = FUNCTIONS.map(|name| format!("/export:{name}")).to_vec();
            let exported: Vec<&str> = exported.iter().map(String::as_str).collect();
            let mut link = |what, more: &Path, flags: &[&str]| {
                let inputs = [&*object, more, &library];
                files.push(file(what, tools.link(target, &inputs, flags, &named(what))));
            };
            let dll = |flags: &[&'static str]| [&["/dll", "/noentry"], flags].concat();
            link("exports", &plain, &[&dll(&[])[..], &exported].concat());
            link(
                "symbols",
                &plain,
                &dll(&["/debug:symtab", "/include:tail", "/include:once"]),
            );
            link("guarded", &guarded, &[&dll(&[])[..], &exported].concat());
            let delay = format!("/delayload:{}.dll", named("greet"));
            link(
                "delayed",
                &delayed,
                &[&dll(&[])[..], &exported, &[&delay]].concat(),
            );
            let entry = ["/entry:once", "/subsystem:console", "/debug:symtab"];
            link("executable", &plain, &entry);
            if arch == Arch::X86 {
                link("fixed", &plain, &[&entry[..], &["/fixed"]].concat());
            }
        }
    }
    files
}

/// What is exported: `pong` is not, so that nothing but its code tells what it is.
const FUNCTIONS: [&str; 14] = [
    "once",
    "tail",
    "shim",
    "through",
    "near",
    "slot",
    "slot_twice",
    "slot_tail",
    "argument",
    "global",
    "constant",
    "into",
    "ping",
    "elsewhere",
];

/// Where a function's calls go, how, and through what first.
type Row = (
    &'static str,
    Option<&'static str>,
    &'static [Route],
    &'static str,
);

/// What the calls of a file must be.
fn expected(made: &Made) -> Vec<Row> {
    // The linker has not decided yet.
    let open = ["object", "archive"].contains(&made.what);
    let alone = made.what == "object";
    let stub = match made.format {
        Format::MachO => "puts@stub",
        Format::Pe => "puts@thunk",
    };
    let (stubbed, via): (&[Route], _) = if open {
        (&[Unresolved], "")
    } else {
        (&[Plt], stub)
    };
    // One instruction on AArch64 cannot load and call.
    let loaded: &[Route] = match (made.what, made.arch) {
        // The first call through it goes to the helper that binds it.
        ("delayed", _) => &[Plt],
        (_, Arch::X86) if made.format == Format::Pe => &[Got],
        _ => &[Register],
    };
    let hoisted: &[Route] = if made.what == "delayed" {
        &[Plt]
    } else {
        &[Register]
    };
    let constant: Row = match (made.what, made.arch) {
        ("object", _) => ("constant", None, &[Pointer, Unresolved], ""),
        // Its address is in a slot itself, which the linker would do away with.
        ("archive", _) if made.format == Format::MachO => ("constant", None, &[Pointer], ""),
        // The loader overwrites it.
        ("guarded", _) => ("constant", None, &[Pointer, Unresolved], ""),
        (_, Arch::X86) => ("constant", Some("elsewhere"), &[Got], ""),
        (_, Arch::Aarch64) => ("constant", Some("elsewhere"), &[Register], ""),
    };
    let mut rows: Vec<Row> = vec![
        ("once", Some("puts"), stubbed, via),
        ("tail", Some("puts"), stubbed, via),
        ("through", Some("puts"), &[Thunk], "shim"),
        (
            "near",
            Some("elsewhere"),
            if alone { &[Unresolved] } else { &[Direct] },
            "",
        ),
        ("slot", Some("imported"), loaded, ""),
        ("slot_twice", Some("imported"), hoisted, ""),
        ("slot_tail", Some("imported"), loaded, ""),
        ("argument", None, &[Pointer], ""),
        ("global", None, &[Pointer], ""),
        constant,
        // Into a cycle; where only exports have names, one of the two is not known to be a function.
        ("into", None, &[Unresolved, Thunk], ""),
    ];
    if (made.format, made.arch) == (Format::MachO, Arch::X86) {
        rows.push(("slot_now", Some("imported"), &[Got], ""));
    }
    rows
}

#[test]
fn every_route_is_found_and_nothing_is_bare_that_is_not() {
    let mut table = String::new();
    let (mut rows, mut misses) = (0, 0);
    for made in made() {
        let image = Image::open(&made.path).unwrap();
        for (from, to, routes, via) in expected(made) {
            let calls = match image.function(from) {
                Ok(function) => function.calls(),
                Err(error) => panic!("{}: {error}", made.path.display()),
            };
            let right = !calls.is_empty()
                && calls.iter().all(|call| {
                    routes.contains(&call.route())
                        && call.route().is_bare() == (call.instructions() == Some(1))
                        && to.is_none_or(|to| call.reaches(to))
                        && call.via().join(", ").starts_with(via)
                        && call.tail() == from.ends_with("tail")
                });
            rows += 1;
            misses += usize::from(!right);
            let words = |routes: &mut dyn Iterator<Item = Route>| {
                routes.map(Route::as_str).collect::<Vec<_>>().join("|")
            };
            let _ = writeln!(
                table,
                "{:<6} {:<8} {:<11} {from} -> {}: expected {}, found {} {}",
                format!("{:?}", made.format),
                format!("{:?}", made.arch),
                made.what,
                to.unwrap_or("?"),
                words(&mut routes.iter().copied()),
                words(&mut calls.iter().map(barecall::Call::route)),
                if right {
                    String::new()
                } else {
                    format!("MISS: {calls:?}")
                },
            );
        }
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("formats.txt");
    std::fs::write(&path, &table).unwrap();
    let _ = writeln!(
        std::io::stderr(),
        "{rows} controls in {} Mach-O and PE files: {misses} misses; each is in {}",
        made().len(),
        path.display()
    );
    assert!(misses == 0, "{table}");
}

/// The file of that name, and its bytes.
fn bytes_of(format: Format, arch: Arch, what: &str) -> Option<Vec<u8>> {
    let of = |made: &&Made| made.format == format && made.arch == arch && made.what == what;
    Some(std::fs::read(&made().iter().find(of)?.path).unwrap())
}

/// Puts a 32-bit number.
fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Asserts that a file is refused, at that place and in those words.
#[track_caller]
fn damaged(bytes: Vec<u8>, at: usize, says: &str) {
    let error = Image::read("it", bytes).unwrap_err();
    let text = error.to_string();
    let place = format!("it: damaged at offset {at:#x}: ");
    assert!(text.starts_with(&place) && text.contains(says), "{text}");
}

#[test]
fn mach_o_that_lies_is_refused() {
    let Some(good) = bytes_of(Format::MachO, Arch::X86, "chained") else {
        return;
    };
    // The load commands by their kind: where each is.
    let command = |kind: u32| {
        let mut at = 32;
        while number(&good, at) != kind as usize {
            at += number(&good, at + 4);
        }
        at
    };
    let text = command(0x19);
    // The first section of the first segment, __text: its size, its offset.
    let section = text + 72;
    let mut huge = good.clone();
    put(&mut huge, section + 44, 1);
    let at = number(&good, section + 48);
    damaged(huge, at, "section __text claims");
    let mut twice = good.clone();
    let address = twice[section + 32..section + 40].to_vec();
    twice[section + 80 + 32..section + 80 + 40].copy_from_slice(&address);
    let stubs = number(&good, section + 80 + 48);
    damaged(twice, stubs, "overlap");
    let mut short = good.clone();
    put(&mut short, text + 4, 7);
    damaged(short, 32, "the load command behind the one here");
    // LC_DYLD_CHAINED_FIXUPS: four thousand million imports.
    let chained = command(0x8000_0034);
    let table = number(&good, chained + 8);
    let mut imports = good.clone();
    put(&mut imports, table + 16, u32::MAX);
    damaged(imports, chained, "");
    let mut nowhere = good.clone();
    put(&mut nowhere, chained + 8, u32::MAX - 7);
    damaged(nowhere, chained, "chained fixups");
    // LC_SYMTAB: strings outside of the file.
    let symtab = command(2);
    let mut strings = good.clone();
    put(&mut strings, symtab + 16, u32::MAX);
    damaged(
        strings,
        u32::MAX as usize,
        "the name of symbol 0 is not within",
    );
}

#[test]
fn pe_that_lies_is_refused() {
    let Some(good) = bytes_of(Format::Pe, Arch::X86, "exports") else {
        return;
    };
    let header = number(&good, 60);
    let directories = header + 24 + 112;
    let sections = directories + 16 * 8;
    let raw = number(&good, sections + 20);
    let mut huge = good.clone();
    put(&mut huge, sections + 8, u32::MAX);
    put(&mut huge, sections + 16, u32::MAX);
    damaged(huge, raw, "claims 4294967295 bytes here");
    let mut twice = good.clone();
    let first = number(&good, sections + 12);
    put(
        &mut twice,
        sections + 40 + 12,
        u32::try_from(first).unwrap(),
    );
    damaged(twice, number(&good, sections + 40 + 20), "overlap");
    // The import table: somewhere else; and a name table that is one.
    let mut nowhere = good.clone();
    put(&mut nowhere, directories + 8, u32::MAX);
    damaged(nowhere, 0, "the import table");
    let found = (0..good.len() - 4).find(|&at| good[at..].starts_with(b"PE\0\0"));
    assert_eq!(found, Some(header));
    let mut machine = good.clone();
    machine[header + 4..header + 6].copy_from_slice(&0xa641u16.to_le_bytes());
    let error = Image::read("it", machine).unwrap_err();
    assert!(error.to_string().contains("ARM64EC"), "{error}");
}
