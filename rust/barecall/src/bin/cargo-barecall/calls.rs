//! `cargo barecall calls`: every call's route.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use barecall::{Call, Image, Route};
use serde::Serialize;

use crate::images::Images;
use crate::record::{self, Record, SCHEMA};
use crate::selection::{Selected, Selection};
use crate::{BOLD, Failure, Format, Outcome, colour, counted, painted, progress};

/// List calls into C, and the route of each.
///
/// A call into C is one whose caller is a Rust function (or has no name) and whose callee is a symbol that rustc
/// did not mangle. In an image without any Rust symbol, all calls to symbols are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall calls                                what cargo build builds
  cargo barecall calls --release --example puts --from '^puts::'
  cargo barecall calls --file target/release/libmy.so --to '^sqlite3_'
  cargo barecall calls --release --format json | jq '.calls[] | select(.bare | not)'

JSON, one line for each image:
  {\"schema\":1,\"file\",\"summary\":{\"calls\",\"bare\",\"routes\":{ROUTE:N},\"compiler_inserted\":{…},\"anywhere\"},
   \"calls\":[{\"from\",\"from_mangled\",\"to\",\"to_mangled\":[…],\"route\",\"bare\",\"tail\",\"at\",\"bytes\",\"text\",
   \"via\":[…],\"instructions\",\"compiler_inserted\"}]}")]
pub(crate) struct Args {
    #[command(flatten)]
    images: Images,
    #[command(flatten, next_help_heading = "Calls")]
    selection: Selection,
    /// How to print the calls
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

impl Args {
    /// Lists them.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let mut text = String::new();
        for image in &self.images.open()? {
            let selected = self.selection.of(image, progress::calls(image));
            match self.format {
                Format::Text => {
                    if !text.is_empty() {
                        text.push('\n');
                    }
                    text.push_str(&self.text(image, &selected));
                }
                Format::Json => text.push_str(&json(image, &selected)?),
            }
        }
        Ok(Outcome { text, holds: true })
    }

    fn text(&self, image: &Image, selected: &Selected<'_>) -> String {
        let (inserted, ours) = groups(&selected.calls);
        let mut text = format!(
            "{}: {}\n",
            painted(BOLD, image.path().display()),
            Count::of(&ours).text(self.selection.noun())
        );
        // Writing to a String cannot fail.
        if !inserted.is_empty() {
            let count = Count::of(&inserted).text("calls that the compiler inserted");
            let _ = writeln!(text, "  besides, {count}");
        }
        if selected.anywhere > 0 {
            let _ = writeln!(
                text,
                "  besides, {} calls that may lead anywhere, through a pointer or undecided: --from FUNCTION or \
                 --all lists them",
                selected.anywhere
            );
        }
        for (head, calls) in [("", &ours), ("Inserted by the compiler:\n", &inserted)] {
            if !calls.is_empty() {
                let _ = write!(text, "\n{head}");
            }
            for call in calls {
                text.push_str(&row(call));
            }
        }
        text
    }
}

/// Those that the compiler inserted, and the others.
pub(crate) fn groups<'a>(calls: &[Call<'a>]) -> (Vec<Call<'a>>, Vec<Call<'a>>) {
    calls
        .iter()
        .cloned()
        .partition(|call| call.is_compiler_inserted())
}

/// One line for a call.
pub(crate) fn row(call: &Call<'_>) -> String {
    let style = colour(call.route());
    let mut row = format!(
        "{:>10}  {style}{:<10}{style:#}  {} -> {}",
        format!("{:#x}", call.at()),
        call.route(),
        call.from().name(),
        call.to().as_deref().unwrap_or("?")
    );
    if call.tail() {
        row.push_str(", tail");
    }
    if let Some(count @ 2..) = call.instructions() {
        let _ = write!(row, ", {count} instructions");
    }
    let via = call.via();
    if !via.is_empty() {
        let _ = write!(row, ", via {}", via.join(", "));
    }
    row.push('\n');
    row
}

/// How many calls, how many bare, and by which routes.
#[derive(Serialize)]
pub(crate) struct Count {
    calls: usize,
    bare: usize,
    routes: BTreeMap<&'static str, usize>,
}

impl Count {
    pub(crate) fn of(calls: &[Call<'_>]) -> Self {
        let mut routes = BTreeMap::from(Route::ALL.map(|route| (route.as_str(), 0)));
        for call in calls {
            *routes.entry(call.route().as_str()).or_default() += 1;
        }
        Self {
            calls: calls.len(),
            bare: calls.iter().filter(|call| call.route().is_bare()).count(),
            routes,
        }
    }

    /// `12 calls into C: 10 bare (4 direct, 6 got); 2 plt`.
    pub(crate) fn text(&self, noun: &str) -> String {
        let part = |bare: bool| -> Vec<String> {
            Route::ALL
                .iter()
                .filter(|route| route.is_bare() == bare)
                .map(|route| (self.routes[route.as_str()], route))
                .filter(|(count, _)| *count > 0)
                .map(|(count, route)| painted(colour(*route), format_args!("{count} {route}")))
                .collect()
        };
        let mut text = counted(self.calls, noun);
        if self.calls > 0 {
            let _ = write!(text, ": {} bare", self.bare);
        }
        if self.bare > 0 {
            let _ = write!(text, " ({})", part(true).join(", "));
        }
        if self.bare < self.calls {
            let _ = write!(text, "; {}", part(false).join(", "));
        }
        text
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    /// Of barecall.
    version: &'static str,
    file: String,
    summary: Summary,
    calls: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    ours: Count,
    compiler_inserted: Count,
    anywhere: usize,
}

/// The document of an image.
pub(crate) fn json(image: &Image, selected: &Selected<'_>) -> Result<String, Failure> {
    let (inserted, ours) = groups(&selected.calls);
    record::line(&Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        file: image.path().display().to_string(),
        summary: Summary {
            ours: Count::of(&ours),
            compiler_inserted: Count::of(&inserted),
            anywhere: selected.anywhere,
        },
        calls: selected.calls.iter().map(Record::of).collect(),
    })
}
