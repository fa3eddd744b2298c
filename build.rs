//! Compiles the C side, and sees to it that the bindings are those of its headers.

use std::fs;

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
    // Threads and eventfd: on Linux, where it is tested.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        greet.file("c/greeting.c");
    }
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
    let out = std::path::PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
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
