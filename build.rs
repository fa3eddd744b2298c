//! Compiles the C side, and sees to it that the bindings are those of its headers.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "rust/exhibits/ffi/fingerprint.rs"]
mod fingerprint;
#[cfg(feature = "bindgen")]
#[path = "rust/exhibits/ffi/generate.rs"]
mod generate;

use fingerprint::Bound;

const BOUND: [Bound; 2] = [fingerprint::GREET, fingerprint::GREETING];

/// What the results depend on. `cc` adds the variables it reads (`CC`, `CFLAGS`).
const INPUTS: [&str; 8] = [
    "build.rs",
    "c/greet.c",
    "c/greeting.c",
    "c/callers.h",
    "c/callers.c",
    "c/controls.h",
    "c/controls.c",
    "rust/exhibits/ffi/fingerprint.rs",
];

/// The functions of c/callers.c. One that were missing here would be defined twice.
const TWINS: [&str; 11] = [
    "say",
    "say_cstr",
    "say_then",
    "say_twice",
    "say_times",
    "add_one",
    "add_one_times",
    "sum",
    "midpoint",
    "for_each",
    // The function that `for_each` hands on.
    "add_to",
];

/// Under which names clang is looked for, in this order.
const CLANGS: [&str; 10] = [
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16",
    "clang-15", "clang-14",
];

fn main() {
    let bound = BOUND
        .iter()
        .flat_map(|bound| [bound.header, bound.bindings]);
    for input in INPUTS.into_iter().chain(bound) {
        println!("cargo::rerun-if-changed={input}");
    }
    if let Err(error) = bind().and_then(|()| compile()) {
        // One directive is one line.
        println!("cargo::error={}", error.replace('\n', " "));
    }
}

/// At the profile's opt-level, which `cc` reads from Cargo: C and Rust are
/// compared like with like.
fn compile() -> Result<(), String> {
    if let Ok(level) = std::env::var("OPT_LEVEL") {
        println!("cargo::rustc-env=EXHIBITS_OPT_LEVEL={level}");
    }
    let mut greet = cc::Build::new();
    greet.std("c11").warnings(true).extra_warnings(true);
    greet.try_get_compiler().map_err(|error| install(&error))?;

    // A shim that is more than a lone `jmp` would be another control.
    let controls = greet
        .clone()
        .opt_level(2)
        .file("c/controls.c")
        .try_compile_intermediates()
        .map_err(|error| install(&error))?;
    let (by_clang, by_got) = (by_clang(&greet), by_got(&greet));
    // Threads and eventfd: on Linux, where it is tested.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        greet.file("c/greeting.c");
    }
    greet
        .files(["c/greet.c", "c/callers.c"])
        .objects(controls)
        .objects(by_clang)
        .objects(by_got)
        .try_compile("greet")
        .map_err(|error| install(&error))
}

/// Where there is a clang, the twins once more, as clang makes them: gcc and rustc shape a loop differently, clang
/// and rustc (LLVM both) should not, so that what is left is the price of the border. None elsewhere: all that rests
/// on them says that it was not checked.
fn by_clang(greet: &cc::Build) -> Vec<PathBuf> {
    println!("cargo::rustc-check-cfg=cfg(by_clang)");
    let found = CLANGS.iter().find_map(|name| Some((name, version(name)?)));
    // For another target than this machine clang may lack the headers.
    let native = std::env::var("HOST") == std::env::var("TARGET");
    let Some((clang, version)) = found.filter(|_| native) else {
        return Vec::new();
    };
    println!("cargo::rustc-env=CLANG_VERSION={version}");
    renamed(greet.clone().compiler(clang), "by_clang")
}

/// The twins once more, calling through the GOT as rustc does. Otherwise the linker makes a direct call of what C
/// emits, but not of what rustc does (rust-lang/rust#141720), and the processor may take longer over the one.
fn by_got(greet: &cc::Build) -> Vec<PathBuf> {
    println!("cargo::rustc-check-cfg=cfg(by_got)");
    let x86_64 = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if !(x86_64 && linux) {
        return Vec::new();
    }
    let mut build = greet.clone();
    renamed(
        build.flag("-fno-plt").flag("-Wa,-mrelax-relocations=no"),
        "by_got",
    )
}

/// The twins under names that end in `suffix`, which becomes a `cfg`, if they can be compiled so.
fn renamed(build: &mut cc::Build, suffix: &str) -> Vec<PathBuf> {
    let Some(out) = std::env::var_os("OUT_DIR") else {
        return Vec::new();
    };
    // A folder of its own: an object is named after its source, which is compiled elsewhere as well.
    build
        .out_dir(Path::new(&out).join(suffix))
        .file("c/callers.c");
    for twin in TWINS {
        build.define(twin, &*format!("{twin}_{suffix}"));
    }
    let objects = build.try_compile_intermediates().unwrap_or_default();
    if !objects.is_empty() {
        println!("cargo::rustc-cfg={suffix}");
    }
    objects
}

/// Its own words, if there is such a clang.
fn version(clang: &str) -> Option<String> {
    let output = std::process::Command::new(clang)
        .arg("--version")
        .output()
        .ok()?;
    let first = String::from_utf8(output.stdout)
        .ok()?
        .lines()
        .next()?
        .trim()
        .to_owned();
    (output.status.success() && first.contains("clang")).then_some(first)
}

fn install(error: &cc::Error) -> String {
    format!(
        "cannot compile c/: {error}. It takes a C compiler (Debian, Ubuntu: `apt-get install gcc \
         libc6-dev`; macOS: `xcode-select --install`; Windows: the Build Tools for Visual Studio), \
         found as `cc` or named in the variable CC"
    )
}

/// Committed bindings must be those of the header: a stale declaration is
/// undefined behaviour that compiles.
#[cfg(not(feature = "bindgen"))]
fn bind() -> Result<(), String> {
    for bound in BOUND {
        bound.check(&read(bound.header)?, &read(bound.bindings)?)?;
    }
    Ok(())
}

/// Fresh bindings. That the committed ones are stale is then no error: they are
/// not used, and this is the build that replaces them.
#[cfg(feature = "bindgen")]
fn bind() -> Result<(), String> {
    for bound in BOUND {
        if let Err(stale) = bound.check(&read(bound.header)?, &read(bound.bindings)?) {
            println!("cargo::warning={stale}");
        }
    }
    println!("cargo::rerun-if-changed=rust/exhibits/ffi/generate.rs");
    for variable in ["LIBCLANG_PATH", "BINDGEN_EXTRA_CLANG_ARGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    for bound in BOUND {
        let file = bound.bindings.rsplit('/').next().unwrap_or_default();
        fs::write(out.join(file), generate::bindings(bound, bound.header)?)
            .map_err(|why| why.to_string())?;
    }
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{path}: {why}"))
}
