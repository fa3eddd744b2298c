//! What a claim is before it is checked, and what its check is given.

use zero_cost_ffi::catalogue::{Exhibit, Machine};

use crate::image_under_test::ImageUnderTest;
use crate::report::{Assessment, Claim, Evidence};

/// A claim before it is checked: all that is known of it outside its own file.
pub struct Spec {
    /// Its name: `one-instruction`.
    pub id: &'static str,
    /// What it says, as a clause without a capital or a full stop.
    pub statement: &'static str,
    /// The talk's words behind it.
    pub talk: Quote,
    /// The code that `show` and the page print for it.
    pub shows: Shows,
    /// The figures that its check may count, in groups. Any other name is a panic.
    pub figures: &'static [&'static [FigureSpec]],
    /// The matrices that its check may fill. Any other name is a panic.
    pub matrices: &'static [MatrixSpec],
    /// The sizes that it takes on the command line.
    pub sizes: &'static [Size],
    /// The arguments that check it with evidence made now, behind `cargo run --release --`, or another whole command.
    pub live: Live,
    /// Whether it can be run here with these sizes; asked before anything starts.
    pub can_run: fn(&Request) -> Result<(), CannotRun>,
    /// Checks it.
    pub check: fn(&Context) -> Claim,
}

impl Spec {
    /// What most claims have: no sizes, no matrices, and nothing that must be asked first.
    pub const DEFAULT: Self = Self {
        id: "",
        statement: "",
        talk: Quote::as_said(""),
        shows: Shows::Nothing,
        figures: &[],
        matrices: &[],
        sizes: &[],
        live: Live::Prove(""),
        can_run: |_| Ok(()),
        check: |_| panic!("a claim without a check"),
    };

    /// The command that checks the claim; where its evidence is recorded, the command that records it again.
    #[must_use]
    pub fn command(&self, evidence: Evidence) -> String {
        let prove = |what: &str| format!("cargo run --release -- prove {what}");
        match (evidence, self.live) {
            (Evidence::Recorded, Live::Command(command)) => command.to_owned(),
            (Evidence::Recorded, Live::Prove("")) => prove(&format!("--live {}", self.id)),
            (Evidence::Live, Live::Command(_)) | (_, Live::Prove("")) => prove(self.id),
            (_, Live::Prove(flags)) => prove(&format!("{} {flags}", self.id)),
        }
    }
}

/// The talk's words, and how they fared.
#[derive(Clone, Copy)]
pub struct Quote {
    /// The words.
    pub quote: &'static str,
    /// How they fared.
    pub assessment: Assessment,
    /// Why, where they are not as said.
    pub because: Option<&'static str>,
}

impl Quote {
    /// Words that are as the talk says.
    #[must_use]
    pub const fn as_said(quote: &'static str) -> Self {
        Self {
            quote,
            assessment: Assessment::AsSaid,
            because: None,
        }
    }

    /// Words that are true of the common case only, and why.
    #[must_use]
    pub const fn simplified(quote: &'static str, because: &'static str) -> Self {
        Self {
            assessment: Assessment::Simplified,
            because: Some(because),
            ..Self::as_said(quote)
        }
    }

    /// Words that were true once, and why they no longer are.
    #[must_use]
    pub const fn out_of_date(quote: &'static str, because: &'static str) -> Self {
        Self {
            assessment: Assessment::OutOfDate,
            ..Self::simplified(quote, because)
        }
    }
}

/// The code that is shown for a claim.
#[derive(Clone, Copy)]
pub enum Shows {
    /// None.
    Nothing,
    /// The exhibits for which this is true.
    Exhibits(fn(&Exhibit) -> bool),
    /// The `poll` functions of these futures.
    Futures(fn() -> Vec<Machine>),
}

/// How recorded evidence of a claim is produced again.
#[derive(Clone, Copy)]
pub enum Live {
    /// By `prove ID` with these flags.
    Prove(&'static str),
    /// By another command.
    Command(&'static str),
}

/// A figure that a check may count.
#[derive(Clone, Copy)]
pub struct FigureSpec {
    /// Its name: `walked out`.
    pub name: &'static str,
    /// What one of them is: `instructions`.
    pub unit: &'static str,
    /// What is counted, exactly.
    pub counts: &'static str,
}

impl FigureSpec {
    /// A figure of that name, in that unit.
    #[must_use]
    pub const fn new(name: &'static str, unit: &'static str) -> Self {
        let counts = "";
        Self { name, unit, counts }
    }

    /// Says what is counted, exactly.
    #[must_use]
    pub const fn counts(self, counts: &'static str) -> Self {
        Self { counts, ..self }
    }
}

/// A matrix that a check may fill. Its rows are added as they come.
#[derive(Clone, Copy)]
pub struct MatrixSpec {
    /// Its name within the claim.
    pub name: &'static str,
    /// What one of its values is: `instructions`.
    pub unit: &'static str,
    /// What each cell counts, exactly.
    pub counts: &'static str,
    /// The columns, from left to right.
    pub columns: &'static [&'static str],
}

impl MatrixSpec {
    /// A matrix of that name, in that unit, with these columns.
    #[must_use]
    pub const fn new(
        name: &'static str,
        unit: &'static str,
        columns: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            unit,
            counts: "",
            columns,
        }
    }

    /// Says what each cell counts, exactly.
    #[must_use]
    pub const fn counts(self, counts: &'static str) -> Self {
        Self { counts, ..self }
    }
}

/// A size that a claim takes on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// `--tasks`
    Tasks,
    /// `--hops`
    Hops,
}

/// What was asked for on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// How many tasks, where that was said.
    pub tasks: Option<u64>,
    /// How many hops, where that was said.
    pub hops: Option<u64>,
    /// Whether one claim alone was asked for, which then may take a second or two to measure.
    pub alone: bool,
    /// How recorded evidence is used.
    pub on_file: OnFile,
}

/// How evidence on file is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFile {
    /// Read it where producing it takes long, or needs a tool that is missing.
    #[default]
    Read,
    /// Produce all of it again, however long that takes.
    Live,
    /// Produce all of it again, and replace what is on file.
    Record,
}

/// Why a claim cannot be run here as asked: what it takes, and what raises the limit.
pub type CannotRun = Box<dyn std::error::Error + Send + Sync>;

/// What a check is given.
pub struct Context {
    /// The image under test: the running program's own.
    pub image: ImageUnderTest,
    /// What was asked for.
    pub request: Request,
}
