//! The assertion: a function calls these symbols, each by a bare call.

use std::fmt;

use crate::call::{Call, Function};
use crate::route::Route;

impl<'a> Function<'a> {
    /// Checks that this function calls each of `symbols`, as many times as it is listed or more often, and each
    /// time by a bare call. Returns those calls, by address. Its other calls are its own business, unless one is
    /// [`Unresolved`](Route::Unresolved): that might be to any symbol.
    ///
    /// ```
    /// let image = barecall::Image::current()?;
    /// let main = image.function("main")?;
    /// let error = main.bare_calls(&["no_such_symbol"]).unwrap_err();
    /// assert!(error.to_string().contains("no call reaches no_such_symbol"));
    /// # Ok::<(), barecall::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NotBare`], naming each call that takes another route and each symbol that is not reached, or not as often:
    /// a target that only the running program knows is none of `symbols`.
    pub fn bare_calls(&self, symbols: &[&str]) -> Result<Vec<Call<'a>>, NotBare> {
        let calls = self.calls();
        let wanted = |call: &Call<'_>| symbols.iter().any(|symbol| call.reaches(symbol));
        let mut findings = Vec::new();
        let mut offending: Vec<u64> = Vec::new();
        for call in &calls {
            let unresolved = call.route() == Route::Unresolved;
            if unresolved || (wanted(call) && !call.route().is_bare()) {
                let which = if unresolved {
                    "; it might be any call"
                } else {
                    ""
                };
                findings.push(format!("{}{which}", describe(call)));
                offending.push(call.at());
            }
        }
        let reached = |symbol: &str| calls.iter().filter(|call| call.reaches(symbol)).count();
        let mut counted = symbols.to_vec();
        counted.sort_unstable();
        counted.dedup();
        for symbol in counted {
            let times = symbols.iter().filter(|listed| **listed == symbol).count();
            match reached(symbol) {
                0 => {
                    findings.push(format!("no call reaches {symbol}"));
                    suspects(symbol, &calls, &mut findings, &mut offending);
                }
                found if found < times => {
                    findings.push(format!("{found} of {times} calls to {symbol}"));
                }
                _ => {}
            }
        }
        if findings.is_empty() {
            return Ok(calls.into_iter().filter(wanted).collect());
        }
        let listing = self.listing();
        let whole = listing.instructions().len() <= WHOLE;
        Err(NotBare {
            function: self.name(),
            expected: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
            findings,
            listing: listing.excerpt(&offending, if whole { WHOLE } else { CONTEXT }),
            next: format!(
                "cargo barecall show --file {} {}",
                quoted(&self.image().path().to_string_lossy()),
                quoted(self.mangled().unwrap_or(&self.name()))
            ),
        })
    }
}

/// A listing up to this many instructions is shown whole.
const WHOLE: usize = 40;
/// Of a longer one, so many instructions on either side of each call.
const CONTEXT: usize = 6;

/// The calls that may lead to a symbol which none reaches.
fn suspects(
    symbol: &str,
    calls: &[Call<'_>],
    findings: &mut Vec<String>,
    offending: &mut Vec<u64>,
) {
    let before = findings.len();
    for call in calls {
        let calls_it = |next: Function<'_>| next.calls().iter().any(|next| next.reaches(symbol));
        let why = if call.route() == Route::Pointer {
            "it goes wherever the pointer leads"
        } else if call.target().is_some_and(calls_it) {
            "that is code of its own, and calls it"
        } else {
            continue;
        };
        findings.push(format!("{}; {why}", describe(call)));
        offending.push(call.at());
    }
    if findings.len() == before {
        findings.push(match calls.len() {
            0 => "nor anything else: inlined, or optimised out".to_owned(),
            count => format!("its other calls, {count} in all, may lead there"),
        });
        offending.extend(calls.iter().map(Call::at));
    }
}

fn describe(call: &Call<'_>) -> String {
    format!("at {:#x}: {call}", call.at())
}

/// An argument as a shell takes it.
#[doc(hidden)]
#[must_use]
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Why a function's calls are not what was asserted, with the evidence. Printed, it is all of it: what was
/// expected, what was found, the listing with the offending calls marked, and the next command to type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotBare {
    /// The function, by its readable name.
    pub function: String,
    /// The symbols it was to call.
    pub expected: Vec<String>,
    /// What is wrong, one finding each: the call that is not bare, or the symbol that is not called, and what may
    /// lead there instead.
    pub findings: Vec<String>,
    /// The listing, the offending calls behind a `>`.
    pub listing: String,
    /// The command that shows more, as a shell takes it.
    pub next: String,
}

impl fmt::Display for NotBare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbols = self.expected.join(", ");
        writeln!(f, "{}: expected bare calls to {symbols}", self.function)?;
        writeln!(
            f,
            "  expected  1 instruction to its first: direct, got or register"
        )?;
        for (n, finding) in self.findings.iter().enumerate() {
            writeln!(f, "  {:<8}  {finding}", if n == 0 { "found" } else { "" })?;
        }
        writeln!(f, "\n{}", self.listing)?;
        write!(f, "  next      {}", self.next)
    }
}

impl std::error::Error for NotBare {}
