//! The program in Go: built once for each Go and each state of its sources, and kept beside what cargo built.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::toolchain::{NoGo, Toolchain, can_write, command};
use crate::measure::process;

/// The name of the program.
const NAME: &str = "zcffi-go";
/// Neither where it was built nor from which commit is in it; nor what GOFLAGS says of the rest: without symbols there
/// would be nothing to find.
const ARGUMENTS: [&str; 9] = [
    "build",
    "-trimpath",
    "-buildvcs=false",
    "-buildmode=exe",
    "-race=false",
    "-gcflags=",
    "-ldflags=",
    "-asmflags=",
    "-tags=",
];
/// A build takes 5 s where Go has not built its own library yet, more on a busy machine.
const LONGEST: Duration = Duration::from_secs(300);

/// The program, built.
#[derive(Debug)]
pub struct Program {
    pub path: PathBuf,
    pub toolchain: Toolchain,
    /// Where it lies, if that is gone after use.
    _temporary: Option<TempDir>,
}

impl Program {
    /// Builds it, unless that was done already.
    pub fn build() -> Result<Self, NoGo> {
        Self::build_with(Toolchain::find()?, &sources(), kept().as_deref())
    }

    /// Builds what is in `sources` with this Go, and keeps it in `kept`, if that can be written.
    pub fn build_with(
        toolchain: Toolchain,
        sources: &Path,
        kept: Option<&Path>,
    ) -> Result<Self, NoGo> {
        let key = key(&toolchain, sources)?;
        let folder = kept.map(|kept| kept.join(key));
        if let Some(path) = folder.as_ref().map(|folder| folder.join(NAME))
            && path.is_file()
        {
            return Ok(Self {
                path,
                toolchain,
                _temporary: None,
            });
        }
        let kept = kept.filter(|kept| can_write(kept));
        let temporary = match kept {
            Some(kept) => tempfile::tempdir_in(kept),
            None => tempfile::tempdir(),
        };
        let temporary = temporary.map_err(|source| NoGo::NoRoom {
            path: kept.map_or_else(std::env::temp_dir, Path::to_owned),
            source,
        })?;
        let again = if kept.is_some() {
            "once"
        } else {
            "in a temporary folder, as the target folder cannot be written"
        };
        // Progress: nothing to be done about a stderr that cannot be written.
        let _ = writeln!(
            io::stderr(),
            "building cgo/ with {}, {again} …",
            toolchain.version
        );
        let built = temporary.path().join(NAME);
        compile(&toolchain, sources, &built, temporary.path())?;
        if let (Some(_), Some(folder)) = (kept, &folder) {
            let path = folder.join(NAME);
            let moved = fs::create_dir_all(folder).and_then(|()| keep(&built, &path));
            moved.map_err(|source| NoGo::NoRoom {
                path: folder.clone(),
                source,
            })?;
            return Ok(Self {
                path,
                toolchain,
                _temporary: None,
            });
        }
        Ok(Self {
            path: built,
            toolchain,
            _temporary: Some(temporary),
        })
    }

    /// The command that performs an act, always in the same way.
    pub fn command(&self, act: &str) -> Command {
        let mut command = Command::new(&self.path);
        command
            .arg(act)
            // No collection and no preemption in mid-call: neither is part of what a call costs.
            .env("GODEBUG", "asyncpreemptoff=1")
            .env("GOGC", "off")
            .env_remove("GOMAXPROCS")
            .env_remove("GOMEMLIMIT")
            .env_remove("GOTRACEBACK")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Puts a program where it is kept, in one step, unless another process was faster: that one may be walking it, and a
/// walk finds no names in a file that was replaced.
///
/// # Errors
/// When it can be put there in neither way.
pub fn keep(built: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(built, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Not every file system has them.
        Err(_) => fs::rename(built, path),
        Ok(()) => Ok(()),
    }
}

/// `cgo/` of this workspace; `c/` is beside it.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cgo")
}

/// Beside what cargo built, which is where the running program is.
pub fn kept() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let with = |mark| {
        program
            .ancestors()
            .find(|folder| folder.join(mark).exists())
    };
    // What cargo marks as its own, if it made that folder; what it keeps in each profile's.
    let target = with("CACHEDIR.TAG").or_else(|| with(".fingerprint"))?;
    Some(target.join("cgo"))
}

/// What the program depends on: Go, the C compiler, their settings, and each source.
fn key(toolchain: &Toolchain, sources: &Path) -> Result<String, NoGo> {
    let mut hasher = DefaultHasher::new();
    (&toolchain.version, &toolchain.cc, &toolchain.settings).hash(&mut hasher);
    ARGUMENTS.hash(&mut hasher);
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| NoGo::NoSources { path, source }
    };
    for folder in [sources.to_owned(), sources.join("../c")] {
        let mut files = fs::read_dir(&folder)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable(&folder))?;
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            let path = file.path();
            let kind = path.extension().and_then(|kind| kind.to_str());
            if matches!(kind, Some("go" | "c" | "h" | "mod" | "s")) {
                file.file_name().hash(&mut hasher);
                fs::read(&path)
                    .map_err(unreadable(&path))?
                    .hash(&mut hasher);
            }
        }
    }
    Ok(format!("{}-{:016x}", toolchain.version, hasher.finish()))
}

fn compile(
    toolchain: &Toolchain,
    sources: &Path,
    output: &Path,
    temporary: &Path,
) -> Result<(), NoGo> {
    let shown = format!(
        "{} {} -o {}",
        toolchain.go.to_string_lossy(),
        ARGUMENTS.join(" "),
        output.display()
    );
    let mut build = command(&toolchain.go);
    build
        .args(ARGUMENTS)
        .args([OsString::from("-o"), output.into(), ".".into()])
        .current_dir(sources);
    if toolchain.cache.is_none() {
        build.env("GOCACHE", temporary.join("gocache"));
    }
    process::stdout(&mut build, LONGEST)
        .map(drop)
        .map_err(|error| match error {
            process::Error::TooLong { limit, .. } => NoGo::TooSlow {
                command: shown,
                seconds: limit.as_secs(),
            },
            process::Error::Failed { status, stderr, .. } => NoGo::Build {
                command: shown,
                said: format!("{status}\n{}", stderr.trim_end()),
            },
            error => NoGo::Build {
                command: shown,
                said: error.to_string(),
            },
        })
}
