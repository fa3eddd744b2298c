//! The report: a folder with one page to look at and to link to, and the JSON it is made from.
//!
//! The page says nothing that is not in the JSON beside it.

mod chart;
#[cfg(test)]
pub mod fixture;
pub mod folder;
mod highlight;
pub mod ladder;
mod layout;
mod listing;
mod number;
mod page;
mod prose;
mod section;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use folder::Error;

use crate::Toolchain;
use crate::claim::Claim;
use crate::image_under_test::ImageUnderTest;
use crate::render::show::Full;
use ladder::Rung;

/// All the evidence: `data.json`.
#[derive(Serialize)]
pub struct Report<'a> {
    schema: u32,
    /// What marks the folder as one that may be replaced.
    generator: &'static str,
    version: &'static str,
    date: String,
    toolchain: Toolchain,
    /// The same call in each language, for the picture at the top.
    ladder: Vec<Rung<'a>>,
    claims: Vec<Full<'a>>,
}

impl<'a> Report<'a> {
    fn of(subject: &ImageUnderTest, claims: &'a [Claim]) -> Self {
        Self {
            schema: 1,
            generator: folder::GENERATOR,
            version: env!("CARGO_PKG_VERSION"),
            date: crate::today(),
            toolchain: Toolchain::of(subject),
            ladder: ladder::pick(claims),
            claims: claims
                .iter()
                .map(|claim| Full::of(subject, claim))
                .collect(),
        }
    }
}

/// Writes the folder, and says where its page is. An earlier report there is replaced, all at once.
///
/// # Errors
/// When the folder holds anything else, or cannot be written.
pub fn write(folder: &Path, subject: &ImageUnderTest, claims: &[Claim]) -> Result<PathBuf, Error> {
    put(folder, &Report::of(subject, claims))
}

fn put(folder: &Path, report: &Report<'_>) -> Result<PathBuf, Error> {
    let mut files = vec![
        ("index.html".to_owned(), page::html(report)),
        ("data.json".to_owned(), json(report)?),
    ];
    for full in &report.claims {
        files.push((
            format!("{}/{}.json", folder::CLAIMS, full.claim.id),
            json(full)?,
        ));
    }
    folder::replace(folder, &files)?;
    Ok(folder.join("index.html"))
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use testkit::browser;

    use super::*;
    use crate::render::cite::Citation;

    /// A claim with all that a claim can have, and HTML in all of it: nothing breaks out, and every mark is drawn.
    #[test]
    #[ignore = "slow: starts a browser"]
    fn a_hostile_claim_in_a_browser() {
        let claims = [fixture::claim()];
        let report = Report {
            schema: 1,
            generator: folder::GENERATOR,
            version: env!("CARGO_PKG_VERSION"),
            date: "2024-10-30".into(),
            toolchain: Toolchain {
                made_by: vec!["<b>a compiler</b>".into()],
                target: "x86_64-linux".into(),
            },
            ladder: ladder::pick(&claims),
            claims: claims
                .iter()
                .map(|claim| Full::with(claim, Citation::of(claim), fixture::exhibits()))
                .collect(),
        };
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), &report).expect("it is written");
        let screenshots = std::env::temp_dir().join("zero-cost-ffi-screenshots");
        browser::check(folder.path(), &screenshots, browser::Plants::With);
    }

    /// Where nothing could be walked there is no ladder, and the page says so.
    #[test]
    fn without_walks_it_is_said() {
        let mut claim = fixture::claim();
        claim.walks.clear();
        let report = Report {
            schema: 1,
            generator: folder::GENERATOR,
            version: "0",
            date: String::new(),
            toolchain: Toolchain {
                made_by: Vec::new(),
                target: String::new(),
            },
            ladder: ladder::pick(std::slice::from_ref(&claim)),
            claims: vec![Full::with(&claim, Citation::of(&claim), Vec::new())],
        };
        let page = page::html(&report);
        assert!(
            page.contains("No call could be walked here") && page.contains("Missing: go"),
            "{page}"
        );
    }
}
