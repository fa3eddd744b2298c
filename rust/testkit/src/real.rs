//! Real object files, as small as they come, made by this machine's own compiler.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::{scratch, toolchain};

const SOURCE: &str = r#"
int puts(const char *);
int abs(int);
extern int (*hook)(int);
static int (*const all[])(int) = {abs, abs};
int twice(void) { return puts("a") + puts("b"); }
int tail(int a) { return abs(a + 1); }
int cases(int a) {
    switch (a) {
    case 0: return abs(1);
    case 1: return puts("q");
    case 2: return twice();
    case 3: return hook(3);
    case 4: return tail(7);
    case 5: return puts("z");
    default: return all[a & 1](a);
    }
}
int loop(int n) { int sum = 0; for (int i = 0; i < n; i++) sum += abs(i) + puts("l"); return sum; }
int (*hook)(int) = tail;
"#;

/// Returns name and contents of an object, an archive, and shared libraries with and without a PLT.
///
/// # Panics
/// When there is no C compiler.
pub fn files() -> &'static [(String, Vec<u8>)] {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = scratch::shared("real", |folder| {
            std::fs::write(folder.join("names"), make(folder).join("\n")).unwrap();
        });
        std::fs::read_to_string(folder.join("names"))
            .unwrap()
            .lines()
            .map(|name| (name.to_owned(), std::fs::read(folder.join(name)).unwrap()))
            .collect()
    })
}

/// Makes them, and returns their names.
fn make(folder: &Path) -> Vec<String> {
    std::fs::write(folder.join("real.c"), SOURCE).unwrap();
    let run = |command: &str, arguments: &[&str]| -> bool {
        Command::new(command)
            .current_dir(folder)
            .args(arguments)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let shared = ["-O2", "-fPIC", "-shared", "-nostdlib", "real.c", "-o"];
    let must = [
        run("cc", &["-O2", "-fPIC", "-c", "real.c", "-o", "real.o"]),
        run(
            "cc",
            &[
                "-O2",
                "-fPIC",
                "-fno-plt",
                "-ffunction-sections",
                "-c",
                "real.c",
                "-o",
                "sections.o",
            ],
        ),
        run("ar", &["rc", "real.a", "real.o"]),
        run("cc", &[&shared[..], &["real.so", "-fno-plt"]].concat()),
        run("cc", &[&shared[..], &["lazy.so", "-Wl,-z,lazy"]].concat()),
    ];
    assert!(
        must.iter().all(|&made| made),
        "cc and ar must work here: {must:?}"
    );
    let mut names = vec!["real.o", "sections.o", "real.a", "real.so", "lazy.so"];
    // Where there is one.
    let cross = [
        "--target=aarch64-linux-gnu",
        "-O2",
        "-fPIC",
        "-c",
        "real.c",
        "-o",
        "aarch64.o",
    ];
    if run("clang", &cross) || run("clang-14", &cross) || run("aarch64-linux-gnu-gcc", &cross[1..])
    {
        names.push("aarch64.o");
        if run(
            "aarch64-linux-gnu-ld",
            &[
                "-shared",
                "aarch64.o",
                "-o",
                "aarch64.so",
                "-z",
                "max-page-size=4096",
            ],
        ) {
            names.push("aarch64.so");
        }
    }
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    names.extend(foreign(folder));
    names
}

/// Mach-O and PE files, where they can be made: for each processor an object and what is linked from it.
fn foreign(folder: &Path) -> Vec<String> {
    use toolchain::{Arch, Format};
    const LIBRARY: &str = "--- !tapi-tbd\ntbd-version: 4\ntargets: [ x86_64-macos, arm64-macos ]\n\
                           install-name: '/greet.dylib'\nexports:\n  - targets: [ x86_64-macos, arm64-macos ]\n    \
                           symbols: [ _puts, _abs, dyld_stub_binder ]\n...\n";
    let Ok(tools) = toolchain::Toolchain::find(folder) else {
        return Vec::new();
    };
    let source = folder.join("real.c");
    let greet = folder.join("greet.c");
    let functions = "int puts(const char *s) { return *s; }\nint abs(int n) { return n & 0xff; }\n";
    std::fs::write(&greet, functions).unwrap();
    let library = folder.join("greet.tbd");
    std::fs::write(&library, LIBRARY).unwrap();
    let mut names = Vec::new();
    for arch in [Arch::X86, Arch::Aarch64] {
        let mut name = |end: &str| {
            names.push(format!("{arch:?}{end}"));
            names[names.len() - 1].clone()
        };
        let target = (Format::MachO, arch);
        let object = tools.compile(target, &source, &[], &name("-macho.o"));
        for (fixups, end) in [
            ("-fixup_chains", ".dylib"),
            ("-no_fixup_chains", "-binds.dylib"),
        ] {
            tools.link(
                target,
                &[&object, &library],
                &["-dylib", fixups],
                &name(end),
            );
        }
        let target = (Format::Pe, arch);
        let object = tools.compile(target, &source, &[], &name(".obj"));
        let library =
            tools.import_library(arch, &greet, &["puts", "abs"], &format!("{arch:?}-greet"));
        let flags = [
            "/dll",
            "/noentry",
            "/export:cases",
            "/export:twice",
            "/debug:symtab",
        ];
        tools.link(target, &[&object, &library], &flags, &name(".dll"));
    }
    names
}
