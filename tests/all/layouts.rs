//! Where the bytes of each future on show are: first the facts, on any compiler, then the layout, under the pinned one.
//!
//! The compiler itself says where everything lies (`-Zprint-type-sizes`, which `RUSTC_BOOTSTRAP` allows on a stable
//! one). That is an independent witness: its sizes must be those that `size_of` has in this test, and its offsets those
//! at which the running futures find their buffers. To accept a change: `cargo insta review`, or
//! `INSTA_UPDATE=always cargo test --test all layouts`.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use zero_cost_ffi::catalogue::{Machine, kept, machines};
use zero_cost_ffi::machine::kept::KIB;
use zero_cost_ffi::machine::nap;

use super::compile;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const ACCEPT: &str =
    "to accept: `cargo insta review`, or `INSTA_UPDATE=always cargo test --test all layouts`";

/// A type as `-Zprint-type-sizes` has it.
#[derive(Debug, Default, PartialEq)]
struct Type {
    bytes: u64,
    align: u64,
    /// Bytes of the tag, where it has one of its own.
    tag: Option<u64>,
    variants: Vec<Variant>,
}

/// A variant of an enum, a state of a coroutine, or all of a struct.
#[derive(Debug, Default, PartialEq)]
struct Variant {
    name: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
struct Part {
    name: String,
    offset: u64,
    bytes: u64,
    alive: String,
}

/// Every type of that output, by name.
fn types(output: &str) -> BTreeMap<String, Type> {
    let mut types = BTreeMap::new();
    let mut name = String::new();
    // Where the next part begins, unless it is said otherwise: parts come by offset, and gaps are named.
    let mut next = 0;
    for line in output.lines() {
        let Some(line) = line.strip_prefix("print-type-size ").map(str::trim) else {
            continue;
        };
        let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
        if what == "type:" {
            let (quoted, sizes) = rest[1..].rsplit_once("`: ").expect("a name and its sizes");
            name = quoted.to_owned();
            let mut numbers = sizes.split(' ').filter_map(|word| word.parse().ok());
            let mut size = || numbers.next().expect("a size and an alignment");
            next = 0;
            let read = Type {
                bytes: size(),
                align: size(),
                ..Type::default()
            };
            types.insert(name.clone(), read);
            continue;
        }
        let of: &mut Type = types.get_mut(&name).expect("a type comes first");
        let bytes = |text: &str| -> u64 {
            let digits = text.split("bytes").next().expect("a size").trim();
            digits
                .parse()
                .unwrap_or_else(|_| panic!("no size in {line}"))
        };
        match what {
            "discriminant:" => of.tag = Some(bytes(rest)),
            "variant" => {
                let (quoted, _) = rest[1..].split_once('`').expect("a name");
                next = of.tag.unwrap_or(0);
                of.variants.push(Variant {
                    name: quoted.to_owned(),
                    parts: Vec::new(),
                });
            }
            "padding:" => next += bytes(rest),
            "field" | "upvar" | "local" => {
                let (quoted, sizes) = rest[1..].split_once("`: ").expect("a name and its size");
                let offset = sizes.split_once("offset: ").map(|(_, at)| bytes(at));
                let part = Part {
                    name: called(what, quoted, sizes),
                    offset: offset.unwrap_or(next),
                    bytes: bytes(sizes),
                    alive: String::new(),
                };
                next = part.offset + part.bytes;
                if of.variants.is_empty() {
                    of.variants.push(Variant::default());
                }
                of.variants
                    .last_mut()
                    .expect("one is there")
                    .parts
                    .push(part);
            }
            "end" => {}
            other => panic!("-Zprint-type-sizes says something new: {other}: {line}"),
        }
    }
    types
}

/// `buffer`, `argument buffer`, `awaited Pause`; and the flag that says whether something was dropped.
fn called(what: &str, quoted: &str, sizes: &str) -> String {
    let name = quoted.trim_start_matches('.');
    let of = sizes.split_once("type: ").map(|(_, of)| of);
    match (what, name, of) {
        ("upvar", _, _) => format!("argument {name}"),
        (_, "__awaitee", Some(of)) => format!("awaited {}", short(of)),
        (_, _, Some("bool")) if name.starts_with("coroutine_field") => "drop flag".to_owned(),
        _ => name.to_owned(),
    }
}

/// A type's name as a reader wants it: `wrap(wrap(held))` for what the compiler writes of nested futures.
fn short(of: &str) -> String {
    of.replace("{async fn body of ", "")
        .replace("()}", "")
        .replace("kept::", "")
}

/// The parts of a type, each where it lies and when it is alive; its tag, and what is left between them.
fn layout(of: &Type) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for variant in &of.variants {
        for part in &variant.parts {
            let same = |known: &&mut Part| {
                (&known.name, known.offset, known.bytes) == (&part.name, part.offset, part.bytes)
            };
            let alive = when(&variant.name);
            let part = &Part {
                name: within(&variant.name, &part.name),
                ..part.clone()
            };
            match parts.iter_mut().find(same) {
                Some(_) if alive.is_empty() => {}
                Some(known) if known.alive.is_empty() => known.alive = alive,
                Some(known) => known.alive = format!("{}, {alive}", known.alive),
                None => parts.push(Part {
                    alive,
                    ..part.clone()
                }),
            }
        }
    }
    // A tag of its own lies where nothing else ever does.
    let mut covered: Vec<(u64, u64)> = parts
        .iter()
        .map(|part| (part.offset, part.offset + part.bytes))
        .collect();
    covered.sort_unstable();
    covered.push((of.bytes, of.bytes));
    let mut tag = of.tag;
    let mut end = 0;
    for (from, to) in covered {
        if from > end {
            let taken = tag.take_if(|tag| *tag <= from - end).unwrap_or(0);
            for (name, offset, bytes) in [
                ("tag", end, taken),
                ("padding", end + taken, from - end - taken),
            ] {
                if bytes > 0 {
                    parts.push(Part {
                        name: name.to_owned(),
                        offset,
                        bytes,
                        alive: String::new(),
                    });
                }
            }
        }
        end = end.max(to);
    }
    assert!(tag.is_none(), "there is no room for the tag: {of:?}");
    parts.sort_by_key(|part| (part.offset, part.bytes, part.name.clone()));
    parts
}

/// `Wait1.0`: the fields of a variant have numbers.
fn within(variant: &str, field: &str) -> String {
    let numbered = field.bytes().all(|byte| byte.is_ascii_digit());
    if numbered && !variant.is_empty() {
        format!("{variant}.{field}")
    } else {
        field.to_owned()
    }
}

/// Nothing that was said of a state in which nothing is alive: an argument is listed there only because its bytes are.
fn when(variant: &str) -> String {
    match variant.strip_prefix("Suspend").map(str::parse::<u32>) {
        Some(Ok(number)) => format!("across await {}", number + 1),
        _ if variant == "Unresumed" => "before the first poll".to_owned(),
        _ if ["Returned", "Panicked"].contains(&variant) => String::new(),
        _ => variant.to_owned(),
    }
}

/// tokio's cell of a task of [`nap::nap`]: what it is made of, and what that is made of, down to the sleep.
fn cell(types: &BTreeMap<String, Type>) -> (u64, Vec<Part>) {
    let future = "{async fn body of machine::nap::nap()}";
    let scheduler = "std::sync::Arc<tokio::runtime::scheduler::current_thread::Handle>";
    let task = "tokio::runtime::task::core";
    let of = |name: &str| types.get(name).unwrap_or_else(|| panic!("no type {name}"));
    let cell = of(&format!("{task}::Cell<{future}, {scheduler}>"));
    let mut parts = layout(cell);
    for (field, name, is) in [
        ("header", format!("{task}::Header"), "header"),
        ("core", format!("{task}::Core<{future}, {scheduler}>"), ""),
        ("stage", format!("{task}::Stage<{future}>"), "stage"),
        ("stage Running.0", future.to_owned(), "nap"),
        (
            "nap awaited Sleep",
            "tokio::time::Sleep".to_owned(),
            "nap sleep",
        ),
        ("trailer", format!("{task}::Trailer"), "trailer"),
    ] {
        parts = in_place(parts, field, &layout(of(&name)), is);
    }
    (cell.bytes, parts)
}

/// With the parts of one field in the place of the whole, and its name before theirs.
fn in_place(parts: Vec<Part>, field: &str, of_it: &[Part], is: &str) -> Vec<Part> {
    assert!(
        parts.iter().any(|part| part.name == field),
        "no {field} among {parts:?}"
    );
    let expanded = parts.into_iter().flat_map(|part| {
        if part.name != field {
            return vec![part];
        }
        let within = |inner: &Part| Part {
            name: format!("{is} {}", inner.name).trim().to_owned(),
            offset: part.offset + inner.offset,
            // As long as the whole is, if it is not said.
            alive: if inner.alive.is_empty() {
                part.alive.clone()
            } else {
                inner.alive.clone()
            },
            ..inner.clone()
        };
        of_it
            .iter()
            .filter(|inner| inner.bytes > 0)
            .map(within)
            .collect()
    });
    expanded.collect()
}

/// Every byte is some part's, and no part's lies outside.
fn is_whole(bytes: u64, parts: &[Part]) -> bool {
    let covered = |at: u64| {
        parts
            .iter()
            .any(|part| (part.offset..part.offset + part.bytes).contains(&at))
    };
    (0..bytes).all(covered) && parts.iter().all(|part| part.offset + part.bytes <= bytes)
}

/// What the compiler says of the types of the exhibits, compiled as this test is.
fn printed() -> String {
    let flags = [
        "-Copt-level=0",
        "-Cdebug-assertions=on",
        "-Zprint-type-sizes",
    ];
    let built = compile::here().compile("layouts", "lib", &flags);
    std::fs::read_to_string(built.join("stdout")).expect("UTF-8")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("asm-snapshots/layouts")
        .join(TARGET)
}

fn file(
    name: &str,
    says: &str,
    type_name: &str,
    compiler: &str,
    bytes: u64,
    parts: &[Part],
) -> String {
    let mut text = format!(
        "# future    {name}: {says}\n# type      {type_name}\n# compiler  {compiler}\n# target    {TARGET}\n\
         # bytes     {bytes}\n\noffset  bytes  part\n"
    );
    for part in parts {
        let mut line = format!("{:>6}  {:>5}  {:<22}", part.offset, part.bytes, part.name);
        if !part.alive.is_empty() {
            let _ = write!(line, "  {}", part.alive);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// What the compiler says, what `size_of` says, and what the running futures find are the same.
#[test]
fn the_layouts() {
    let types = types(&printed());
    let (compiler, pinned) = compile::version();
    let mut failures = Vec::new();
    let mut files = Vec::new();
    for machine in machines().iter().chain(&kept()) {
        let Some(of) = types.get(machine.type_name) else {
            failures.push(format!(
                "{}: the compiler names no {}",
                machine.name, machine.type_name
            ));
            continue;
        };
        let parts = layout(of);
        if of.bytes != machine.bytes as u64 {
            failures.push(format!(
                "{}: {} bytes, and {} by size_of",
                machine.name, of.bytes, machine.bytes
            ));
        }
        if !is_whole(of.bytes, &parts) {
            failures.push(format!(
                "{}: not every byte is a part's: {parts:?}",
                machine.name
            ));
        }
        if let Err(why) = found_where_it_is(machine, &parts) {
            failures.push(format!("{}: {why}", machine.name));
        }
        files.push((
            machine.name,
            file(
                machine.name,
                machine.says,
                &short(machine.type_name),
                &compiler,
                of.bytes,
                &parts,
            ),
        ));
    }
    let (bytes, parts) = cell(&types);
    let of_the_future = |part: &&Part| part.name.starts_with("nap ");
    let future: u64 = parts
        .iter()
        .filter(of_the_future)
        .map(|part| part.bytes)
        .sum();
    if !is_whole(bytes, &parts) || future != nap::bytes() as u64 {
        failures.push(format!(
            "nap_cell: {bytes} bytes, {future} of the future, {parts:?}"
        ));
    }
    let of = "tokio::runtime::task::core::Cell<nap, Arc<current_thread::Handle>>";
    files.push((
        "nap_cell",
        file(
            "nap_cell",
            "what tokio allocates for a sleeping task",
            of,
            &compiler,
            bytes,
            &parts,
        ),
    ));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    if pinned {
        compare(files);
    } else {
        testkit::missing(
            "pinned",
            &format!("the layouts are recorded for another compiler than {compiler}"),
        );
    }
}

/// A buffer that a future finds in itself is a part of it, alive at that await.
fn found_where_it_is(machine: &Machine, parts: &[Part]) -> Result<(), String> {
    let at_await = |part: &&Part| part.alive.contains("across await 1");
    let Some(buffer_offset) = machine.buffer_offset else {
        return Ok(());
    };
    let found = buffer_offset().map(|offset| offset as u64);
    let holds = |part: &Part, offset: u64| {
        part.offset <= offset && offset + KIB as u64 <= part.offset + part.bytes
    };
    match found {
        Some(offset)
            if parts
                .iter()
                .filter(at_await)
                .any(|part| holds(part, offset)) =>
        {
            Ok(())
        }
        Some(offset) => Err(format!(
            "it finds its buffer at {offset}, where no part is: {parts:?}"
        )),
        None if parts
            .iter()
            .filter(at_await)
            .all(|part| part.bytes < KIB as u64) =>
        {
            Ok(())
        }
        None => Err(format!(
            "it finds its buffer elsewhere, and has room for one: {parts:?}"
        )),
    }
}

/// Compares each with the one on file; every difference is shown before the test fails.
fn compare(files: Vec<(&str, String)>) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(format!("recorded {}", time::UtcDateTime::now().date()));
    let expected: BTreeSet<String> = files
        .iter()
        .map(|(name, _)| format!("{name}.snap"))
        .collect();
    let changed: Vec<&str> = settings.bind(|| {
        let differs = |(name, text): &(&str, String)| {
            std::panic::catch_unwind(|| insta::assert_snapshot!(*name, text)).is_err()
        };
        files
            .iter()
            .filter(|file| differs(file))
            .map(|file| file.0)
            .collect()
    });
    assert!(
        changed.is_empty(),
        "{} layouts are not those on file: {}; {ACCEPT}",
        changed.len(),
        changed.join(", ")
    );
    let entries = std::fs::read_dir(folder()).expect("the layouts are there");
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string()
    };
    let found: BTreeSet<String> = entries.map(|entry| name(entry).expect("UTF-8")).collect();
    let left: Vec<_> = found
        .difference(&expected)
        .filter(|name| name.ends_with(".snap"))
        .collect();
    assert!(left.is_empty(), "left over: {left:?}");
}

/// Offsets are counted as the compiler counts them: behind the tag, unless it says otherwise; gaps have names.
#[test]
fn what_is_read() {
    let text = "\
print-type-size type: `{async fn body of f()}`: 24 bytes, alignment: 8 bytes
print-type-size     discriminant: 1 bytes
print-type-size     variant `Unresumed`: 8 bytes
print-type-size         upvar `.a`: 8 bytes, offset: 0 bytes, alignment: 8 bytes
print-type-size     variant `Suspend0`: 20 bytes
print-type-size         upvar `.a`: 8 bytes, offset: 0 bytes, alignment: 8 bytes
print-type-size         padding: 4 bytes
print-type-size         local `.b`: 4 bytes
print-type-size         local `.__awaitee`: 1 bytes, type: kept::Pause
print-type-size     variant `Returned`: 8 bytes
print-type-size         upvar `.a`: 8 bytes, offset: 0 bytes, alignment: 8 bytes
print-type-size     end padding: 7 bytes
";
    let types = types(text);
    let of = &types["{async fn body of f()}"];
    let parts = layout(of);
    let found: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                part.name.as_str(),
                part.offset,
                part.bytes,
                part.alive.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("argument a", 0, 8, "before the first poll, across await 1"),
            ("tag", 8, 1, ""),
            ("padding", 9, 3, ""),
            ("b", 12, 4, "across await 1"),
            ("awaited Pause", 16, 1, "across await 1"),
            ("padding", 17, 7, ""),
        ]
    );
    assert!(is_whole(of.bytes, &parts));
}

/// The controls: a part that is missing, one that lies elsewhere, and a buffer that is not where it is said to be.
#[test]
fn what_is_wrong_is_seen() {
    let part = |name: &str, offset, bytes| Part {
        name: name.to_owned(),
        offset,
        bytes,
        alive: "across await 1".to_owned(),
    };
    let kib = KIB as u64;
    let parts = [
        part("tag", 0, 1),
        part("buffer", 1, kib),
        part("awaited Pause", kib + 1, 1),
    ];
    assert!(is_whole(kib + 2, &parts));
    assert!(!is_whole(kib + 2, &parts[..2]), "the last byte is nobody's");
    assert!(!is_whole(kib + 1, &parts), "a part lies outside");
    let held = kept()[0];
    assert_eq!(found_where_it_is(&held, &parts), Ok(()));
    let moved = [part("buffer", 0, kib), part("tag", kib, 1)];
    assert!(found_where_it_is(&held, &moved).is_err(), "a byte off");
    let scoped = kept()[1];
    assert!(
        found_where_it_is(&scoped, &parts).is_err(),
        "room for what it does not keep"
    );
}
