//! The exhibits, compiled in other ways than this test's own build.
//!
//! Cargo compiles what they depend on, once for all, and the exhibits themselves, the way it always does. How it does
//! that is noted, and done again with other flags: one call of rustc for each way instead of a build of everything.
//! What is there already, and is no older than Cargo's own, is not compiled again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// How Cargo compiles the exhibits for one target: as a dynamic library, which keeps what is public.
pub struct Compiler {
    folder: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Compiler {
    /// Has Cargo compile them for this target, where that is not done yet. `linker` links for it.
    pub fn of(triple: &str, linker: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("exhibits")
            .join(triple);
        let noted = folder.join("arguments");
        if !noted.exists() && folder.exists() {
            // Cargo does not know of it, and would not have it noted again.
            fs::remove_dir_all(&folder).expect("the build's own folder");
        }
        fs::create_dir_all(&folder).expect("a folder for the build");
        run(Command::new(env!("CARGO"))
            .args(["rustc", "--release", "--locked", "--lib"])
            .args(["--crate-type", "dylib", "--target", triple, "--target-dir"])
            .arg(folder.join("cargo"))
            // Nobody looks at this one.
            .args(["--", "-C", "opt-level=0"])
            .current_dir(ROOT)
            .env("RECORD", &folder)
            .env(
                "RUSTC_WORKSPACE_WRAPPER",
                format!("{ROOT}/tests/all/record.sh"),
            )
            .env(format!("CARGO_TARGET_{}_LINKER", upper(triple)), linker)
            // The flags on record are all there are.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS"));
        let read = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(folder.join(name)).expect("UTF-8");
            text.split_terminator('\0').map(str::to_owned).collect()
        };
        let variables = read("variables").into_iter().filter_map(|variable| {
            let (name, value) = variable.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Self {
            arguments: read("arguments"),
            variables: variables.collect(),
            folder,
        }
    }

    /// Compiles them as a `kind` of library with these flags, and returns the folder of that name that holds what was
    /// made: the library, and in `stdout` what rustc wrote there. `FOLDER` in a flag stands for that folder.
    pub fn compile(&self, name: &str, kind: &str, flags: &[&str]) -> PathBuf {
        let folder = self.folder.join(name);
        let stdout = folder.join("stdout");
        let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
        let noted = modified(&self.folder.join("arguments")).expect("noted");
        if modified(&stdout).is_ok_and(|made| made > noted) {
            return folder;
        }
        fs::create_dir_all(&folder).expect("a folder for the build");
        let path = folder.to_str().expect("UTF-8");
        let mut arguments = self.arguments.clone();
        for (option, value) in [("--out-dir", path), ("--crate-type", kind)] {
            let at = arguments.iter().position(|argument| argument == option);
            arguments[at.expect("Cargo gives it") + 1] = value.to_owned();
        }
        // A stable compiler takes such a flag only where it is told to.
        let unstable = flags.iter().any(|flag| flag.starts_with("-Z"));
        let written = run(Command::new(&arguments[0])
            .args(&arguments[1..])
            .args(["-C", "extra-filename="])
            .args(flags.iter().map(|flag| flag.replace("FOLDER", path)))
            .current_dir(ROOT)
            .env_clear()
            .envs(self.variables.iter().cloned())
            .envs(unstable.then_some(("RUSTC_BOOTSTRAP", "1"))));
        // Last: it says that all the rest is there.
        fs::write(stdout, written).expect("the folder is writable");
        folder
    }

    /// The folder of the crates that they depend on.
    pub fn dependencies(&self) -> PathBuf {
        let at = self
            .arguments
            .iter()
            .position(|option| option == "--out-dir");
        PathBuf::from(&self.arguments[at.expect("Cargo gives it") + 1])
    }
}

/// For this machine.
pub fn here() -> &'static Compiler {
    static HERE: OnceLock<Compiler> = OnceLock::new();
    HERE.get_or_init(|| Compiler::of("x86_64-unknown-linux-gnu", "cc"))
}

fn upper(triple: &str) -> String {
    triple.replace('-', "_").to_uppercase()
}

/// Runs a command that must succeed, and returns what it wrote.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed:\n{stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The compiler that compiles the tests.
pub fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
}

/// The compiler's version as files on record have it, `rustc 1.95.0 (…), LLVM 22.1.2`; and whether it is the one that
/// they are recorded for.
pub fn version() -> (String, bool) {
    let text = run(rustc().arg("-vV"));
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.expect("rustc -vV says so").trim()
    };
    let pinned =
        include_str!("../../rust-toolchain.toml").contains(&format!("\"{}\"", field("release:")));
    let first = text.lines().next().expect("a line");
    (format!("{first}, LLVM {}", field("LLVM version:")), pinned)
}

/// What Cargo built beside this test: the exhibits' library, and the examples.
pub struct Built {
    pub library: PathBuf,
    examples: PathBuf,
}

impl Built {
    /// The example of that name.
    pub fn example(&self, name: &str) -> Command {
        Command::new(self.examples.join(name))
    }
}

/// The build of this test's own profile. After `cargo test --workspace` nothing is left to do: it is for the whole
/// workspace, since for one package alone Cargo would choose other features of the dependencies, and build them again.
pub static BUILT: LazyLock<Built> = LazyLock::new(|| {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "build",
            "--workspace",
            "--examples",
            "--offline",
            "--locked",
        ])
        .arg("--message-format=json")
        .current_dir(ROOT);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let messages = run(&mut cargo);
    let named = |part: &str, end: &str| {
        let mut words = messages.split('"');
        let found = words.find(|word| word.contains(part) && word.ends_with(end));
        PathBuf::from(found.unwrap_or_else(|| panic!("no {part} in {messages}")))
    };
    // target/PROFILE/deps/libzero_cost_ffi-HASH.rlib
    let library = named("/deps/libzero_cost_ffi-", ".rlib");
    let profile = library.ancestors().nth(2).expect("a folder");
    Built {
        examples: profile.join("examples"),
        library,
    }
});
