//! Goroutines asleep, for comparison: counted by `cgo/tasks` where there is Go, else on file.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::go::toolchain::{self, NoGo, Toolchain};

/// What so many goroutines took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// `go1.27.3 linux/amd64`
    pub go: String,
    pub count: u64,
    pub asleep: u64,
    /// What Go's heap reserved for their stacks, in bytes.
    pub stack_bytes: u64,
    /// Bytes of resident memory until all were asleep.
    pub resident: u64,
    /// Seconds until then.
    pub asleep_after: f64,
}

/// What is on file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnFile {
    pub schema: u32,
    pub date: String,
    pub target: String,
    pub taken: Vec<Taken>,
}

/// From the root of the repository.
pub const FILE: &str = "asm-snapshots/goroutines/x86_64-unknown-linux-gnu.json";

/// Why nothing was counted here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    NoGo(#[from] NoGo),
    #[error("cgo/tasks could not be built or run: {0}")]
    Io(#[from] io::Error),
    #[error("{what}: {why}")]
    Failed { what: String, why: String },
    #[error("cgo/tasks said something else than was asked: {0}")]
    Json(#[from] serde_json::Error),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is on file.
///
/// # Errors
/// When there is no such file, or it is not one of ours.
pub fn on_file() -> io::Result<OnFile> {
    let text = std::fs::read_to_string(root().join(FILE))?;
    Ok(serde_json::from_str(&text)?)
}

/// Builds `cgo/tasks`, and has so many goroutines asleep, for each of these numbers.
///
/// # Errors
/// When there is no Go, or it fails.
pub fn live(counts: &[u64]) -> Result<Vec<Taken>, Error> {
    let go = Toolchain::find()?.go;
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("tasks");
    build(&go, &program)?;
    let run = |&count: &u64| {
        let limit = Duration::from_secs(20 + count / 10_000);
        let text = within(limit, Command::new(&program).arg(count.to_string()))?;
        Ok(serde_json::from_str(&text)?)
    };
    counts.iter().map(run).collect()
}

fn build(go: &OsString, program: &Path) -> Result<(), Error> {
    // One file of the standard library alone: no module, nothing to fetch.
    let built = within(
        Duration::from_secs(120),
        toolchain::command(go)
            .args(["build", "-trimpath", "-o"])
            .arg(program)
            .arg("main.go")
            .current_dir(root().join("cgo/tasks"))
            .env("GO111MODULE", "off"),
    );
    built.map(drop)
}

/// What a program prints, if it ends in time and well. What it prints fits a pipe.
fn within(limit: Duration, command: &mut Command) -> Result<String, Error> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            break child.wait()?;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut said = [String::new(), String::new()];
    if let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) {
        out.read_to_string(&mut said[0])?;
        err.read_to_string(&mut said[1])?;
    }
    let [out, err] = said;
    if status.success() {
        return Ok(out);
    }
    Err(Error::Failed {
        what: format!("{} {status}", command.get_program().display()),
        why: err.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of stack a goroutine.
    const fn stack(taken: &Taken) -> u64 {
        taken.stack_bytes / taken.count
    }

    #[test]
    fn what_is_on_file_is_whole() {
        let on_file = on_file().expect("it is on file");
        assert_eq!(on_file.schema, 1);
        for taken in &on_file.taken {
            assert_eq!(taken.asleep, taken.count);
            // A span of Go's heap has room for 16 stacks, and some may be there already.
            assert!((2000..2200).contains(&stack(taken)), "{taken:?}");
        }
    }

    /// With Go here, it is still so. `CLAIMS_RECORD=1` writes what is found to the file.
    #[test]
    fn it_is_so_with_this_go() {
        let record = std::env::var_os("CLAIMS_RECORD").is_some();
        let counts: &[u64] = if record {
            &[1000, 10_000, 100_000, 1_000_000]
        } else {
            &[1000]
        };
        let taken = match live(counts) {
            Ok(taken) => taken,
            Err(Error::NoGo(why)) => return testkit::missing("go", &why.to_string()),
            Err(error) => panic!("{error}"),
        };
        for taken in &taken {
            assert_eq!(taken.asleep, taken.count);
            assert!((2000..8192).contains(&stack(taken)), "{taken:?}");
        }
        if record {
            let file = OnFile {
                schema: 1,
                date: crate::today(),
                target: "x86_64-unknown-linux-gnu".to_owned(),
                taken,
            };
            let text = serde_json::to_string_pretty(&file).expect("JSON");
            std::fs::create_dir_all(root().join(FILE).parent().expect("a folder")).expect("made");
            std::fs::write(root().join(FILE), text + "\n").expect("written");
        }
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let start = Instant::now();
        let slept = within(Duration::from_millis(50), Command::new("sleep").arg("60"));
        assert!(matches!(slept, Err(Error::Failed { .. })), "{slept:?}");
        assert!(start.elapsed() < Duration::from_secs(30));
        assert!(live(&[]).is_ok_and(|none| none.is_empty()) || Toolchain::find().is_err());
    }
}
