//! A claim as one cites it: in a sentence, for a bibliography, and for a discussion.
//!
//! Each names the claim and the version: from these two a reader gets to the same verdict by one command.

use std::fmt::Write as _;

use serde::Serialize;

use crate::claim::{Claim, Evidence, TALK};

/// The project, as citations name it.
pub const PROJECT: &str = "zero-cost-ffi";
/// Who made it, as CITATION.cff has it.
pub const AUTHORS: &str = "The zero-cost-ffi contributors";
/// What a repository's address would be added to, once there is one.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const VERSION: &str = env!("CARGO_PKG_VERSION");

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

impl Citation {
    /// As of today.
    pub fn of(claim: &Claim) -> Self {
        Self::on(claim, &crate::today())
    }

    fn on(claim: &Claim, date: &str) -> Self {
        Self {
            plain: plain(claim, date),
            bibtex: bibtex(claim, date),
            markdown: markdown(claim, date),
        }
    }
}

fn address() -> String {
    if REPOSITORY.is_empty() {
        String::new()
    } else {
        format!(" {REPOSITORY}.")
    }
}

fn plain(claim: &Claim, date: &str) -> String {
    format!(
        "{AUTHORS}. {PROJECT} {VERSION}, claim {}: \"{}\" Verdict: {} ({date}).{} Check: {}",
        claim.id,
        sentence(claim.says),
        claim.verdict.words(),
        address(),
        command(claim)
    )
}

fn bibtex(claim: &Claim, date: &str) -> String {
    let year = date.split('-').next().unwrap_or(date);
    let mut entry = format!(
        "@misc{{{PROJECT}:{id},\n  author       = {{{{{AUTHORS}}}}},\n  title        = {{{{{title}}}}},\n  \
         howpublished = {{{PROJECT} {VERSION}, claim \\texttt{{{id}}}}},\n",
        id = claim.id,
        title = tex(claim.says),
    );
    if !REPOSITORY.is_empty() {
        // Writing to a String cannot fail.
        let _ = writeln!(entry, "  url          = {{{REPOSITORY}}},");
    }
    let _ = write!(
        entry,
        "  year         = {{{year}}},\n  note         = {{Verdict on {date}: {}. Check: \\texttt{{{}}}}},\n}}\n",
        claim.verdict.words(),
        tex(&command(claim)).replace("--", "-{}-")
    );
    entry
}

fn markdown(claim: &Claim, date: &str) -> String {
    let mut text = format!(
        "**{}** ({PROJECT} {VERSION}, claim `{}`): **{}**, {date}.\n\n",
        sentence(claim.says),
        claim.id,
        claim.verdict.words()
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "- Found, {}: {}", kind(claim.evidence), claim.found);
    for condition in &claim.conditions {
        let _ = writeln!(text, "- Condition: {condition}");
    }
    for finding in &claim.findings {
        let _ = writeln!(text, "- Against it: {}", finding.replace('\n', "\n  "));
    }
    let _ = writeln!(
        text,
        "- The talk ({TALK}), {}: \u{201c}{}\u{201d}",
        claim.talk.assessment.words(),
        claim.talk.quote
    );
    let made_by = ["made by", "compiler"]
        .iter()
        .find_map(|name| claim.provenance.get(name));
    if let Some(made_by) = made_by {
        let _ = writeln!(text, "- Made by: {made_by}");
    }
    let _ = writeln!(text, "- Check it: `{}`", command(claim));
    text
}

/// The one command that leads to the verdict.
pub fn command(claim: &Claim) -> String {
    format!("cargo run --release -- prove {}", claim.id)
}

/// `live` or `recorded`.
pub const fn kind(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Live => "live",
        Evidence::Recorded => "recorded",
    }
}

/// With a capital and a full stop.
pub fn sentence(says: &str) -> String {
    let mut chars = says.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
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

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::render::html::fixture;

    #[test]
    fn each_form_names_claim_version_and_command() {
        let claim = fixture::claim();
        let citation = Citation::on(&claim, "2024-10-30");
        for text in [&citation.plain, &citation.bibtex, &citation.markdown] {
            assert!(text.contains(claim.id) && text.contains(VERSION), "{text}");
            assert!(
                text.contains("2024-10-30") && text.contains(claim.verdict.words()),
                "{text}"
            );
        }
        assert!(
            citation
                .plain
                .ends_with("Check: cargo run --release -- prove hostile-claim")
        );
        assert!(
            citation.bibtex.contains("year         = {2024},\n"),
            "{}",
            citation.bibtex
        );
        assert_eq!(
            citation.bibtex.matches('{').count(),
            citation.bibtex.matches('}').count(),
            "{}",
            citation.bibtex
        );
    }

    #[test]
    fn tex_is_escaped() {
        assert_eq!(
            tex("50 % of a_b & {c}\\"),
            "50 \\% of a\\_b \\& \\{c\\}\\textbackslash{}"
        );
    }
}
