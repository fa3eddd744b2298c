//! A claim as one cites it: in a sentence, for a bibliography, and for a discussion.
//!
//! Each names the claim and the version: from these two a reader gets to the same verdict by one command.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::sentence;
use crate::report::{Claim, PROJECT, Report};

/// Who made it, as CITATION.cff has it.
pub const AUTHORS: &str = "The zero-cost-ffi contributors";
/// What a repository's address would be added to, once there is one.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Three forms of the same citation.
#[derive(Clone, Debug, Serialize)]
pub struct Citation {
    /// One line.
    pub plain: String,
    /// An entry for a bibliography.
    pub bibtex: String,
    /// For a discussion: with verdict, conditions and what was found.
    pub markdown: String,
}

/// What `cite` prints as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    /// The number of this shape.
    schema: u32,
    version: String,
    date: String,
    /// The claim.
    id: String,
    /// Its citation.
    pub citation: Citation,
}

impl Document {
    /// The citation of a claim of this report.
    #[must_use]
    pub fn of(report: &Report, claim: &Claim) -> Self {
        Self {
            schema: 1,
            version: report.version.clone(),
            date: report.date.clone(),
            id: claim.id.clone(),
            citation: Citation::of(report, claim),
        }
    }
}

impl Citation {
    /// Cites a claim as of the report's day and version.
    #[must_use]
    pub fn of(report: &Report, claim: &Claim) -> Self {
        let (version, date) = (&report.version, &report.date);
        Self {
            plain: plain(claim, version, date),
            bibtex: bibtex(claim, version, date),
            markdown: markdown(claim, version, date),
        }
    }
}

/// What `cite` prints.
impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let markdown = self.markdown.trim_end();
        write!(f, "{}\n\n{}\n{markdown}", self.plain, self.bibtex)
    }
}

fn address() -> String {
    if REPOSITORY.is_empty() {
        String::new()
    } else {
        format!(" {REPOSITORY}.")
    }
}

fn plain(claim: &Claim, version: &str, date: &str) -> String {
    format!(
        "{AUTHORS}. {PROJECT} {version}, claim {}: \"{}\" Verdict: {} ({date}).{} Check: {}",
        claim.id,
        sentence(&claim.statement),
        claim.verdict.as_str(),
        address(),
        claim.reproduce
    )
}

fn bibtex(claim: &Claim, version: &str, date: &str) -> String {
    let year = date.split('-').next().unwrap_or(date);
    let mut entry = format!(
        "@misc{{{PROJECT}:{id},\n  author       = {{{{{AUTHORS}}}}},\n  title        = {{{{{title}}}}},\n  \
         howpublished = {{{PROJECT} {version}, claim \\texttt{{{id}}}}},\n",
        id = claim.id,
        title = tex(&claim.statement),
    );
    if !REPOSITORY.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(entry, "  url          = {{{REPOSITORY}}},");
    }
    let _ = write!(
        entry,
        "  year         = {{{year}}},\n  note         = {{Verdict on {date}: {}. Check: \\texttt{{{}}}}},\n}}\n",
        claim.verdict.as_str(),
        tex(&claim.reproduce).replace("--", "-{}-")
    );
    entry
}

fn markdown(claim: &Claim, version: &str, date: &str) -> String {
    let mut text = format!(
        "**{}** ({PROJECT} {version}, claim `{}`): **{}**, {date}.\n\n",
        sentence(&claim.statement),
        claim.id,
        claim.verdict.as_str()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "- Found, {}: {}",
        claim.evidence.as_str(),
        claim.found
    );
    for condition in &claim.conditions {
        let _ = writeln!(text, "- Condition: {condition}");
    }
    for finding in &claim.findings {
        let _ = writeln!(text, "- Against it: {}", finding.replace('\n', "\n  "));
    }
    let _ = writeln!(
        text,
        "- The talk ({}), {}: \u{201c}{}\u{201d}",
        claim.talk.from,
        claim.talk.assessment.as_str(),
        claim.talk.quote
    );
    let made_by = ["made by", "compiler"]
        .iter()
        .find_map(|name| claim.provenance.get(*name));
    if let Some(made_by) = made_by {
        let _ = writeln!(text, "- Made by: {made_by}");
    }
    let _ = writeln!(text, "- Check it: `{}`", claim.reproduce);
    text
}

/// Escapes what TeX takes for its own.
fn tex(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(char);
            }
            _ => escaped.push(char),
        }
    }
    escaped
}
