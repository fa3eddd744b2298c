//! The judge: checks every claim of this workspace by running code, and renders what it found.
//!
//! `cargo run --release` runs it on its own image. What it does, in this order:
//!
//! | module | what it is |
//! | --- | --- |
//! | [`cli`] | what was asked |
//! | [`image_under_test`] | the running program's own image, with the exhibits found in it |
//! | [`claims`] | the claims, one file each |
//! | [`scenario`], [`measure`], [`go`] | what their checks run, and what is counted of it |
//! | [`evaluation`] | what a check counts, and the verdict it comes to |
//! | [`report`] | everything that was found: the model of every output |
//! | [`baseline`] | the evidence on file, which a run is compared with |
//! | [`render`] | the outputs: each from the report alone |

#![allow(
    missing_docs,
    reason = "a library for this package's own program and tests: the model is documented, in report/"
)]

pub mod baseline;
pub mod claims;
pub mod cli;
pub mod evaluation;
pub mod go;
pub mod image_under_test;
pub mod measure;
pub mod render;
pub mod report;
pub mod scenario;

use baseline::snapshot;
use evaluation::{Context, Spec};
use report::headline::{Ladder, headline};
use report::{Claim, PROJECT, Report, SCHEMA, Toolchain};

/// Checks claims, and reports all that was found. `decided` is told of each as soon as it is checked.
pub fn judge(context: &Context, specs: &[&Spec], mut decided: impl FnMut(&Claim)) -> Report {
    let image = &context.image;
    let (mut claims, mut code) = (Vec::new(), Vec::new());
    for spec in specs {
        let mut claim = (spec.check)(context);
        claim.shows = measure::code::names(spec.shows);
        claim.listing = claim.shows.first().and_then(|name| snapshot::of(name));
        measure::code::add(&mut code, image, spec.shows);
        decided(&claim);
        claims.push(claim);
    }
    let walks = claims.iter().flat_map(|claim: &Claim| &claim.walks);
    let ladders: Vec<Ladder<'_>> = walks.map(Ladder::from).collect();
    Report {
        schema: SCHEMA,
        generator: PROJECT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: today(),
        toolchain: Toolchain {
            image: image.image.path().display().to_string(),
            made_by: image.image.producers().to_vec(),
            target: image_under_test::target(),
        },
        exhibits: measure::code::exhibits(image),
        controls: measure::code::controls(image),
        headline: headline(&ladders),
        claims,
        code,
    }
}

/// Today, in UTC: `2026-11-24`.
#[must_use]
pub fn today() -> String {
    time::UtcDateTime::now().date().to_string()
}

/// The test program as the child that the tests start.
#[cfg(test)]
#[test]
fn scenario() {
    if let Some(ran) = scenario::child::serve() {
        ran.expect("it runs");
    }
}
