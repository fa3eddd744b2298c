//! What can be known of a program before it is started.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use object::elf;

use crate::walk::error::WalkError;

/// Refuses what a command would start and cannot be walked. If the program is missing,
/// or may not be executed, the system will say so.
pub(super) fn check(command: &Command) -> Result<(), WalkError> {
    let Some(path) = find(command).filter(|path| path.is_file()) else {
        return Ok(());
    };
    match fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode()) {
        mode if mode & 0o111 == 0 => return Ok(()),
        mode if mode & 0o6000 != 0 => return Err(WalkError::SetUserId { path }),
        _ => {}
    }
    let mut file = match fs::File::open(&path) {
        Ok(file) => file,
        Err(source) => {
            let source = Some(source);
            return Err(WalkError::NotExecutable { path, source });
        }
    };
    let mut header = [0; 20];
    if file.read_exact(&mut header).is_err() && !header.starts_with(b"#!") {
        return Err(WalkError::NotAProgram { path });
    }
    check_header(&header, path)
}

fn check_header(header: &[u8; 20], path: PathBuf) -> Result<(), WalkError> {
    if header.starts_with(b"#!") {
        // Its interpreter is walked, and what that turns into by `exec`.
        return Ok(());
    }
    if !header.starts_with(b"\x7fELF") {
        return Err(WalkError::NotAProgram { path });
    }
    let big_endian = header[5] == elf::ELFDATA2MSB.0;
    let machine = [header[18], header[19]];
    let machine = elf::Machine(if big_endian {
        u16::from_be_bytes(machine)
    } else {
        u16::from_le_bytes(machine)
    });
    if header[4] == elf::ELFCLASS64.0 && machine == elf::EM_X86_64 {
        return Ok(());
    }
    let architecture = match machine {
        elf::EM_AARCH64 => "aarch64".into(),
        elf::EM_ARM => "32-bit ARM".into(),
        elf::EM_386 => "32-bit x86".into(),
        elf::EM_X86_64 => "x32 (32-bit pointers)".into(),
        elf::EM_RISCV => "RISC-V".into(),
        elf::EM_S390 => "s390x".into(),
        elf::EM_PPC64 => "powerpc64".into(),
        other => format!("ELF machine {other}"),
    };
    Err(WalkError::OtherArchitecture { path, architecture })
}

/// As `execvp` does it.
fn find(command: &Command) -> Option<PathBuf> {
    let program = Path::new(command.get_program());
    if program.as_os_str().as_encoded_bytes().contains(&b'/') {
        let path = command
            .get_current_dir()
            .unwrap_or(Path::new(""))
            .join(program);
        return path.exists().then_some(path);
    }
    let given = command
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .map(|(_, value)| value.map(OsStr::to_owned));
    let path = given.unwrap_or_else(|| env::var_os("PATH"))?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
