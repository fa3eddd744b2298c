//! The page docs/remedies.md says what each remedy does to a route. Here every row is built, and its cells compared
//! with what the linked image has and, where it can be walked, with what executes.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use barecall::Image;
use barecall::walk::{Walk, WalkError};
use testkit::missing;

const C: &str = "int one(int x) { return x + 1; }\n";
const RUST: &str = r#"
use std::ffi::{c_char, c_int};
use std::hint::black_box;
unsafe extern "C" {
    fn puts(text: *const c_char) -> c_int;
    fn one(x: c_int) -> c_int;
}
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn calls_puts(text: *const c_char) -> c_int {
    unsafe { puts(text) | 1 }
}
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn calls_one(x: c_int) -> c_int {
    unsafe { one(x) * 2 }
}
fn main() {
    for _ in 0..3 {
        assert_eq!(black_box(calls_one(black_box(20))), 42);
        assert!(black_box(calls_puts(c"Hello".as_ptr())) > 0);
    }
}
"#;

/// What a row's build has: the cells of `puts` and `one`, and the size.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    puts: String,
    one: String,
    size: u64,
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/remedies.md")
}

#[test]
fn every_row_is_what_the_page_says() {
    let text = std::fs::read_to_string(page()).expect("the page");
    let rows: Vec<Vec<&str>> = rows(&text);
    assert!(rows.len() > 10, "the table is not found");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("one.c"), C).expect("a source");
    std::fs::write(folder.path().join("main.rs"), RUST).expect("a source");
    let found: Vec<Mutex<Option<Result<Found, Lack>>>> =
        rows.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(row) = rows.get(index) else { break };
                    *found[index].lock().expect("no panic") =
                        Some(build(row[0], folder.path(), index));
                }
            });
        }
    });
    let bless = std::env::var_os("REMEDIES_BLESS").is_some();
    let (mut new, mut wrong) = (text.clone(), Vec::new());
    for (row, found) in rows.iter().zip(found) {
        match found
            .into_inner()
            .expect("no panic")
            .expect("every row was built")
        {
            Ok(found) if bless => {
                let line = format!(
                    "| {} | {} | {} | {} | {} |",
                    row[0],
                    found.puts,
                    found.one,
                    found.size / 1000,
                    row[4]
                );
                let old = text
                    .lines()
                    .find(|line| line.starts_with(&format!("| {} |", row[0])));
                new = new.replace(old.expect("its line"), &line);
            }
            Ok(found) if (row[1], row[2]) != (&*found.puts, &*found.one) => wrong.push(format!(
                "{}: the page says {} and {}, the image has {} and {}",
                row[0], row[1], row[2], found.puts, found.one
            )),
            Ok(_) => {}
            Err(Lack(what, why)) => missing(what, &format!("remedies, row {}: {why}", row[0])),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if bless {
        let old = text
            .lines()
            .find(|line| line.starts_with("Measured with: "))
            .expect("that line");
        let with = format!(
            "Measured with: {}, {}.",
            first_line(rustc(), "--version"),
            first_line("cc".into(), "--version")
        );
        std::fs::write(page(), new.replace(old, &with)).expect("written");
    }
}

/// The controls: among the rows are bare calls of each kind, stubs, and a call that is gone, so that no cell can be
/// right by saying the same of all.
#[test]
fn the_rows_differ() {
    let text = std::fs::read_to_string(page()).expect("the page");
    let rows = rows(&text);
    let has = |column: usize, cell: &str| rows.iter().filter(|row| row[column] == cell).count();
    for cell in ["`got`, 1", "`plt`, 2", "`direct`, 1"] {
        assert!(has(1, cell) > 0, "no row has {cell} for puts");
    }
    for cell in ["`got`, 1", "`direct`, 1", "no call"] {
        assert!(has(2, cell) > 0, "no row has {cell} for one");
    }
}

/// The cells of the table's rows.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with("| "));
    lines
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// What a row's build lacks: what, and why.
struct Lack(&'static str, String);

fn build(built_with: &str, folder: &Path, index: usize) -> Result<Found, Lack> {
    let flags = built_with
        .strip_prefix('`')
        .and_then(|flags| flags.split('`').next())
        .unwrap_or_default();
    let tool =
        |what: &'static str, program: &str| match Command::new(program).arg("--version").output() {
            Ok(_) => Ok(()),
            Err(why) => Err(Lack(what, format!("{program}: {why}"))),
        };
    if flags.contains("fuse-ld=mold") {
        tool("mold", "mold")?;
    }
    if flags.contains("fuse-ld=bfd") {
        tool("gcc", "ld.bfd")?;
    }
    if flags.contains("-musl") {
        let sysroot = first_line(rustc(), "--print=sysroot");
        if !Path::new(&sysroot)
            .join("lib/rustlib/x86_64-unknown-linux-musl")
            .is_dir()
        {
            return Err(Lack(
                "musl",
                "its standard library: `rustup target add x86_64-unknown-linux-musl`".to_owned(),
            ));
        }
    }
    let mut cc = Command::new("cc");
    if built_with.contains("clang -flto=thin") {
        let names = [
            "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-16",
            "clang-14",
        ];
        let clang = names.into_iter().find(|name| tool("clang", name).is_ok());
        cc = Command::new(
            clang.ok_or_else(|| Lack("clang", "`apt-get install clang-14`".to_owned()))?,
        );
        cc.arg("-flto=thin");
    }
    // An object, not an archive: neither `ar` has to know bitcode.
    let (object, program) = (
        folder.join(format!("one{index}.o")),
        folder.join(format!("row{index}")),
    );
    run(cc
        .args(["-O2", "-fPIC", "-c", "one.c", "-o"])
        .arg(&object)
        .current_dir(folder));
    let mut compile = Command::new(rustc());
    compile
        .current_dir(folder)
        .args(["--edition=2024", "-O", "main.rs", "-o"])
        .arg(&program)
        .arg("-C")
        .arg(format!("link-arg={}", object.display()))
        .args(flags.split_whitespace());
    if flags.contains("-Z ") {
        // What a nightly compiler does anyway.
        compile.env("RUSTC_BOOTSTRAP", "1");
    }
    run(&mut compile);
    run(&mut Command::new(&program));
    let image = Image::open(&program).expect("the program is an image");
    Ok(Found {
        puts: cell(&image, &program, "calls_puts", "puts")?,
        one: cell(&image, &program, "calls_one", "one")?,
        size: std::fs::metadata(&program).expect("the program").len(),
    })
}

/// `` `got`, 1 ``: the route, and the instructions from the call to the callee's first.
fn cell(image: &Image, program: &Path, from: &str, to: &str) -> Result<String, Lack> {
    let calls = image.function(from).expect("the caller").calls();
    let Some(call) = calls.iter().find(|call| call.reaches(to)) else {
        assert!(calls.is_empty(), "{from} calls something else: {calls:?}");
        assert!(
            image.function(to).is_err(),
            "{to} is still there, though {from} does not call it"
        );
        return Ok("no call".to_owned());
    };
    let counted = call.instructions();
    let mut walked = Command::new(program);
    walked.stdout(Stdio::null());
    let walk = Walk::of(walked)
        .from(from)
        .to(to)
        .warmup(1)
        .timeout(Duration::from_secs(20))
        .run();
    match (walk, counted) {
        (Ok(walk), Some(counted)) => {
            assert_eq!(walk.out.instructions, u64::from(counted), "{call}\n{walk}");
            Ok(format!("`{}`, {counted}", call.route()))
        }
        // The first call goes through the dynamic linker, which is not counted.
        (Ok(walk), None) => Ok(format!(
            "`{}`, {} once bound",
            call.route(),
            walk.out.instructions
        )),
        (Err(error @ (WalkError::Forbidden { .. } | WalkError::Unsupported)), Some(counted)) => {
            missing("ptrace", &error.to_string());
            Ok(format!("`{}`, {counted}", call.route()))
        }
        (Err(error @ (WalkError::Forbidden { .. } | WalkError::Unsupported)), None) => {
            Err(Lack("ptrace", error.to_string()))
        }
        (Err(error), _) => panic!("{from} to {to}: {error}"),
    }
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or("rustc".into())
}

fn first_line(program: std::ffi::OsString, argument: &str) -> String {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().next().unwrap_or_default().to_owned()
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{stderr}");
}
