//! Commands that end: within a time limit, and with the process that started them.

use std::io;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Why a command has no output.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{program}` could not be started: {source}")]
    Start { program: String, source: io::Error },
    #[error("`{program}` had not ended after {} seconds, and was killed", .limit.as_secs_f64())]
    TooLong { program: String, limit: Duration },
    #[error("`{program}` could not be read: {source}")]
    Read { program: String, source: io::Error },
    #[error("`{program}` failed, {status}{}", indented(.stderr))]
    Failed {
        program: String,
        status: ExitStatus,
        stderr: String,
    },
}

fn indented(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("\n  {line}"))
        .collect()
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Runs a command without input, and returns what it prints on its standard output.
///
/// # Errors
/// When it cannot be started, takes longer than `limit`, or fails.
pub fn stdout(command: &mut Command, limit: Duration) -> Result<String, Error> {
    let output = output(command, limit)?;
    succeeded(command, output)
}

/// Runs a command without input, and returns all that it prints.
///
/// # Errors
/// When it cannot be started, or takes longer than `limit`.
pub fn output(command: &mut Command, limit: Duration) -> Result<Output, Error> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    run(command, limit)
}

/// The standard output of a command that succeeded.
///
/// # Errors
/// When it did not.
pub fn succeeded(command: &Command, output: Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed {
        program: name(command),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a command with the streams that it has, and returns what comes through those that are pipes.
///
/// After `limit` it is killed, with all that it has started. On Linux it also dies with the calling thread.
///
/// # Errors
/// When it cannot be started, or takes longer than `limit`.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output, Error> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(target_os = "linux")]
    die_with_parent(command);
    let child = command.spawn().map_err(|source| Error::Start {
        program: name(command),
        source,
    })?;
    let group = child.id();
    let (sender, receiver) = mpsc::channel();
    // Reads both streams at the same time, so that neither pipe fills up.
    thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = receiver.recv_timeout(limit) {
        return output.map_err(|source| Error::Read {
            program: name(command),
            source,
        });
    }
    kill(group);
    // Until it is gone.
    let _ = receiver.recv();
    Err(Error::TooLong {
        program: name(command),
        limit,
    })
}

#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;

    use nix::sys::prctl::set_pdeathsig;
    use nix::sys::signal::Signal;
    use nix::unistd::{Pid, getpid, getppid};

    let parent: Pid = getpid();
    let die = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // It may have died before.
        if getppid() == parent {
            Ok(())
        } else {
            Err(io::Error::from(io::ErrorKind::NotFound))
        }
    };
    // SAFETY: between fork and exec only async-signal-safe calls are made: prctl and getppid. Nothing is allocated.
    unsafe { command.pre_exec(die) };
}

/// Kills a command and all that it has started. It has ended already if this fails.
fn kill(group: u32) {
    #[cfg(unix)]
    // SAFETY: kill touches no memory of this process.
    unsafe {
        libc::kill(-group.cast_signed(), libc::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = Command::new("taskkill")
        .args(["/T", "/F", "/PID", &group.to_string()])
        .status();
}
