//! The page: a folder with one page to look at and to link to, and the JSON it is made from.
//!
//! The page says nothing that is not in the JSON beside it.

mod chart;
pub mod folder;
mod highlight;
mod inline;
mod ladder;
mod layout;
mod listing;
mod page;
mod section;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use folder::Error;
pub use page::html;

use super::citation::Document;
use crate::report::Report;

/// Writes the folder, and says where its page is. An earlier report there is replaced, all at once.
///
/// # Errors
/// When the folder holds anything else, or cannot be written.
pub fn write(folder: &Path, report: &Report) -> Result<PathBuf, Error> {
    let mut files = vec![
        ("index.html".to_owned(), html(report)),
        ("data.json".to_owned(), json(report)?),
    ];
    for claim in &report.claims {
        let (claims, id) = (folder::CLAIMS, &claim.id);
        let citation = json(&Document::of(report, claim))?;
        files.extend([
            (format!("{claims}/{id}.json"), json(&report.only(id))?),
            (format!("{claims}/{id}.cite.json"), citation),
        ]);
    }
    folder::replace(folder, &files)?;
    Ok(folder.join("index.html"))
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}
