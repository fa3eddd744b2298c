//! Bad input: a clear error that names file and offset, or an answer, in bounded time and memory; never a panic.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use barecall::{Error, Image, Route};

/// What one bad file may take, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);
/// What all of them together may take at their peak, in bytes.
const LARGEST: u64 = 3 << 29;

/// Reads the bytes and decides every call, within the bounds.
fn inspect(what: &str, bytes: Vec<u8>) -> Result<Vec<(Route, Option<String>)>, Error> {
    let (done, result) = mpsc::channel();
    let name = what.to_owned();
    std::thread::spawn(move || {
        let found = Image::read(name, bytes).map(|image| {
            let calls = image.calls(|_, _| {});
            // Asking for a name is part of it, but not for a million of them.
            for call in calls.iter().take(1000) {
                std::hint::black_box((call.to(), call.to_mangled(), call.via(), call.text()));
            }
            assert!(image.function("no such function").is_err());
            let calls = calls.iter().take(100_000);
            calls
                .map(|call| {
                    (
                        call.route(),
                        call.route().is_bare().then(|| call.to()).flatten(),
                    )
                })
                .collect()
        });
        let _ = done.send(found);
    });
    let found = result
        .recv_timeout(LONGEST)
        .unwrap_or_else(|error| panic!("{what}: {error} within {LONGEST:?}"));
    if let Some(peak) = peak() {
        assert!(peak < LARGEST, "{what}: {peak} bytes at the peak");
    }
    found
}

/// The most memory this process has had, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Asserts that the bytes are damaged, at that offset and in those words.
#[track_caller]
fn damaged(what: &str, bytes: Vec<u8>, at: u64, says: &str) {
    let error = inspect(what, bytes).expect_err(what);
    match &error {
        Error::Damaged { offset, .. } => assert_eq!(*offset, at, "{what}: {error}"),
        other => panic!("{what}: {other}"),
    }
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("{what}: damaged at offset {at:#x}: ")),
        "{text}"
    );
    assert!(text.contains(says), "{what}: {text}");
}

/// A section of an ELF file to be made, with room for lies.
#[derive(Clone, Default)]
struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    address: u64,
    data: Vec<u8>,
    /// Instead of what is true.
    size: Option<u64>,
    offset: Option<u64>,
    link: u32,
    info: u32,
}

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;
const NOBITS: u32 = 8;
const RELR: u32 = 19;
const WRITE: u64 = 1;
const ALLOC: u64 = 2;
const CODE: u64 = 4;
const OBJECT: u16 = 1;
const LIBRARY: u16 = 3;

/// Code at address 0x1000.
fn code(data: impl Into<Vec<u8>>) -> Section {
    Section {
        name: ".text",
        kind: PROGBITS,
        flags: ALLOC | CODE,
        address: 0x1000,
        data: data.into(),
        ..Section::default()
    }
}

/// A symbol table whose names are in the section behind it; both, the table's index in the file being given.
fn symbols(index: u32, entries: &[Vec<u8>], names: &[u8]) -> [Section; 2] {
    let mut data = vec![0; 24];
    data.extend(entries.iter().flatten());
    [
        Section {
            name: ".symtab",
            kind: SYMTAB,
            data,
            link: index + 1,
            info: 1,
            ..Section::default()
        },
        Section {
            name: ".strtab",
            kind: STRTAB,
            data: names.to_vec(),
            ..Section::default()
        },
    ]
}

/// A global function's symbol.
fn function(name: u32, section: u16, value: u64, size: u64) -> Vec<u8> {
    let mut bytes = name.to_le_bytes().to_vec();
    bytes.extend([0x12, 0]);
    bytes.extend(section.to_le_bytes());
    bytes.extend(value.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes
}

fn relocation(offset: u64, symbol: u32, kind: u32, addend: i64) -> Vec<u8> {
    let mut bytes = offset.to_le_bytes().to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(symbol.to_le_bytes());
    bytes.extend(addend.to_le_bytes());
    bytes
}

/// An ELF file for x86-64, its sections from index 1 on, and where each section's contents are.
fn elf(kind: u16, sections: &[Section]) -> (Vec<u8>, Vec<u64>) {
    let mut names = vec![0];
    let mut body = vec![0; 64];
    let mut headers = vec![0; 64];
    let mut offsets = vec![0];
    let names_section = Section {
        name: ".shstrtab",
        kind: STRTAB,
        data: sections
            .iter()
            .map(|section| section.name)
            .chain([".shstrtab"])
            .fold(vec![0], |mut all, name| {
                all.extend(name.bytes().chain([0]));
                all
            }),
        ..Section::default()
    };
    for section in sections.iter().chain([&names_section]) {
        body.resize(body.len().next_multiple_of(8), 0);
        let offset = section.offset.unwrap_or(body.len() as u64);
        offsets.push(offset);
        let size = section.size.unwrap_or(section.data.len() as u64);
        let entry: u64 = match section.kind {
            SYMTAB | RELA => 24,
            RELR => 8,
            _ => 0,
        };
        headers.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
        headers.extend(section.kind.to_le_bytes());
        for word in [section.flags, section.address, offset, size] {
            headers.extend(word.to_le_bytes());
        }
        headers.extend(section.link.to_le_bytes());
        headers.extend(section.info.to_le_bytes());
        headers.extend(16u64.to_le_bytes());
        headers.extend(entry.to_le_bytes());
        names.extend(section.name.bytes().chain([0]));
        body.extend(&section.data);
    }
    body.resize(body.len().next_multiple_of(8), 0);
    let count = u16::try_from(headers.len() / 64).unwrap();
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    head.extend(kind.to_le_bytes());
    head.extend(62u16.to_le_bytes());
    head.extend(1u32.to_le_bytes());
    head.extend(0u64.to_le_bytes());
    head.extend(0u64.to_le_bytes());
    head.extend((body.len() as u64).to_le_bytes());
    head.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 0, 64, count, count - 1] {
        head.extend(half.to_le_bytes());
    }
    body[..64].copy_from_slice(&head);
    body.extend(headers);
    (body, offsets)
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad_input");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn the_maker_of_bad_files_makes_good_ones_too() {
    // The control: what the tests below break.
    let [table, names] = symbols(
        2,
        &[function(1, 1, 0x1000, 6), function(3, 1, 0x1006, 1)],
        b"\0f\0g\0",
    );
    let call = [0xe8, 1, 0, 0, 0, 0xc3, 0xc3];
    let (bytes, _) = elf(LIBRARY, &[code(call), table, names]);
    assert_eq!(
        inspect("good", bytes).unwrap(),
        [(Route::Direct, Some("g".to_owned()))]
    );

    let [table, names] = symbols(
        2,
        &[function(1, 1, 0, 6), function(3, 1, 6, 1)],
        b"\0f\0g\0",
    );
    let relocations = Section {
        name: ".rela.text",
        kind: RELA,
        data: relocation(1, 2, 4, -4),
        link: 2,
        info: 1,
        ..Section::default()
    };
    let call = [0xe8, 0, 0, 0, 0, 0xc3, 0xc3];
    let (bytes, _) = elf(OBJECT, &[code(call), table, names, relocations]);
    assert_eq!(
        inspect("good.o", bytes).unwrap(),
        [(Route::Direct, Some("g".to_owned()))]
    );
}

#[test]
fn not_an_object_file() {
    for (what, bytes, says) in [
        ("empty", &b""[..], "empty: not an object file: it is empty"),
        (
            "short",
            b"\x7fE",
            "short: not an object file: it begins with 7f 45",
        ),
        (
            "text",
            b"#!/bin/sh\n",
            "text: not an object file: it begins with 23 21 2f 62",
        ),
        (
            "magic",
            b"\x7fELF",
            "magic: damaged at offset 0x4: the ELF header is cut off, or names no class",
        ),
        (
            "nothing.a",
            b"!<arch>\n",
            "nothing.a: not supported: an archive without members",
        ),
    ] {
        let error = inspect(what, bytes.to_vec()).unwrap_err();
        assert_eq!(error.to_string(), says);
    }
}

#[test]
fn directories_and_missing_files() {
    let folder = folder();
    let error = Image::open(&folder).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NotAFile {
                kind: "a directory",
                ..
            }
        ),
        "{error}"
    );
    let error = Image::open(folder.join("missing")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("missing"), "{error}");
}

#[test]
fn a_terabyte_of_nothing() {
    let path = folder().join("terabyte");
    let file = std::fs::File::create(&path).unwrap();
    if let Err(error) = file.set_len(1 << 40) {
        eprintln!("NOT CHECKED: a sparse file of a terabyte: {error}");
        return;
    }
    let error = Image::open(&path).unwrap_err();
    let _ = std::fs::remove_file(&path);
    let text = error.to_string();
    assert!(
        text.ends_with("terabyte: not an object file: it begins with 00 00 00 00"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn fifos_and_devices_do_not_hang() {
    let fifo = folder().join("fifo");
    let _ = std::fs::remove_file(&fifo);
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    for path in [fifo, "/dev/zero".into()] {
        let (done, result) = mpsc::channel();
        let opened = path.clone();
        std::thread::spawn(move || done.send(Image::open(opened).unwrap_err()));
        let error = result.recv_timeout(LONGEST).unwrap();
        assert!(matches!(error, Error::NotAFile { .. }), "{error}");
        assert!(
            error.to_string().contains(&*path.to_string_lossy()),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn unreadable_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder().join("unreadable");
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, "secret").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        eprintln!("NOT CHECKED: root may read every file");
        return;
    }
    let error = Image::open(&path).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn sections_that_claim_too_much() {
    for kind in [LIBRARY, OBJECT] {
        let huge = Section {
            size: Some(4 << 30),
            ..code([0xc3; 100])
        };
        let (bytes, offsets) = elf(kind, &[huge]);
        assert!(bytes.len() < 1024);
        damaged("4GB", bytes, offsets[1], "claims 4294967296 bytes here; ");
    }
    let wrapping = Section {
        address: u64::MAX - 10,
        ..code([0xc3; 100])
    };
    let (bytes, offsets) = elf(LIBRARY, &[wrapping]);
    damaged(
        "wrapping",
        bytes,
        offsets[1],
        "section .text wraps around the address space",
    );
    // Zeroes take no bytes: a library may have many, an object is linked in a gigabyte.
    let zeroes = Section {
        name: ".bss",
        kind: NOBITS,
        flags: ALLOC | WRITE,
        address: 0x10_0000,
        size: Some(1 << 62),
        ..Section::default()
    };
    let (bytes, _) = elf(LIBRARY, &[code([0xc3]), zeroes.clone()]);
    assert_eq!(inspect("zeroes", bytes).unwrap(), []);
    let (bytes, _) = elf(OBJECT, &[code([0xc3]), zeroes.clone()]);
    let error = inspect("zeroes.o", bytes).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    // Code that is not in the file.
    let nowhere = Section {
        flags: ALLOC | CODE,
        ..zeroes
    };
    let [table, names] = symbols(2, &[function(1, 1, 0x10_0000, 1 << 61)], b"\0f\0");
    let (bytes, _) = elf(LIBRARY, &[nowhere, table, names]);
    assert_eq!(inspect("nowhere", bytes).unwrap(), []);
}

#[test]
fn sections_that_overlap() {
    let second = Section {
        address: 0x1008,
        ..code([0xc3; 16])
    };
    let (bytes, offsets) = elf(LIBRARY, &[code([0xc3; 16]), second]);
    damaged(
        "memory",
        bytes,
        offsets[2],
        "addresses 0x1000 and 0x1008 overlap",
    );
    let second = Section {
        offset: Some(72),
        ..code([0xc3; 16])
    };
    let (bytes, _) = elf(OBJECT, &[code([0xc3; 16]), second]);
    damaged("file.o", bytes, 72, "offsets 0x40 and 0x48 overlap");
    // One code section many times over: 60,000 × 1 MB, from a file of 5 MB.
    let mut sections = vec![code(vec![0x90; 1 << 20])];
    for n in 1..60_000u64 {
        sections.push(Section {
            address: 0x1000 + (n << 20),
            data: Vec::new(),
            size: Some(1 << 20),
            offset: Some(64),
            ..code([])
        });
    }
    let (bytes, _) = elf(LIBRARY, &sections);
    damaged("many", bytes.clone(), 64, "they overlap");
    let mut object = bytes;
    object[16] = 1;
    damaged("many.o", object, 64, "overlap");
}

#[test]
fn symbols_that_lie_about_their_size() {
    // Nested a hundred thousand deep, each to the end and beyond; and all of one address; and wrapping.
    let many = 100_000u32;
    let text = vec![0x90; 200_000];
    let nested: Vec<_> = (0..many)
        .map(|n| function(1, 1, 0x1000 + u64::from(n), u64::MAX / 2))
        .collect();
    let same: Vec<_> = (0..many)
        .map(|n| function(1, 1, 0x1000, u64::from(n)))
        .collect();
    let wrapping: Vec<_> = (0..many)
        .map(|n| function(1, 1, 0x1000 + u64::from(n), u64::MAX - 5))
        .collect();
    let spread: Vec<_> = (0..many)
        .map(|n| function(1, 1, 0x1000 + u64::from(n), u64::from(2 * (many - n))))
        .collect();
    for (what, entries) in [
        ("nested", nested),
        ("same", same),
        ("wrapping", wrapping),
        ("spread", spread),
    ] {
        for kind in [LIBRARY, OBJECT] {
            let [table, names] = symbols(2, &entries, b"\0f\0");
            let (bytes, _) = elf(kind, &[code(text.clone()), table, names]);
            assert_eq!(inspect(what, bytes).unwrap(), [], "{what}");
        }
    }
}

#[test]
fn one_function_cut_into_a_hundred_thousand_parts_that_jump() {
    let many = 100_000u64;
    let text: Vec<u8> = (0..many).flat_map(|_| [0xeb, 0xfe, 0xeb, 0x02]).collect();
    let mut entries = vec![function(1, 1, 0x1000, 4 * many)];
    entries.extend((0..many).map(|n| function(3, 1, 0x1000 + 4 * n + 2, 1)));
    let [table, names] = symbols(2, &entries, b"\0f\0g\0");
    let (bytes, _) = elf(LIBRARY, &[code(text), table, names]);
    inspect("parts", bytes).unwrap();
}

#[test]
fn string_tables_that_lie() {
    let [table, names] = symbols(2, &[function(1, 1, 0x1000, 1)], b"\0function without end");
    for kind in [LIBRARY, OBJECT] {
        let (bytes, offsets) = elf(kind, &[code([0xc3]), table.clone(), names.clone()]);
        damaged(
            "unended",
            bytes,
            offsets[3],
            "the name of symbol 1 is not within the string table",
        );
    }
    // Every symbol's name is a tail of one that is a megabyte long.
    let entries: Vec<_> = (0..50_000)
        .map(|n| function(1 + n, 1, 0x1000 + u64::from(n), 1))
        .collect();
    let mut text = vec![b'x'; 1 << 20];
    text[0] = 0;
    text.push(0);
    for kind in [LIBRARY, OBJECT] {
        let [table, names] = symbols(2, &entries, &text);
        let (bytes, offsets) = elf(kind, &[code(vec![0xc3; 50_000]), table, names]);
        damaged("tails", bytes, offsets[3], "16 times the file");
    }
    // A name that would be demangled to a gigabyte.
    let mut name = b"\0_RNvC1a".to_vec();
    name.extend(b"TTTTTTTT");
    let bomb = {
        let mut bomb = b"\0_RMC0".to_vec();
        for depth in 0..30 {
            bomb.extend(if depth == 0 {
                b"TaaE".to_vec()
            } else {
                b"TB_B_B_E".to_vec()
            });
        }
        bomb
    };
    for mut name in [name, bomb] {
        name.push(0);
        let [table, names] = symbols(2, &[function(1, 1, 0x1000, 1)], &name);
        let (bytes, _) = elf(LIBRARY, &[code([0xc3]), table, names]);
        inspect("mangled", bytes).unwrap();
    }
}

#[test]
fn relocations_that_lie() {
    let object = |relocations: Vec<u8>, info: u32| {
        let [table, names] = symbols(2, &[function(1, 1, 0, 6)], b"\0f\0");
        let relocations = Section {
            name: ".rela.text",
            kind: RELA,
            data: relocations,
            link: 2,
            info,
            ..Section::default()
        };
        elf(
            OBJECT,
            &[code([0xe8, 0, 0, 0, 0, 0xc3]), table, names, relocations],
        )
    };
    let good = relocation(1, 1, 4, -4);
    let (bytes, offsets) = object([good.clone(), relocation(1, 1_000_000, 4, -4)].concat(), 1);
    damaged(
        "symbol.o",
        bytes,
        offsets[4] + 24,
        "a relocation uses symbol 1000000; there are 2",
    );
    for at in [3, 6, 1 << 40, u64::MAX] {
        let (bytes, offsets) = object([good.clone(), relocation(at, 1, 4, -4)].concat(), 1);
        damaged(
            "offset.o",
            bytes,
            offsets[4] + 24,
            "of a section of 0x6 bytes",
        );
    }
    let (bytes, _) = object(good.clone(), 1_000_000);
    inspect("section.o", bytes).unwrap();
    for addend in [i64::MIN, i64::MAX, 1 << 33] {
        let (bytes, _) = object(relocation(1, 1, 4, addend), 1);
        for (route, _) in inspect("addend.o", bytes).unwrap() {
            assert!(!route.is_bare(), "{addend}");
        }
    }
}

#[test]
fn relative_relocations_that_expand_without_end() {
    // A megabyte of bitmaps: 8 million words, all of the same kilobyte, again and again.
    let mut data = Vec::new();
    for _ in 0..(1 << 16) {
        data.extend(0x2000u64.to_le_bytes());
        data.extend(u64::MAX.to_le_bytes());
    }
    let relocations = Section {
        name: ".relr.dyn",
        kind: RELR,
        flags: ALLOC,
        address: 0x10_0000,
        data,
        ..Section::default()
    };
    let words = Section {
        name: ".data",
        flags: ALLOC | WRITE,
        address: 0x2000,
        ..code(vec![0; 1024])
    };
    let (bytes, offsets) = elf(LIBRARY, &[code([0xc3]), words, relocations]);
    damaged("relr", bytes, offsets[3], "more words than the file has");
}

#[test]
fn tables_read_many_times_over() {
    let relocations: Vec<u8> = (0..1000)
        .flat_map(|n| relocation(0x2000 + 8 * n, 0, 8, 0x1000))
        .collect();
    let mut sections = vec![
        code([0xc3]),
        Section {
            name: ".rela.dyn",
            kind: RELA,
            flags: ALLOC,
            address: 0x10_0000,
            data: relocations,
            ..Section::default()
        },
    ];
    for n in 1..50_000u64 {
        sections.push(Section {
            address: 0x10_0000 + 0x10_0000 * n,
            data: Vec::new(),
            size: Some(24_000),
            offset: Some(72),
            ..sections[1].clone()
        });
    }
    let (bytes, _) = elf(LIBRARY, &sections);
    damaged("tables", bytes, 72, "overlap");
}

#[test]
fn unwind_tables_that_lie() {
    // Each entry is the length, the distance to its common entry, an address, a size.
    let frames = |entries: &[(u32, u32, u32, u32)]| {
        let mut data = vec![
            0x14, 0, 0, 0, 0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 0x10, 1, 0x1b, 0x0c, 7, 8, 0x90,
            1, 0, 0,
        ];
        for &(length, common, address, size) in entries {
            data.extend(length.to_le_bytes());
            data.extend(common.to_le_bytes());
            data.extend(address.to_le_bytes());
            data.extend(size.to_le_bytes());
            data.extend([0; 4]);
        }
        data.extend([0; 4]);
        Section {
            name: ".eh_frame",
            kind: PROGBITS,
            flags: ALLOC,
            address: 0x8000,
            data,
            ..Section::default()
        }
    };
    let to = |at: u32, from: u32| at.wrapping_sub(0x8000 + from);
    for (what, entries) in [
        ("huge", vec![(16, 28, to(0x1000, 32), u32::MAX)]),
        ("no common entry", vec![(16, 0xffff, to(0x1000, 32), 4)]),
        ("itself", vec![(16, 4, to(0x1000, 32), 4)]),
        ("length", vec![(u32::MAX - 1, 28, to(0x1000, 32), 4)]),
        (
            "everywhere",
            (0..50_000)
                .map(|n| (16, 28 + 20 * n, to(0x1000 + n, 32 + 20 * n), u32::MAX))
                .collect(),
        ),
    ] {
        let (bytes, _) = elf(LIBRARY, &[code(vec![0x90; 60_00]), frames(&entries)]);
        let found = inspect(what, bytes);
        assert!(
            found.is_ok() || matches!(found, Err(Error::Damaged { .. })),
            "{what}"
        );
    }
}

#[test]
fn thunks_in_a_circle_reach_nothing() {
    // f calls a; a jumps to b, b to a.
    let text = [
        0xe8, 0x0b, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
        0x90, // f
        0xe9, 0x0b, 0, 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
        0x90, // a
        0xe9, 0xeb, 0xff, 0xff, 0xff, // b
    ];
    let entries = [
        function(1, 1, 0x1000, 6),
        function(3, 1, 0x1010, 5),
        function(5, 1, 0x1020, 5),
    ];
    let [table, names] = symbols(2, &entries, b"\0f\0a\0b\0");
    let (bytes, _) = elf(LIBRARY, &[code(text), table, names]);
    let found = inspect("circle", bytes).unwrap();
    assert_eq!(found, vec![(Route::Unresolved, None); 3]);
}

#[test]
fn stubs_in_a_circle_reach_nothing() {
    // A stub that jumps through a slot which holds the stub's own address.
    let stub = Section {
        name: ".plt",
        address: 0x2000,
        ..code([0xff, 0x25, 0xfa, 0x0f, 0, 0])
    };
    let slot = Section {
        name: ".got",
        flags: ALLOC | WRITE,
        address: 0x3000,
        ..code([0; 8])
    };
    let relocations = Section {
        name: ".rela.dyn",
        kind: RELA,
        flags: ALLOC,
        address: 0x4000,
        data: relocation(0x3000, 0, 8, 0x2000),
        ..Section::default()
    };
    let [table, names] = symbols(5, &[function(1, 1, 0x1000, 6)], b"\0f\0");
    let call = code([0xe8, 0xfb, 0x0f, 0, 0, 0xc3]);
    let (bytes, _) = elf(LIBRARY, &[call, stub, slot, relocations, table, names]);
    assert_eq!(inspect("stub", bytes).unwrap(), [(Route::Unresolved, None)]);
}

#[test]
fn ten_megabytes_of_calls() {
    let library = |text: Vec<u8>| {
        let size = text.len() as u64;
        let [table, names] = symbols(2, &[function(1, 1, 0x1000, size)], b"\0f\0");
        elf(LIBRARY, &[code(text), table, names]).0
    };
    let found = inspect("call rax", library([0xff, 0xd0].repeat(5 << 20))).unwrap();
    assert!(found.iter().all(|call| !call.0.is_bare()));
    let found = inspect("call [rsp]", library([0xff, 0x14, 0x24].repeat(1 << 18))).unwrap();
    assert!(found.iter().all(|call| !call.0.is_bare()));
    // Blocks by the million: je +0; and ones that only lead to themselves: jmp -2.
    inspect(
        "je",
        library([&[0x74, 0].repeat(1 << 20)[..], &[0xff, 0xe0]].concat()),
    )
    .unwrap();
    inspect(
        "jmp",
        library([&[0xeb, 0xfe].repeat(40_000)[..], &[0xff, 0xe0]].concat()),
    )
    .unwrap();
    // A frame that holds a constant in every word: lea f(%rip), %rax; push %rax …; call *(%rsp).
    let mut text = vec![0x48, 0x8d, 0x05, 0xf9, 0xff, 0xff, 0xff];
    text.extend([0x50].repeat(1 << 20));
    text.extend([0xff, 0x14, 0x24]);
    inspect("push", library(text)).unwrap();
}

#[test]
fn jump_tables_that_point_to_themselves() {
    // lea table(%rip), %rcx; movslq (%rcx,%rdx,4), %rax; add %rcx, %rax; jmp *%rax; the table is the code.
    let one = [
        0x48, 0x8d, 0x0d, 0xf9, 0xff, 0xff, 0xff, 0x48, 0x63, 0x04, 0x91, 0x48, 0x01, 0xc8, 0xff,
        0xe0,
    ];
    let [table, names] = symbols(2, &[function(1, 1, 0x1000, 16)], b"\0f\0");
    let (bytes, _) = elf(LIBRARY, &[code(one), table, names]);
    let found = inspect("self", bytes).unwrap();
    assert!(found.iter().all(|call| !call.0.is_bare()), "{found:?}");
    // Ten thousand functions, each with a table of zeroes, that is, of jumps to its own beginning, 16,384 long.
    let count = 10_000u64;
    let mut text = Vec::new();
    let mut entries = Vec::new();
    for n in 0..count {
        entries.push(function(1, 1, 0x1000 + 32 * n, 32));
        // lea table(%rip), %rcx; lea f(%rip), %rsi; movslq (%rcx,%rdx,4), %rax; add %rsi, %rax; jmp *%rax
        let table = i32::try_from(0x100_0000 - (0x1000 + 32 * n + 7)).unwrap();
        text.extend([0x48, 0x8d, 0x0d]);
        text.extend(table.to_le_bytes());
        text.extend([0x48, 0x8d, 0x35, 0xf2, 0xff, 0xff, 0xff]);
        text.extend([0x48, 0x63, 0x04, 0x91, 0x48, 0x01, 0xf0, 0x90, 0xff, 0xe0]);
        text.extend([0x90].repeat(8));
    }
    let zeroes = Section {
        name: ".rodata",
        flags: ALLOC,
        address: 0x100_0000,
        ..code(vec![0; 4 << 14])
    };
    let [table, names] = symbols(3, &entries, b"\0f\0");
    let (bytes, _) = elf(LIBRARY, &[code(text), zeroes, table, names]);
    inspect("tables", bytes).unwrap();
}

#[test]
fn archives_with_damaged_members() {
    let archive = |members: &[(&str, &[u8], Option<usize>)]| {
        let mut bytes = b"!<arch>\n".to_vec();
        let mut at = Vec::new();
        for (name, data, size) in members {
            let size = size.unwrap_or(data.len());
            bytes.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644).bytes(),
            );
            at.push(bytes.len() as u64);
            bytes.extend(*data);
            if data.len() % 2 == 1 {
                bytes.push(b'\n');
            }
        }
        (bytes, at)
    };
    let [table, names] = symbols(2, &[function(1, 1, 0, 1)], b"\0f\0");
    let (good, _) = elf(OBJECT, &[code([0xc3]), table, names]);
    let (bytes, _) = archive(&[
        ("good.o/", &good, None),
        ("note/", b"x", None),
        ("good.o/", &good, None),
    ]);
    assert_eq!(inspect("good.a", bytes).unwrap(), []);

    // Cut off within its section headers.
    let (bytes, at) = archive(&[
        ("good.o/", &good, None),
        ("cut.o/", &good[..good.len() - 10], None),
    ]);
    damaged("cut.a", bytes, at[1] + 40, "member cut.o: ");
    let huge = Section {
        size: Some(4 << 30),
        ..code([0xc3])
    };
    let (bad, offsets) = elf(OBJECT, &[huge]);
    let (bytes, at) = archive(&[("good.o/", &good, None), ("huge.o/", &bad, None)]);
    damaged(
        "huge.a",
        bytes,
        at[1] + offsets[1],
        "member huge.o: section .text claims 4294967296 bytes here",
    );
    // A member larger than the archive, a header of rubbish behind a good member.
    let (bytes, at) = archive(&[("good.o/", &good, None), ("big.o/", &good, Some(1 << 30))]);
    let error = inspect("big.a", bytes).unwrap_err();
    let Error::Damaged { offset, .. } = error else {
        panic!("{error}");
    };
    assert!(
        (at[1] - 60..=at[1]).contains(&offset) || offset == at[0] + good.len() as u64,
        "{error}"
    );
    // A hundred thousand members whose names are one, a megabyte long.
    let name = [&[b'x'].repeat(1 << 20)[..], b"/\n"].concat();
    let many = [
        vec![("//", &*name, None)],
        vec![("/0", &b""[..], None); 100_000],
    ]
    .concat();
    let error = inspect("names.a", archive(&many).0).unwrap_err();
    assert!(error.to_string().contains("16 times the file"), "{error}");

    let (mut bytes, at) = archive(&[("good.o/", &good, None)]);
    bytes.extend([b'?'; 80]);
    damaged("rubbish.a", bytes, at[0] + good.len() as u64, "member");
}

#[test]
fn real_files_cut_off_anywhere() {
    for (name, bytes) in testkit::real::files() {
        assert!(!inspect(name, bytes.clone()).unwrap().is_empty(), "{name}");
        for n in 0..64 {
            let cut = bytes[..bytes.len() * n / 64].to_vec();
            // An archive that ends behind a member is whole.
            if let Err(error) = inspect(name, cut) {
                assert!(error.to_string().starts_with(name.as_str()), "{error}");
            } else {
                // So is an image without the signature or the padding that follows what is read.
                let whole = name.ends_with(".a")
                    || (name.ends_with(".dylib") && n > 32)
                    || (name.ends_with(".dll") && n > 56);
                assert!(whole, "{name} cut off at {n}/64");
            }
        }
    }
}

#[test]
fn real_files_with_flipped_bits() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 20).unwrap()
    };
    for (name, bytes) in testkit::real::files() {
        for _ in 0..300 {
            let mut flipped = bytes.clone();
            for _ in 0..=random() % 8 {
                let at = random() % flipped.len();
                flipped[at] ^= 1 << (random() % 8);
            }
            if let Err(error) = inspect(name, flipped) {
                assert!(error.to_string().starts_with(name.as_str()), "{error}");
            }
        }
    }
}
