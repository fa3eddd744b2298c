//! Go's calls into C, by the names that cgo gives: never bare, whatever the first instruction looks like.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::path::{Path, PathBuf};
use std::process::Command;

use barecall::{Image, Route};

/// As cgo lays it out: the caller, Go's own side, the runtime. The last one has no C function behind it.
const SOURCE: &str = r#"
void runtime(void *function) __asm__("runtime.cgocall");
__attribute__((noinline)) void runtime(void *function) { ((void (*)(void))function)(); __asm__(""); }
int puts(const char *);
void side(void) __asm__("main._Cfunc_puts.abi0");
__attribute__((noinline)) void side(void) { runtime((void *)puts); __asm__(""); }
void helper(void) __asm__("main._Cfunc_CString");
__attribute__((noinline)) void helper(void) { __asm__("nop"); }
void caller(void) { side(); helper(); __asm__(""); }
int main(void) { caller(); }
"#;

/// That program, built in a folder of its own.
fn built(folder: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let (source, program) = (folder.join("cgo.c"), folder.join("cgo"));
    std::fs::write(&source, SOURCE).expect("written");
    let compiled = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&program, &source])
        .status()
        .expect("cc");
    assert!(compiled.success());
    program
}

#[test]
fn a_call_through_gos_runtime_is_a_thunk() {
    let program = built("cgo-routes");
    let image = Image::open(&program).expect("an image");
    let calls = image.function("caller").expect("the caller").calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    let through = &calls[0];
    assert_eq!(through.route(), Route::Thunk);
    assert_eq!(through.via(), ["main._Cfunc_puts.abi0", "runtime.cgocall"]);
    assert_eq!(through.to().as_deref(), Some("puts"));
    assert!(through.reaches("puts") && !through.reaches("uts"));
    assert_eq!(through.instructions(), None);
    // The control: a function of Go's own.
    assert_eq!(calls[1].route(), Route::Direct);
    let error = image
        .function("caller")
        .expect("the caller")
        .bare_calls(&["puts"])
        .expect_err("it is not bare");
    assert!(error.to_string().contains("runtime.cgocall"), "{error}");
}

/// The command says the same: with nothing but Go in the image, what it lists are the calls into C.
#[test]
fn the_command_denies_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-barecall"))
        .args(["check", "--from", "^caller$", "--file"])
        .arg(built("cgo-command"))
        .output()
        .expect("it runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}");
    assert!(
        stdout.contains("does not hold: 1 of 1 call into C"),
        "{stdout}"
    );
}
