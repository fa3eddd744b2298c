//! Compiles the C side, and sees to it that the bindings are those of its header.

use std::fs;

#[path = "rust/exhibits/ffi/fingerprint.rs"]
mod fingerprint;
#[cfg(feature = "bindgen")]
#[path = "rust/exhibits/ffi/generate.rs"]
mod generate;

const HEADER: &str = "c/greet.h";
const BINDINGS: &str = "rust/exhibits/ffi/bindings.rs";

/// What the results depend on. `cc` adds the variables it reads (`CC`, `CFLAGS`).
const INPUTS: [&str; 9] = [
    "build.rs",
    "c/greet.c",
    "c/callers.h",
    "c/callers.c",
    "c/controls.h",
    "c/controls.c",
    "rust/exhibits/ffi/fingerprint.rs",
    HEADER,
    BINDINGS,
];

fn main() {
    for input in INPUTS {
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
    greet
        .files(["c/greet.c", "c/callers.c"])
        .objects(controls)
        .try_compile("greet")
        .map_err(|error| install(&error))
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
    fingerprint::check(&read(HEADER)?, &read(BINDINGS)?)
}

/// Fresh bindings. That the committed ones are stale is then no error: they are
/// not used, and this is the build that replaces them.
#[cfg(feature = "bindgen")]
fn bind() -> Result<(), String> {
    if let Err(stale) = fingerprint::check(&read(HEADER)?, &read(BINDINGS)?) {
        println!("cargo::warning={stale}");
    }
    println!("cargo::rerun-if-changed=rust/exhibits/ffi/generate.rs");
    for variable in ["LIBCLANG_PATH", "BINDGEN_EXTRA_CLANG_ARGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    fs::write(out.join("bindings.rs"), generate::bindings(HEADER)?).map_err(|why| why.to_string())
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("{path}: {why}"))
}
