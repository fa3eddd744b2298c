//! A report in a real browser: starts tests/page/check.mjs, where there is a browser and what the script needs.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{ROOT, limited, missing};

/// Whether the opposite of each check is planted, too, and must be seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Plants {
    /// Planted as well.
    With,
    /// Not planted.
    Without,
}

/// Checks the report in this folder, and leaves screenshots in another. Where there is no browser it says so, and fails
/// only where `BARECALL_REQUIRE` names `chromium`.
///
/// # Panics
/// When a check fails, or a planted fault goes unseen.
pub fn check(report: &Path, screenshots: &Path, plants: Plants) {
    if let Err(why) = available() {
        return missing("chromium", &why);
    }
    let mut command = Command::new("node");
    command
        .arg(folder().join("check.mjs"))
        .arg(report)
        .arg(screenshots);
    if plants == Plants::With {
        command.arg("--plant");
    }
    let output = limited::run(&mut command, Duration::from_secs(120));
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn folder() -> std::path::PathBuf {
    Path::new(ROOT).join("tests/page")
}

fn available() -> Result<(), String> {
    let in_path = |names: &[&str]| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).any(|folder| names.iter().any(|name| folder.join(name).is_file()))
    };
    if !in_path(&["node"]) {
        return Err("there is no `node` in PATH; install Node.js 20 or later".into());
    }
    if !folder().join("node_modules/playwright-core").is_dir() {
        return Err("its packages are not installed: npm ci --prefix tests/page".into());
    }
    let browsers = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    if env::var_os("CHROMIUM").is_none() && !in_path(&browsers) {
        return Err(
            "there is no browser: apt-get install chromium, or name one in CHROMIUM".into(),
        );
    }
    Ok(())
}
