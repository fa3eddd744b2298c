//! `cargo barecall show`: a function's listing, with every call's route beside it.

use std::fmt::Write as _;

use barecall::{Error, Function, Image, Instruction};
use serde::Serialize;

use crate::images::Images;
use crate::record;
use crate::{BOLD, Document, Failure, Format, Outcome, colour, painted};

/// Print a function's listing, with every call's route beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
FUNCTION is a mangled name, a demangled name, the end of one after :: or ., or an address (0x1234).

Examples:
  cargo barecall show --release my_crate::wrapper
  cargo barecall show --file target/release/my wrapper
  cargo barecall show --file /bin/ls 0x4a30

JSON:
  {\"schema\":1,\"file\",\"function\":{\"name\",\"mangled\",\"at\",\"size\"},
   \"instructions\":[{\"at\",\"bytes\",\"text\",\"call\":{…as in calls…}|null}]}")]
pub(crate) struct Args {
    /// The function to list
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
        let text = self.format.render(&Shown::of(function))?;
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

/// A function's listing.
#[derive(Serialize)]
struct Shown<'a> {
    file: String,
    function: Named<'a>,
    #[serde(rename = "instructions", serialize_with = "record::listing")]
    listed: Function<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: String,
    mangled: Option<&'a str>,
    at: String,
    size: u64,
}

impl<'a> Shown<'a> {
    fn of(function: Function<'a>) -> Self {
        Self {
            file: function.image().path().display().to_string(),
            function: Named {
                name: function.name(),
                mangled: function.mangled(),
                at: format!("{:#x}", function.address()),
                size: function.parts().map(|(start, end)| end - start).sum(),
            },
            listed: function,
        }
    }
}

impl Document for Shown<'_> {
    fn text(&self) -> String {
        let listing = self.listed.listing();
        let instructions = listing.instructions();
        let calls = instructions.iter().filter_map(Instruction::call).count();
        let Named { name, at, size, .. } = &self.function;
        let mut text = format!(
            "{} at {at} in {}: {size} bytes, {} instructions, {calls} calls\n\n",
            painted(BOLD, name),
            self.file,
            instructions.len()
        );
        for instruction in instructions {
            // Writing to a String cannot fail.
            let _ = match instruction.call() {
                Some(call) => writeln!(text, "{}", painted(colour(call.route()), instruction)),
                None => writeln!(text, "{instruction}"),
            };
        }
        text
    }
}
