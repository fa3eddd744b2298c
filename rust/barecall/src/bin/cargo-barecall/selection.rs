//! Selects calls: those into C, unless the user asks for others.

use barecall::{Call, Image, Route, is_rust};
use regex::Regex;

use crate::progress;

/// Which calls.
#[derive(Debug, clap::Args)]
pub(crate) struct Selection {
    /// Select only calls from functions whose name (demangled or mangled) matches, including calls that may lead
    /// anywhere
    #[arg(long, value_name = "REGEX")]
    from: Option<Regex>,
    /// Select only calls to symbols whose name matches
    #[arg(long, value_name = "REGEX")]
    to: Option<Regex>,
    /// Select every call, not only calls from Rust into C
    #[arg(long)]
    all: bool,
}

/// The calls of an image that are meant.
pub(crate) struct Selected<'a> {
    pub(crate) calls: Vec<Call<'a>>,
    /// Calls of Rust's that may lead anywhere, C included, and were left out.
    pub(crate) anywhere: usize,
}

/// What every call from Go into C goes through.
const CGO: &str = "runtime.cgocall";

impl Selection {
    /// Whether it was narrowed, so that finding nothing is a surprise.
    pub(crate) const fn is_narrowed(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }

    /// Whether calls that the compiler inserted were asked for.
    pub(crate) const fn takes_inserted(&self) -> bool {
        self.all || self.to.is_some()
    }

    /// What the calls are called.
    pub(crate) const fn noun(&self) -> &'static str {
        if self.all { "calls" } else { "calls into C" }
    }

    /// Takes the calls that are meant, in the order of their addresses.
    pub(crate) fn of<'a>(&self, image: &'a Image) -> Selected<'a> {
        let has = |known: fn(&str) -> bool| {
            image
                .functions()
                .any(|function| function.mangled().is_some_and(known))
        };
        let has_rust = has(is_rust);
        // Go's names are no guide, but its calls into C all go one way.
        let has_cgo = !has_rust && has(|name| name == CGO);
        let mut selected = Selected {
            calls: Vec::new(),
            anywhere: 0,
        };
        for call in progress::calls(image) {
            let from = call.from();
            let ours = self.all || !has_rust || from.mangled().is_none_or(is_rust);
            if !ours || !self.fits_from(&call) {
                continue;
            }
            if has_cgo && !self.all && !call.via().iter().any(|via| via == CGO) {
                continue;
            }
            let callee = call.callee_mangled();
            let unknown = matches!(call.route(), Route::Pointer | Route::Unresolved);
            if self.all || callee.iter().any(|name| !has_rust || !is_rust(name)) {
                if self.fits_to(&call) {
                    selected.calls.push(call);
                }
            } else if unknown {
                if self.from.is_some() && self.to.is_none() {
                    selected.calls.push(call);
                } else {
                    selected.anywhere += 1;
                }
            }
        }
        selected
    }

    fn fits_from(&self, call: &Call<'_>) -> bool {
        self.from.as_ref().is_none_or(|regex| {
            let from = call.from();
            regex.is_match(&from.name()) || from.mangled().is_some_and(|name| regex.is_match(name))
        })
    }

    fn fits_to(&self, call: &Call<'_>) -> bool {
        self.to.as_ref().is_none_or(|regex| {
            let mangled = call.to_mangled().into_iter().chain(call.callee_mangled());
            call.to().is_some_and(|name| regex.is_match(&name))
                || mangled.into_iter().any(|name| regex.is_match(name))
        })
    }
}
