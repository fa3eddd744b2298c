//! Mach-O and PE files, made by clang and by the linkers that come with rustc.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A format of object files and images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// macOS's.
    MachO,
    /// Windows'.
    Pe,
}

/// The processor that a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86,
    /// AArch64.
    Aarch64,
}

/// What makes files of these formats.
pub struct Toolchain {
    /// The name of a clang that runs.
    pub clang: String,
    /// The folder of rustc's own `ld64.lld` and `lld-link`.
    linkers: PathBuf,
    folder: PathBuf,
}

impl Toolchain {
    /// Or which of `clang` and `lld` is missing, and why.
    pub fn find(folder: &Path) -> Result<Self, (&'static str, String)> {
        std::fs::create_dir_all(folder).unwrap();
        let works = |name: &str| {
            let version = Command::new(name).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        };
        let names = ["clang", "clang-14", "clang-19"];
        let Some(clang) = names.into_iter().find(|name| works(name)) else {
            return Err(("clang", format!("none of {} in PATH", names.join(", "))));
        };
        let root = Command::new("rustc").args(["--print", "sysroot"]).output();
        let root = root.map_err(|error| ("lld", format!("rustc: {error}")))?;
        let linkers = Path::new(String::from_utf8_lossy(&root.stdout).trim())
            .join("lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld");
        for linker in ["ld64.lld", "lld-link"] {
            if !works(&linkers.join(linker).to_string_lossy()) {
                let why = format!("rustc's own {linker} is not in {}", linkers.display());
                return Err(("lld", why));
            }
        }
        Ok(Self {
            clang: clang.to_owned(),
            linkers,
            folder: folder.to_owned(),
        })
    }

    /// Compiles a C file; `name` is the object's.
    pub fn compile(
        &self,
        (format, arch): (Format, Arch),
        source: &Path,
        flags: &[&str],
        name: &str,
    ) -> PathBuf {
        let target = match (format, arch) {
            (Format::MachO, Arch::X86) => "x86_64-apple-macos12",
            (Format::MachO, Arch::Aarch64) => "arm64-apple-macos12",
            (Format::Pe, Arch::X86) => "x86_64-pc-windows-msvc",
            (Format::Pe, Arch::Aarch64) => "aarch64-pc-windows-msvc",
        };
        let object = self.folder.join(name);
        self.run(
            Command::new(&self.clang)
                .arg(format!("--target={target}"))
                .args(["-c", "-O2", "-ffreestanding", "-w"])
                .args(flags)
                .arg(source)
                .arg("-o")
                .arg(&object),
        );
        object
    }

    /// Links objects, and what the linker takes as its own, into an image.
    pub fn link(
        &self,
        (format, arch): (Format, Arch),
        inputs: &[&Path],
        flags: &[&str],
        name: &str,
    ) -> PathBuf {
        let image = self.folder.join(name);
        let mut linker = match format {
            Format::MachO => {
                let mut linker = Command::new(self.linkers.join("ld64.lld"));
                linker.args(["-arch", if arch == Arch::X86 { "x86_64" } else { "arm64" }]);
                linker.args(["-platform_version", "macos", "12.0", "12.0", "-o"]);
                linker.arg(&image);
                linker
            }
            Format::Pe => {
                let mut linker = Command::new(self.linkers.join("lld-link"));
                linker.args(["/nodefaultlib", "/noimplib"]);
                linker.arg(format!("/out:{name}"));
                linker
            }
        };
        self.run(linker.args(flags).args(inputs));
        image
    }

    /// Puts objects into an archive.
    pub fn archive(&self, objects: &[&Path], name: &str) -> PathBuf {
        let archive = self.folder.join(name);
        let _ = std::fs::remove_file(&archive);
        self.run(Command::new("ar").arg("rcS").arg(&archive).args(objects));
        archive
    }

    /// A library to link against that has the functions of `source`, as `flags` for [`Toolchain::link`].
    pub fn import_library(
        &self,
        arch: Arch,
        source: &Path,
        exports: &[&str],
        name: &str,
    ) -> PathBuf {
        let object = self.compile((Format::Pe, arch), source, &[], &format!("{name}.o"));
        let mut linker = Command::new(self.linkers.join("lld-link"));
        linker.args(["/dll", "/noentry", "/nodefaultlib"]);
        linker.arg(format!("/out:{name}.dll"));
        linker.arg(format!("/implib:{name}.lib"));
        linker.args(exports.iter().map(|export| format!("/export:{export}")));
        self.run(linker.arg(object));
        self.folder.join(format!("{name}.lib"))
    }

    fn run(&self, command: &mut Command) {
        let output = command
            .current_dir(&self.folder)
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(
            output.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
