//! `cargo barecall check`: fails if a call takes a denied route.

use std::fmt::Write as _;

use barecall::{Call, Function, Image, Route};
use serde::Serialize;

use crate::calls::Count;
use crate::images::Images;
use crate::record;
use crate::selection::Selection;
use crate::{BOLD, Document, Failure, Format, GREEN, Outcome, RED, counted, painted};

/// Check that no call into C takes a denied route. If one does, exit with 1 and print evidence.
///
/// Two groups are counted but not checked: calls that the compiler inserted (`memcpy`, `_Unwind_Resume`, which rustc
/// calls through a PLT), unless --to or --all includes them; and calls that may lead anywhere (through a pointer, or
/// undecided), unless --from names their callers or --all is given. The check fails if no call matches the selection.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo barecall check --release
  cargo barecall check --release --from '^my_crate::' --deny plt,thunk,unresolved
  cargo barecall check --file target/release/my --allow malloc --allow free

JSON, one line per image:
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
            let found = self.check(image);
            checked += found.checked;
            holds &= found.denied.is_empty();
            text.push_str(&self.format.render(&found)?);
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

    fn check<'a>(&'a self, image: &'a Image) -> Findings<'a> {
        let selected = self.selection.of(image);
        let all = self.selection.takes_inserted();
        let (calls, inserted): (Vec<_>, Vec<_>) = selected
            .calls
            .into_iter()
            .partition(|call| all || !call.is_compiler_inserted());
        let checked = calls.len();
        let expected = Route::ALL.iter().filter(|route| !self.deny.contains(route));
        let expected: Vec<_> = expected.map(|route| route.as_str()).collect();
        let denied: Vec<_> = calls
            .into_iter()
            .filter(|call| self.denies(call))
            .map(|call| Denied::of(call, &expected))
            .collect();
        Findings {
            file: image.path().display().to_string(),
            deny: self.deny.iter().map(|route| route.as_str()).collect(),
            allow: &self.allow,
            checked,
            holds: denied.is_empty() && (checked > 0 || !self.selection.is_narrowed()),
            denied,
            compiler_inserted: Count::of(inserted.iter()),
            anywhere: selected.anywhere,
            noun: self.selection.noun(),
        }
    }

    fn denies(&self, call: &Call<'_>) -> bool {
        let allowed = |symbol: &String| {
            call.reaches(symbol) || call.callee_mangled().contains(&symbol.as_str())
        };
        self.deny.contains(&call.route()) && !self.allow.iter().any(allowed)
    }
}

/// What was found in an image.
#[derive(Serialize)]
struct Findings<'a> {
    file: String,
    deny: Vec<&'static str>,
    allow: &'a [String],
    checked: usize,
    holds: bool,
    denied: Vec<Denied<'a>>,
    compiler_inserted: Count,
    anywhere: usize,
    #[serde(skip)]
    noun: &'static str,
}

/// A call by a route that is denied.
#[derive(Serialize)]
struct Denied<'a> {
    #[serde(serialize_with = "record::call")]
    call: Call<'a>,
    expected: Vec<&'static str>,
    #[serde(rename = "listing", serialize_with = "record::listing")]
    from: Function<'a>,
    remedy: &'static str,
    costs: &'static str,
    next: String,
}

impl<'a> Denied<'a> {
    fn of(call: Call<'a>, expected: &[&'static str]) -> Self {
        let from = call.from();
        Self {
            expected: expected.to_vec(),
            remedy: remedy(call.route()),
            costs: REMEDIES,
            next: format!(
                "cargo barecall show --file {} {}",
                barecall::quoted(&from.image().path().to_string_lossy()),
                barecall::quoted(from.mangled().unwrap_or(&from.name()))
            ),
            call,
            from,
        }
    }

    fn text(&self) -> String {
        let call = &self.call;
        let to = call.to();
        let mut shown = String::new();
        for line in self.from.listing().excerpt(&[call.at()], CONTEXT).lines() {
            let marked = line.starts_with(" >");
            shown += &if marked {
                painted(RED, line)
            } else {
                line.to_owned()
            };
            shown.push('\n');
        }
        let ends = format!("{} -> {}", self.from.name(), to.as_deref().unwrap_or("?"));
        format!(
            "{}\n  expected  {}\n  found     {call}\n\n{shown}\n  remedy    {}\n  costs     {}\n  next      {}\n",
            painted(BOLD, ends),
            self.expected.join(", "),
            self.remedy,
            self.costs,
            self.next,
        )
    }
}

impl Document for Findings<'_> {
    fn text(&self) -> String {
        let count = counted(self.checked, self.noun);
        let file = painted(BOLD, &self.file);
        let (denied, deny) = (self.denied.len(), self.deny.join(", "));
        let mut text = if denied == 0 {
            let ok = painted(GREEN, "holds");
            format!("{file}: {ok}: {count}, none by {deny}\n")
        } else {
            let no = painted(RED, "does not hold");
            format!("{file}: {no}: {denied} of {count} by {deny}\n")
        };
        // Writing to a String cannot fail.
        if self.compiler_inserted.calls > 0 {
            let count = &self.compiler_inserted;
            let count = count.text("calls that the compiler inserted");
            let _ = writeln!(text, "  not checked: {count}; --all checks them");
        }
        if self.anywhere > 0 {
            let _ = writeln!(
                text,
                "  not checked: {} calls that may lead anywhere, through a pointer or undecided; --from FUNCTION \
                 checks that function's",
                self.anywhere
            );
        }
        for call in self.denied.iter().take(SHOWN) {
            text.push('\n');
            text.push_str(&call.text());
        }
        if denied > SHOWN {
            let more = denied - SHOWN;
            let _ = writeln!(text, "\nand {more} more: --format json has them all");
        }
        text
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
