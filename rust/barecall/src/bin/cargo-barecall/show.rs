//! `cargo barecall show`: a function's listing, with every call's route beside it.

use std::fmt::Write as _;

use barecall::{Error, Function, Image};
use serde::Serialize;

use crate::images::Images;
use crate::record::{self, Line, SCHEMA};
use crate::{BOLD, Failure, Format, Outcome, colour, painted};

/// Show a function's listing with every call's route beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
FUNCTION is a mangled name, a demangled one, the end of one from a :: or . on, or an address (0x1234).

Examples:
  cargo barecall show --release my_crate::wrapper
  cargo barecall show --file target/release/my wrapper
  cargo barecall show --file /bin/ls 0x4a30

JSON:
  {\"schema\":1,\"file\",\"function\":{\"name\",\"mangled\",\"at\",\"size\"},
   \"instructions\":[{\"at\",\"bytes\",\"text\",\"call\":{…as in calls…}|null}]}")]
pub(crate) struct Args {
    /// The function
    #[arg(value_name = "FUNCTION")]
    function: String,
    #[command(flatten)]
    images: Images,
    /// How to print the listing
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    /// Shows it.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let images = self.images.open()?;
        let function = self.find(&images)?;
        let text = match self.format {
            Format::Text => text(&function),
            Format::Json => json(&function)?,
        };
        Ok(Outcome { text, holds: true })
    }

    /// The function in the first image that has it.
    fn find<'a>(&self, images: &'a [Image]) -> Result<Function<'a>, Failure> {
        let mut missing = None;
        for image in images {
            match image.function(&self.function) {
                Ok(function) => return Ok(function),
                Err(error @ (Error::NoSuchFunction { .. } | Error::Stripped { .. })) => {
                    missing.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(missing.map_or_else(|| "no image".into(), Into::into))
    }
}

fn size(function: &Function<'_>) -> u64 {
    function.parts().map(|(start, end)| end - start).sum()
}

fn text(function: &Function<'_>) -> String {
    let listing = function.listing();
    let calls = function.calls();
    let mut text = format!(
        "{} at {:#x} in {}: {} bytes, {} instructions, {} calls\n\n",
        painted(BOLD, function.name()),
        function.address(),
        function.image().path().display(),
        size(function),
        listing.instructions().len(),
        calls.len()
    );
    for instruction in listing.instructions() {
        // Writing to a String cannot fail.
        let _ = match instruction.call() {
            Some(call) => writeln!(text, "{}", painted(colour(call.route()), instruction)),
            None => writeln!(text, "{instruction}"),
        };
    }
    text
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    /// Of barecall.
    version: &'static str,
    file: String,
    function: Named<'a>,
    instructions: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: String,
    mangled: Option<&'a str>,
    at: String,
    size: u64,
}

fn json(function: &Function<'_>) -> Result<String, Failure> {
    record::line(&Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        file: function.image().path().display().to_string(),
        function: Named {
            name: function.name(),
            mangled: function.mangled(),
            at: format!("{:#x}", function.address()),
            size: size(function),
        },
        instructions: function
            .listing()
            .instructions()
            .iter()
            .map(Line::of)
            .collect(),
    })
}
