//! Shell completions and man pages.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::{Cli, Failure, Outcome};

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  cargo-barecall completions bash > ~/.local/share/bash-completion/completions/cargo-barecall")]
pub(crate) struct Completions {
    /// The shell to complete for
    shell: clap_complete::Shell,
}

impl Completions {
    /// Prints it.
    pub(crate) fn run(self) -> Outcome {
        let mut script = Vec::new();
        let mut command = Cli::command().bin_name("cargo-barecall");
        clap_complete::generate(self.shell, &mut command, "cargo-barecall", &mut script);
        Outcome {
            text: String::from_utf8_lossy(&script).into_owned(),
            holds: true,
        }
    }
}

/// Print the man page, or write one for each subcommand to a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  cargo barecall man ~/.local/share/man/man1 && man cargo-barecall-check")]
pub(crate) struct Man {
    /// The folder to write to
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Man {
    /// Prints or writes them.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let command = Cli::command().bin_name("cargo-barecall");
        let mut text = Vec::new();
        if let Some(folder) = self.folder {
            clap_mangen::generate_to(command, &folder)
                .map_err(|error| format!("{}: cannot be written to: {error}", folder.display()))?;
        } else {
            clap_mangen::Man::new(command).render(&mut text)?;
        }
        Ok(Outcome {
            text: String::from_utf8_lossy(&text).into_owned(),
            holds: true,
        })
    }
}
