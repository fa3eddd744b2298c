//! `cargo barecall calls`: every call's route.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use barecall::{Call, Image, Route};
use serde::Serialize;

use crate::images::Images;
use crate::record;
use crate::selection::Selection;
use crate::{BOLD, Document, Failure, Format, Outcome, colour, counted, painted};

/// List calls into C, with the route of each.
///
/// A call into C is one whose caller is a Rust function (or has no name) and whose callee is a symbol that rustc
/// did not mangle. In an image without any Rust symbol, all calls to symbols are listed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall calls                                inspect what `cargo build` builds
  cargo barecall calls --release --example puts --from '^puts::'
  cargo barecall calls --file target/release/libmy.so --to '^sqlite3_'
  cargo barecall calls --release --format json | jq '.calls[] | select(.bare | not)'

JSON, one line per image:
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
            if !text.is_empty() && self.format == Format::Text {
                text.push('\n');
            }
            let calls = ImageCalls::of(image, &self.selection);
            text.push_str(&self.format.render(&calls)?);
        }
        Ok(Outcome { text, holds: true })
    }
}

/// The calls of an image that are meant.
#[derive(Serialize)]
pub(crate) struct ImageCalls<'a> {
    pub(crate) file: String,
    pub(crate) summary: Summary,
    #[serde(serialize_with = "record::calls")]
    pub(crate) calls: Vec<Call<'a>>,
    #[serde(skip)]
    noun: &'static str,
}

/// How many calls there are of each kind.
#[derive(Serialize)]
pub(crate) struct Summary {
    #[serde(flatten)]
    pub(crate) ours: Count,
    pub(crate) compiler_inserted: Count,
    /// Calls that may lead anywhere, and were left out.
    pub(crate) anywhere: usize,
}

impl<'a> ImageCalls<'a> {
    pub(crate) fn of(image: &'a Image, selection: &Selection) -> Self {
        let selected = selection.of(image);
        let calls = selected.calls;
        let by_compiler = |call: &&Call<'_>| call.is_compiler_inserted();
        Self {
            file: image.path().display().to_string(),
            summary: Summary {
                ours: Count::of(calls.iter().filter(|call| !by_compiler(call))),
                compiler_inserted: Count::of(calls.iter().filter(by_compiler)),
                anywhere: selected.anywhere,
            },
            calls,
            noun: selection.noun(),
        }
    }

    /// `12 calls into C`.
    pub(crate) fn headline(&self) -> String {
        counted(self.summary.ours.calls, self.noun)
    }
}

impl Document for ImageCalls<'_> {
    fn text(&self) -> String {
        let Summary {
            ours,
            compiler_inserted: inserted,
            anywhere,
        } = &self.summary;
        let file = painted(BOLD, &self.file);
        let mut text = format!("{file}: {}\n", ours.text(self.noun));
        // Writing to a String cannot fail.
        if inserted.calls > 0 {
            let count = inserted.text("calls that the compiler inserted");
            let _ = writeln!(text, "  besides, {count}");
        }
        if *anywhere > 0 {
            let _ = writeln!(
                text,
                "  besides, {anywhere} calls that may lead anywhere, through a pointer or undecided: --from FUNCTION \
                 or --all lists them"
            );
        }
        for (head, count, by_compiler) in [
            ("", ours, false),
            ("Inserted by the compiler:\n", inserted, true),
        ] {
            if count.calls > 0 {
                let _ = write!(text, "\n{head}");
            }
            let calls = self.calls.iter();
            for call in calls.filter(|call| call.is_compiler_inserted() == by_compiler) {
                text.push_str(&row(call));
            }
        }
        text
    }
}

/// One line for a call.
fn row(call: &Call<'_>) -> String {
    let (at, route, from) = (
        format!("{:#x}", call.at()),
        call.route(),
        call.from().name(),
    );
    let to = call.to();
    let (to, style) = (to.as_deref().unwrap_or("?"), colour(route));
    format!(
        "{at:>10}  {style}{route:<10}{style:#}  {from} -> {to}{}\n",
        details(call)
    )
}

/// What there is to say of a call beside its route and its ends: `, tail, 2 instructions, via planted`.
pub(crate) fn details(call: &Call<'_>) -> String {
    let mut details = String::new();
    if call.tail() {
        details.push_str(", tail");
    }
    // Writing to a String cannot fail.
    if let Some(count @ 2..) = call.instructions() {
        let _ = write!(details, ", {count} instructions");
    }
    let via = call.via();
    if !via.is_empty() {
        let _ = write!(details, ", via {}", via.join(", "));
    }
    details
}

/// How many calls, how many bare, and by which routes.
#[derive(Serialize)]
pub(crate) struct Count {
    pub(crate) calls: usize,
    pub(crate) bare: usize,
    pub(crate) routes: BTreeMap<&'static str, usize>,
}

impl Count {
    pub(crate) fn of<'a, 'i: 'a>(calls: impl Iterator<Item = &'a Call<'i>>) -> Self {
        let (mut count, mut bare) = (0, 0);
        let mut routes = BTreeMap::from(Route::ALL.map(|route| (route.as_str(), 0)));
        for call in calls {
            let route = call.route();
            count += 1;
            bare += usize::from(route.is_bare());
            *routes.entry(route.as_str()).or_default() += 1;
        }
        Self {
            calls: count,
            bare,
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
