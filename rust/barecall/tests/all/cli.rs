//! `cargo barecall`, as its users run it: each subcommand, each exit code, each bad input.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// A package whose functions call C by every route that Rust alone can be made to take.
const PROGRAM: &str = r#"
use std::arch::global_asm;
use std::ffi::{c_char, c_int};

unsafe extern "C" {
    fn puts(text: *const c_char) -> c_int;
    fn planted(text: *const c_char) -> c_int;
}

global_asm!(
    ".globl planted",
    ".type planted, @function",
    "planted: jmp *puts@GOTPCREL(%rip)",
    ".size planted, . - planted",
    options(att_syntax)
);

#[inline(never)]
pub fn bare() -> c_int {
    unsafe { puts(c"bare".as_ptr()) + 1 }
}

#[inline(never)]
pub fn trampolined() -> c_int {
    unsafe { planted(c"trampolined".as_ptr()) + 2 }
}

#[inline(never)]
pub fn by_pointer(call: &dyn Fn(*const c_char) -> c_int) -> c_int {
    call(c"by_pointer".as_ptr()) + 3
}

mod one {
    #[inline(never)]
    pub fn twin(n: u64) -> u64 {
        std::hint::black_box(n) + 10
    }
}

mod two {
    #[inline(never)]
    pub fn twin(n: u64) -> u64 {
        std::hint::black_box(n) + 20
    }
}

fn main() {
    let call = |text| unsafe { puts(text) };
    let pointer: &dyn Fn(*const c_char) -> c_int = std::hint::black_box(&call);
    let sum = bare() + trampolined() + by_pointer(pointer);
    std::process::exit((one::twin(1) + two::twin(2)) as i32 * (sum / i32::MAX));
}
"#;

const LIBRARY: &str = r#"
use std::ffi::{c_char, c_int};
unsafe extern "C" { fn puts(text: *const c_char) -> c_int; }

/// # Safety
/// `text` ends in a NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn say(text: *const c_char) -> c_int {
    inner(text)
}

#[inline(never)]
fn inner(text: *const c_char) -> c_int {
    unsafe { puts(text) + 1 }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_unit_test() {
        super::inner(c"test".as_ptr());
    }
}
"#;

struct Fixture {
    folder: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Fixture {
    fn new(program: &str) -> Self {
        let temporary = tempfile::tempdir().expect("a folder");
        let mut fixture = Self::at(temporary.path(), program);
        fixture._temporary = Some(temporary);
        fixture
    }

    fn at(path: &Path, program: &str) -> Self {
        let manifest = "[package]\nname = 'fixture'\nversion = '0.0.0'\nedition = '2024'\n\
             [lib]\ncrate-type = ['cdylib', 'rlib']\nname = 'fixture_c'\n[workspace]\n";
        fs::create_dir_all(path.join("src")).expect("a folder");
        fs::create_dir_all(path.join("examples")).expect("a folder");
        fs::write(path.join("Cargo.toml"), manifest).expect("written");
        fs::write(path.join("src/main.rs"), program).expect("written");
        fs::write(path.join("src/lib.rs"), LIBRARY).expect("written");
        fs::write(path.join("examples/shown.rs"), PROGRAM).expect("written");
        Self {
            folder: path.to_owned(),
            _temporary: None,
        }
    }

    fn path(&self) -> &Path {
        &self.folder
    }

    /// `cargo-barecall` here, with a target folder of the fixture's own.
    fn command(&self, subcommand: &str) -> Command {
        let mut command = barecall(&[subcommand]);
        command
            .current_dir(self.path())
            .arg("--target-dir")
            .arg(self.path().join("target"));
        command
    }
}

/// The program, built once by `cargo barecall` itself.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = testkit::scratch::shared("cli", |folder| {
            let mut command = Fixture::at(folder, PROGRAM).command("calls");
            command.args(["--bin", "fixture", "--format", "json"]);
            let document = json(&run(&mut command));
            let file = document["file"].as_str().expect("a file");
            fs::write(folder.join("program"), file).expect("written");
        });
        PathBuf::from(fs::read_to_string(folder.join("program")).expect("its path"))
    })
}

fn barecall(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-barecall"));
    command.args(arguments);
    clean(&mut command);
    command
}

/// Without what this test's own cargo and surroundings set.
fn clean(command: &mut Command) {
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "NO_COLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env_remove(name);
    }
}

fn run(command: &mut Command) -> Output {
    command.output().expect("it runs")
}

/// On the fixture's program.
fn on_program<S: AsRef<OsStr>>(subcommand: &str, arguments: &[S]) -> Output {
    run(barecall(&[subcommand, "--file"])
        .arg(program())
        .args(arguments))
}

#[track_caller]
fn exits(output: &Output, code: i32) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    out
}

/// Fails with exit code 2, nothing on stdout and these words on stderr.
#[track_caller]
fn refuses(output: &Output, words: &[&str]) {
    assert_eq!(exits(output, 2), "");
    let err = text(&output.stderr);
    contains(&err, words);
    assert!(!err.contains("panicked"), "{err}");
}

#[track_caller]
fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The documents on stdout, one a line.
#[track_caller]
fn documents(output: &Output) -> Vec<Value> {
    let out = text(&output.stdout);
    let documents: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert!(!documents.is_empty(), "{}", text(&output.stderr));
    for document in &documents {
        assert_eq!(document["schema"], 1);
    }
    documents
}

#[track_caller]
fn json(output: &Output) -> Value {
    let mut documents = documents(output);
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

#[test]
fn calls_summarises_then_lists() {
    let out = exits(&on_program("calls", &["--from", "^fixture::"]), 0);
    let mut lines = out.lines();
    contains(
        lines.next().expect("a summary"),
        &["calls into C: ", " bare (", "; 1 thunk, 1 pointer"],
    );
    contains(&out, &["got         fixture::bare -> puts\n"]);
    contains(
        &out,
        &["thunk       fixture::trampolined -> puts, 2 instructions, via planted\n"],
    );
    contains(&out, &["pointer     fixture::by_pointer -> ?\n"]);
    // Without --from, what a pointer leads to is nobody's call in particular, but it is counted.
    let out = exits(&on_program::<&str>("calls", &[]), 0);
    contains(
        &out,
        &[
            "calls that the compiler inserted: ",
            "\nInserted by the compiler:\n",
            "calls that may lead anywhere",
        ],
    );
    assert!(!out.contains("fixture::by_pointer -> ?"), "{out}");
    assert!(
        !out.contains("-> fixture::"),
        "Rust calling Rust is no call into C: {out}"
    );
    let out = exits(&on_program("calls", &["--all"]), 0);
    contains(&out, &["-> fixture::one::twin"]);
}

#[test]
fn calls_json_has_the_same_facts() {
    let document = json(&on_program(
        "calls",
        &["--from", "^fixture::trampolined", "--format", "json"],
    ));
    assert_eq!(document["file"], program().to_str().expect("UTF-8"));
    assert_eq!(document["summary"]["routes"]["thunk"], 1);
    assert_eq!(document["summary"]["routes"]["got"], 0);
    let calls = document["calls"].as_array().expect("a list");
    let call = calls
        .iter()
        .find(|call| call["route"] == "thunk")
        .expect("the thunk");
    assert_eq!(call["from"], "fixture::trampolined");
    assert!(
        call["from_mangled"]
            .as_str()
            .expect("a name")
            .starts_with('_')
    );
    assert_eq!(
        (&call["to"], &call["tail"], &call["bare"]),
        (&"puts".into(), &false.into(), &false.into())
    );
    assert_eq!(call["via"], serde_json::json!(["planted"]));
    assert_eq!(call["instructions"], 2);
    assert!(call["at"].as_str().expect("an address").starts_with("0x"));
    assert!(call["text"].as_str().expect("text").starts_with("call"));
    contains(call["bytes"].as_str().expect("bytes"), &[" "]);
}

#[test]
fn from_and_to_narrow() {
    let out = exits(
        &on_program("calls", &["--to", "^puts$", "--from", "^fixture::"]),
        0,
    );
    contains(
        &out,
        &["fixture::bare -> puts", "fixture::trampolined -> puts"],
    );
    assert!(!out.contains("by_pointer"), "{out}");
    let out = exits(&on_program("calls", &["--from", "no such function"]), 0);
    contains(&out, &["0 calls into C\n"]);
}

#[test]
fn check_holds_or_shows_evidence() {
    let out = exits(&on_program("check", &["--from", "^fixture::bare$"]), 0);
    contains(
        &out,
        &["holds: 1 call into C, none by plt, thunk, pointer, unresolved"],
    );
    let output = on_program(
        "check",
        &["--from", "^fixture::trampolined$", "--to", "puts"],
    );
    let out = exits(&output, 1);
    contains(
        &out,
        &[
            "does not hold: 1 of 1 call into C",
            "  expected  direct, got, register\n",
        ],
    );
    contains(
        &out,
        &[
            "  found     thunk -> puts, 2 instructions, via planted\n",
            "  remedy    ",
            "  next      cargo barecall show --file ",
        ],
    );
    let marked: Vec<_> = out.lines().filter(|line| line.starts_with(" > ")).collect();
    assert_eq!(marked.len(), 1, "{out}");
    contains(marked[0], &["call ", "; thunk -> puts"]);
    assert!(output.stderr.is_empty());

    // The next command to type works as it is printed.
    let next = out
        .lines()
        .find_map(|line| line.strip_prefix("  next      cargo barecall "))
        .expect("a command");
    let shell = format!("{} {next}", env!("CARGO_BIN_EXE_cargo-barecall"));
    let shown = exits(&run(Command::new("sh").arg("-c").arg(shell)), 0);
    contains(&shown, &["fixture::trampolined at 0x", "; thunk -> puts"]);
}

#[test]
fn check_denies_and_allows_what_it_is_told() {
    let from = ["--from", "^fixture::(trampolined|by_pointer)$"];
    let with = |more: &[&str]| on_program("check", &[&from[..], more].concat());
    contains(&exits(&with(&[]), 1), &["does not hold: 2 of 2"]);
    contains(
        &exits(&with(&["--allow", "planted"]), 1),
        &["does not hold: 1 of 2"],
    );
    contains(
        &exits(&with(&["--allow", "puts"]), 1),
        &["does not hold: 1 of 2"],
    );
    exits(&with(&["--deny", "plt,unresolved"]), 0);
    exits(&with(&["--deny", "pointer", "--allow", "puts"]), 1);
    contains(
        &exits(
            &on_program("check", &["--from", "^fixture::bare$", "--deny", "got"]),
            1,
        ),
        &["remedy    none needed"],
    );
    refuses(
        &with(&["--deny", "jump"]),
        &["jump is no route; the routes are direct, got"],
    );
}

#[test]
fn check_of_nothing_does_not_hold() {
    let out = exits(&on_program("check", &["--from", "^fixture::bear$"]), 1);
    contains(&out, &["not checked: no call fits --from and --to"]);
    let document = json(&on_program(
        "check",
        &["--from", "^fixture::bear$", "--format", "json"],
    ));
    assert_eq!(
        (&document["holds"], &document["checked"]),
        (&false.into(), &0.into())
    );
}

#[test]
fn check_json_has_the_same_facts() {
    let output = on_program(
        "check",
        &["--from", "^fixture::trampolined$", "--format", "json"],
    );
    exits(&output, 1);
    let document = json(&output);
    assert_eq!(
        (&document["holds"], &document["checked"]),
        (&false.into(), &1.into())
    );
    assert_eq!(
        document["deny"],
        serde_json::json!(["plt", "thunk", "pointer", "unresolved"])
    );
    let denied = &document["denied"][0];
    assert_eq!(denied["call"]["route"], "thunk");
    assert_eq!(
        denied["expected"],
        serde_json::json!(["direct", "got", "register"])
    );
    let listing = denied["listing"].as_array().expect("a listing");
    assert!(
        listing
            .iter()
            .any(|line| line["at"] == denied["call"]["at"])
    );
    contains(
        denied["next"].as_str().expect("a command"),
        &["cargo barecall show"],
    );
}

#[test]
fn show_lists_with_routes() {
    let out = exits(&on_program("show", &["fixture::bare"]), 0);
    contains(
        &out,
        &["fixture::bare at 0x", " instructions, ", "; got -> puts"],
    );
    let document = json(&on_program("show", &["bare", "--format", "json"]));
    assert_eq!(document["function"]["name"], "fixture::bare");
    let instructions = document["instructions"].as_array().expect("a list");
    assert!(
        instructions
            .iter()
            .any(|one| one["call"]["to"] == "puts" && one["call"]["route"] == "got")
    );
    assert!(instructions.iter().any(|one| one["call"].is_null()));
    // By its address, too.
    let at = document["function"]["at"].as_str().expect("an address");
    contains(&exits(&on_program("show", &[at]), 0), &["fixture::bare"]);
}

#[test]
fn show_of_no_function_or_several() {
    refuses(
        &on_program("show", &["fixture::trampolinned"]),
        &[
            "no function fixture::trampolinned; near names:",
            "fixture::trampolined",
        ],
    );
    refuses(
        &on_program("show", &["twin"]),
        &[
            "2 functions fit twin; name one:",
            "fixture::one::twin",
            "fixture::two::twin",
        ],
    );
}

#[test]
fn without_a_file_it_builds() {
    let fixture = Fixture::new(PROGRAM);
    // Binary and cdylib, as cargo build builds them.
    let output = run(fixture
        .command("calls")
        .args(["--format", "json", "--to", "^puts$"]));
    let mut files: Vec<String> = documents(&output)
        .iter()
        .map(|document| document["file"].to_string())
        .collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    contains(&files[0], &["/target/debug/fixture\""]);
    contains(&files[1], &["/target/debug/libfixture_c.so\""]);
    // The user's own profile and targets.
    let one = |arguments: &[&str]| {
        let document = json(&run(fixture
            .command("calls")
            .args(["--format", "json", "--to", "^puts$"])
            .args(arguments)));
        assert!(!document["calls"].as_array().expect("a list").is_empty());
        document["file"].as_str().expect("a file").to_owned()
    };
    contains(
        &one(&["--release", "--lib"]),
        &["/target/release/libfixture_c.so"],
    );
    contains(
        &one(&["--example", "shown"]),
        &["/target/debug/examples/shown"],
    );
    contains(
        &one(&["--lib", "--profile", "release"]),
        &["/target/release/libfixture_c.so"],
    );
    let output = run(fixture
        .command("calls")
        .args(["--tests", "--format", "json", "--to", "^puts$"]));
    assert!(documents(&output).iter().any(|document| {
        document["file"]
            .as_str()
            .is_some_and(|file| file.contains("/deps/fixture_c-"))
    }));
}

#[test]
fn the_free_control_is_named() {
    let fixture = Fixture::new(PROGRAM);
    // Such code cannot be linked into a shared library.
    fs::remove_file(fixture.path().join("src/lib.rs")).expect("removed");
    let manifest =
        "[package]\nname = 'fixture'\nversion = '0.0.0'\nedition = '2024'\n[workspace]\n";
    fs::write(fixture.path().join("Cargo.toml"), manifest).expect("written");
    let mut command = fixture.command("check");
    command.args(["--bin", "fixture", "--from", "^fixture::bare$"]);
    let out = exits(
        &run(command.env("RUSTFLAGS", "-C relocation-model=static")),
        1,
    );
    contains(
        &out,
        &[
            "found     plt -> puts",
            "via puts@plt",
            "relocation-model=static",
        ],
    );
}

#[test]
fn a_package_that_does_not_build() {
    let fixture = Fixture::new("fn main() { let n: i32 = \"text\"; }");
    let output = run(fixture.command("check").args(["--bin", "fixture"]));
    refuses(
        &output,
        &[
            "error[E0308]: mismatched types",
            "could not compile `fixture`",
            "the package does not build; cargo's own message is above",
        ],
    );
    refuses(
        &run(fixture.command("calls").args(["--bin", "fixtrue"])),
        &["no bin target named `fixtrue`"],
    );
    let empty = tempfile::tempdir().expect("a folder");
    refuses(
        &run(barecall(&["calls"]).current_dir(empty.path())),
        &["could not find `Cargo.toml`"],
    );
}

#[test]
fn stripped_images_have_callers_by_address() {
    let fixture = Fixture::new(PROGRAM);
    let mut command = fixture.command("calls");
    command.args(["--bin", "fixture", "--to", "^puts$", "--format", "json"]);
    let document = json(&run(command.env("CARGO_PROFILE_DEV_STRIP", "symbols")));
    let call = &document["calls"][0];
    assert_eq!(
        (&call["to"], &call["from_mangled"]),
        (&"puts".into(), &Value::Null)
    );
    assert!(call["from"].as_str().expect("an address").starts_with("0x"));
    let file = document["file"].as_str().expect("a file");
    refuses(
        &run(&mut barecall(&["show", "--file", file, "fixture::bare"])),
        &["stripped", "strip = \"none\""],
    );
}

#[test]
fn bad_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text"), "not an object").expect("written");
    fs::write(path("empty"), "").expect("written");
    fs::write(
        path("cut"),
        &fs::read(program()).expect("the program")[..200],
    )
    .expect("written");
    let made = Command::new("mkfifo")
        .arg(path("fifo"))
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    fs::create_dir(path("folder")).expect("a folder");
    for (name, words) in [
        ("text", "not an object file: it begins with 6e 6f 74 20"),
        ("empty", "not an object file: it is empty"),
        ("cut", "damaged at offset 0x"),
        ("fifo", "not a regular file (a FIFO, socket or device)"),
        ("folder", "not a regular file (a directory)"),
        ("none", "No such file or directory"),
    ] {
        for subcommand in ["calls", "check", "show"] {
            let mut command = barecall(&[subcommand, "--file"]);
            command.arg(path(name));
            if subcommand == "show" {
                command.arg("main");
            }
            refuses(&run(&mut command), &[name, words]);
        }
    }
    refuses(
        &run(barecall(&["diff"]).arg(path("text")).arg(program())),
        &["text: not an object file"],
    );
    refuses(
        &run(barecall(&["diff"]).arg(path("fifo")).arg(program())),
        &["fifo: not a regular file"],
    );
    fs::write(path("unreadable"), "").expect("written");
    fs::set_permissions(path("unreadable"), fs::Permissions::from_mode(0o000)).expect("set");
    if fs::File::open(path("unreadable")).is_ok() {
        eprintln!("NOT CHECKED: an unreadable file; this user (root?) reads them all");
        return;
    }
    refuses(
        &run(barecall(&["calls", "--file"]).arg(path("unreadable"))),
        &["unreadable: cannot be read: Permission denied"],
    );
}

#[test]
fn bad_usage() {
    refuses(
        &run(&mut barecall(&["calls", "--file", "x", "--release"])),
        &["--release"],
    );
    refuses(
        &run(&mut barecall(&["calls", "--from", "("])),
        &["regex parse error"],
    );
    refuses(&run(&mut barecall(&["call"])), &["calls"]);
    refuses(&run(&mut barecall(&["show"])), &["FUNCTION"]);
    refuses(&run(&mut barecall(&[])), &["Usage: cargo barecall"]);
}

#[test]
fn both_forms_work() {
    let direct = exits(&run(&mut barecall(&["--version"])), 0);
    let as_cargo = exits(&run(&mut barecall(&["barecall", "--version"])), 0);
    assert_eq!(direct, as_cargo);
    let folder = Path::new(env!("CARGO_BIN_EXE_cargo-barecall"))
        .parent()
        .expect("a folder");
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        std::iter::once(folder.to_owned()).chain(std::env::split_paths(&rest)),
    );
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["barecall", "calls", "--from", "^fixture::bare$", "--file"])
        .arg(program());
    clean(&mut cargo);
    let out = exits(&run(cargo.env("PATH", path.expect("a path"))), 0);
    contains(&out, &["fixture::bare -> puts"]);
}

#[test]
fn a_broken_pipe_is_no_error() {
    for (arguments, code) in [(["calls", "--all"], 0), (["check", "--all"], 1)] {
        let mut child = barecall(&arguments)
            .arg("--file")
            .arg(program())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(code), String::new())
        );
    }
}

#[test]
fn colour_is_for_terminals() {
    let plain = on_program("calls", &["--from", "^fixture::bare$"]);
    assert!(!plain.stdout.contains(&0x1b));
    let mut forced = barecall(&["calls", "--from", "^fixture::bare$", "--file"]);
    forced.arg(program()).env("CLICOLOR_FORCE", "1");
    let forced = run(&mut forced);
    assert!(forced.stdout.contains(&0x1b));
    let mut refused = barecall(&["show", "fixture::bare", "--file"]);
    refused.arg(program()).env("NO_COLOR", "1");
    assert!(!run(&mut refused).stdout.contains(&0x1b));
}

#[test]
fn completions_and_man_pages() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        contains(
            &exits(&run(&mut barecall(&["completions", shell])), 0),
            &["cargo-barecall", "calls"],
        );
    }
    contains(
        &exits(&run(&mut barecall(&["man"])), 0),
        &[".TH cargo-barecall"],
    );
    let folder = tempfile::tempdir().expect("a folder");
    exits(&run(barecall(&["man"]).arg(folder.path())), 0);
    assert!(folder.path().join("cargo-barecall-check.1").is_file());
    refuses(
        &run(&mut barecall(&["man", "/no/such/folder"])),
        &["/no/such/folder: cannot be written to"],
    );
}

#[test]
fn diff_of_listings_says_facts_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let head = "---\nsource: tests/listings.rs\n---\n# exhibit   say\n# compiler  rustc 1.95.0\n";
    for side in ["old", "new"] {
        fs::create_dir(folder.path().join(side)).expect("a folder");
    }
    let write = |name: &str, text: &str| {
        let text = if name.starts_with("new") {
            format!("{}{text}", head.replace("95", "96"))
        } else {
            format!("{head}{text}")
        };
        fs::write(folder.path().join(name), text).expect("written");
    };
    let call = "# call      puts  got";
    write(
        "old/say.snap",
        &format!("{call}\n\nsay:\n\tpush rax\n\tcall puts\n\tret\n"),
    );
    write(
        "new/say.snap",
        &format!("{call}  tail\n\nsay:\n\tjmp puts\n"),
    );
    write("old/same.snap", "\nsame:\n\tret\n");
    write("new/same.snap", "\nsame:\n\tret\n");
    write("old/moved.snap", "\nmoved:\n\tmov rax, rdi\n\tret\n");
    write("new/moved.snap", "\nmoved:\n\tmov rax, rsi\n\tret\n");
    let diff = |old: &str, new: &str, more: &[&str]| {
        run(barecall(&["diff"])
            .current_dir(folder.path())
            .args([old, new])
            .args(more))
    };
    let out = exits(&diff("old/say.snap", "new/say.snap", &[]), 1);
    contains(
        &out,
        &[
            "old/say.snap -> new/say.snap: 1 in both, 1 with changed facts, 0 removed, 0 added; 0 changed in text alone\n",
            "\n  compiler: rustc 1.95.0 -> rustc 1.96.0\n",
            "\nsay.snap\n  call: puts  got -> puts  got  tail\n  instructions: 3 -> 1\n",
            "\n-\tpush rax\n",
        ],
    );
    assert!(
        out.find("  call: ") < out.find("-\tpush rax"),
        "facts come first: {out}"
    );
    // Text alone is no changed fact.
    let out = exits(&diff("old/moved.snap", "new/moved.snap", &[]), 0);
    contains(&out, &["; 1 changed in text alone\n", "+\tmov rax, rsi"]);
    let output = diff("old/say.snap", "new/say.snap", &["--format", "json"]);
    exits(&output, 1);
    let document = json(&output);
    assert_eq!(
        (&document["same"], &document["in_both"]),
        (&false.into(), &1.into())
    );
    let say = &document["functions"][0];
    assert_eq!(say["name"], "say.snap");
    assert_eq!(
        say["facts"][0],
        serde_json::json!({"fact": "call", "old": ["puts  got"], "new": ["puts  got  tail"]})
    );
    exits(&diff("old/say.snap", "old/say.snap", &[]), 0);
    exits(&diff("old/same.snap", "new/same.snap", &[]), 0);
    refuses(
        &diff("old/say.snap", program().to_str().expect("UTF-8"), &[]),
        &["OLD and NEW must be two images, or two recorded listings"],
    );
    refuses(
        &diff("old/say.snap", "new/say.snap", &["--function", "say"]),
        &["--function names functions of images"],
    );
    refuses(&diff("old", "new", &[]), &["old is a folder; `diff -r`"]);
    refuses(
        &diff("old/say.snap", "none", &[]),
        &["none: cannot be read"],
    );
}

#[test]
fn diff_of_images_says_which_route_changed() {
    let other = PROGRAM.replace("planted(c\"trampolined\"", "puts(c\"trampolined\"");
    let other = Fixture::new(&other.replace("by_pointer(", "through_pointer("));
    let built = json(&run(other
        .command("calls")
        .args(["--bin", "fixture", "--format", "json"])));
    let (old, new) = (program(), built["file"].as_str().expect("a file"));
    let diff = |more: &[&str]| run(barecall(&["diff"]).arg(old).arg(new).args(more));
    let out = exits(&diff(&["--function", "^fixture::"]), 1);
    contains(
        &out,
        &["fixture::trampolined\n  call: puts  thunk -> puts  got\n"],
    );
    contains(
        &out,
        &[
            " 1 removed, 1 added;",
            "\nRemoved\n  fixture::by_pointer\n",
            "\nAdded\n  fixture::through_pointer\n",
        ],
    );
    contains(
        &out,
        &[
            "Text of fixture::trampolined",
            "-\tcall puts (thunk)",
            "+\tcall puts (got)",
        ],
    );
    exits(&diff(&["--function", "^fixture::bare$"]), 0);
    refuses(
        &diff(&["--function", "nothing fits"]),
        &["nothing in ", " fits --function nothing fits"],
    );
    exits(&run(barecall(&["diff"]).arg(old).arg(old)), 0);
}
