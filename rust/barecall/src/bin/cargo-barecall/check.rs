//! `cargo barecall check`: whether any call takes a route that is denied.

use std::fmt::Write as _;

use barecall::{Call, Image, Route};
use serde::Serialize;

use crate::calls::{Count, groups};
use crate::images::Images;
use crate::record::{self, Line, Record, SCHEMA};
use crate::selection::{Selected, Selection};
use crate::{BOLD, Failure, Format, GREEN, Outcome, RED, counted, painted, progress};

/// Check that no call into C takes a denied route; exit code 1, with evidence, if one does.
///
/// Not checked, but counted: calls that the compiler inserted (`memcpy`, `_Unwind_Resume`, which rustc lets go
/// through a PLT), unless --to or --all takes them in; and calls that may lead anywhere (through a pointer, or
/// undecided), unless --from names their callers, or with --all. A selection that no call fits was not checked, and
/// fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall check --release
  cargo barecall check --release --from '^my_crate::' --deny plt,thunk,unresolved
  cargo barecall check --file target/release/my --allow malloc --allow free

JSON, one line for each image:
  {\"schema\":1,\"file\",\"deny\":[…],\"allow\":[…],\"checked\",\"holds\",\"denied\":[{\"call\":{…as in calls…},
   \"expected\":[ROUTE,…],\"listing\":[{\"at\",\"bytes\",\"text\",\"call\"}],\"remedy\",\"costs\",\"next\"}],\"compiler_inserted\":{…},\"anywhere\"}")]
pub(crate) struct Args {
    #[command(flatten)]
    images: Images,
    #[command(flatten, next_help_heading = "Calls")]
    selection: Selection,
    /// Routes that no call may take
    #[arg(
        long,
        value_name = "ROUTE",
        value_delimiter = ',',
        default_value = "plt,thunk,pointer,unresolved"
    )]
    deny: Vec<Route>,
    /// Symbols that may be called by any route
    #[arg(long, value_name = "SYMBOL", value_delimiter = ',')]
    allow: Vec<String>,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// As many calls are shown with their listing; of the rest, there is a count.
const SHOWN: usize = 5;
/// The page that says of each remedy what it does, and what it costs.
const REMEDIES: &str = "https://docs.rs/barecall/latest/barecall/remedies/";
/// Instructions on either side of a call.
const CONTEXT: usize = 4;

impl Args {
    /// Checks them.
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let images = self.images.open()?;
        let mut text = String::new();
        let mut holds = true;
        let mut checked = 0;
        for image in &images {
            let mut selected = self.selection.of(image, progress::calls(image));
            let mut inserted = Vec::new();
            if !self.selection.takes_inserted() {
                (inserted, selected.calls) = groups(&selected.calls);
            }
            let denied: Vec<_> = selected
                .calls
                .iter()
                .filter(|call| self.denies(call))
                .collect();
            checked += selected.calls.len();
            holds &= denied.is_empty();
            match self.format {
                Format::Text => text.push_str(&self.text(image, &selected, &inserted, &denied)),
                Format::Json => text.push_str(&self.json(image, &selected, &inserted, &denied)?),
            }
        }
        // A misspelt name must not pass for a proof.
        if checked == 0 && self.selection.is_narrowed() {
            holds = false;
            if self.format == Format::Text {
                let _ = writeln!(
                    text,
                    "{}: no call fits --from and --to, so nothing was checked\n  next      cargo barecall calls --all …",
                    painted(RED, "not checked")
                );
            }
        }
        Ok(Outcome { text, holds })
    }

    fn denies(&self, call: &Call<'_>) -> bool {
        let allowed = |symbol: &String| {
            call.reaches(symbol) || call.callee_mangled().contains(&symbol.as_str())
        };
        self.deny.contains(&call.route()) && !self.allow.iter().any(allowed)
    }

    /// The routes that are not denied.
    fn expected(&self) -> Vec<&'static str> {
        let left = Route::ALL.iter().filter(|route| !self.deny.contains(route));
        left.map(|route| route.as_str()).collect()
    }

    fn text(
        &self,
        image: &Image,
        selected: &Selected<'_>,
        inserted: &[Call<'_>],
        denied: &[&Call<'_>],
    ) -> String {
        let count = counted(selected.calls.len(), self.selection.noun());
        let file = painted(BOLD, image.path().display());
        let deny: Vec<_> = self.deny.iter().map(|route| route.as_str()).collect();
        let mut text = if denied.is_empty() {
            let ok = painted(GREEN, "holds");
            format!("{file}: {ok}: {count}, none by {}\n", deny.join(", "))
        } else {
            let no = painted(RED, "does not hold");
            format!(
                "{file}: {no}: {} of {count} by {}\n",
                denied.len(),
                deny.join(", ")
            )
        };
        // Writing to a String cannot fail.
        if !inserted.is_empty() {
            let count = Count::of(inserted).text("calls that the compiler inserted");
            let _ = writeln!(text, "  not checked: {count}; --all checks them");
        }
        if selected.anywhere > 0 {
            let _ = writeln!(
                text,
                "  not checked: {} calls that may lead anywhere, through a pointer or undecided; --from FUNCTION \
                 checks that function's",
                selected.anywhere
            );
        }
        for call in denied.iter().take(SHOWN) {
            text.push('\n');
            text.push_str(&self.evidence(call));
        }
        if denied.len() > SHOWN {
            let _ = writeln!(
                text,
                "\nand {} more: --format json has them all",
                denied.len() - SHOWN
            );
        }
        text
    }

    fn evidence(&self, call: &Call<'_>) -> String {
        let to = call.to();
        let listing = call.from().listing().excerpt(&[call.at()], CONTEXT);
        let mut shown = String::new();
        for line in listing.lines() {
            if line.starts_with(" >") {
                let _ = writeln!(shown, "{}", painted(RED, line));
            } else {
                let _ = writeln!(shown, "{line}");
            }
        }
        format!(
            "{}\n  expected  {}\n  found     {call}\n\n{shown}\n  remedy    {}\n  costs     {REMEDIES}\n  next      {}\n",
            painted(
                BOLD,
                format_args!("{} -> {}", call.from().name(), to.as_deref().unwrap_or("?"))
            ),
            self.expected().join(", "),
            remedy(call.route()),
            next(call),
        )
    }

    fn json(
        &self,
        image: &Image,
        selected: &Selected<'_>,
        inserted: &[Call<'_>],
        denied: &[&Call<'_>],
    ) -> Result<String, Failure> {
        let denied: Vec<_> = denied
            .iter()
            .map(|call| Denied {
                call: Record::of(call),
                expected: self.expected(),
                listing: call
                    .from()
                    .listing()
                    .instructions()
                    .iter()
                    .map(Line::of)
                    .collect(),
                remedy: remedy(call.route()),
                costs: REMEDIES,
                next: next(call),
            })
            .collect();
        record::line(&Document {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            file: image.path().display().to_string(),
            deny: self.deny.iter().map(|route| route.as_str()).collect(),
            allow: &self.allow,
            checked: selected.calls.len(),
            holds: denied.is_empty()
                && !(selected.calls.is_empty() && self.selection.is_narrowed()),
            denied,
            compiler_inserted: Count::of(inserted),
            anywhere: selected.anywhere,
        })
    }
}

/// What makes such a call bare.
const fn remedy(route: Route) -> &'static str {
    match route {
        Route::Plt => {
            "link position-independent code (not -C relocation-model=static), or the library statically \
             (for libc: -C target-feature=+crt-static); C callers: -fno-plt"
        }
        Route::Thunk => "call the symbol itself, or --allow it",
        Route::Pointer => {
            "call the function by its name; where a pointer is meant, leave pointer out of --deny"
        }
        Route::Unresolved => {
            "the image alone does not tell; cargo barecall walk records the call as it runs"
        }
        Route::Direct | Route::Got | Route::Register => "none needed: this route is bare",
    }
}

fn next(call: &Call<'_>) -> String {
    let from = call.from();
    format!(
        "cargo barecall show --file {} {}",
        barecall::quoted(&from.image().path().to_string_lossy()),
        barecall::quoted(from.mangled().unwrap_or(&from.name()))
    )
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    /// Of barecall.
    version: &'static str,
    file: String,
    deny: Vec<&'static str>,
    allow: &'a [String],
    checked: usize,
    holds: bool,
    denied: Vec<Denied<'a>>,
    compiler_inserted: Count,
    anywhere: usize,
}

#[derive(Serialize)]
struct Denied<'a> {
    call: Record<'a>,
    expected: Vec<&'static str>,
    listing: Vec<Line<'a>>,
    remedy: &'static str,
    costs: &'static str,
    next: String,
}
