//! The outputs: each is rendered from a [`Report`](crate::report::Report) alone, and opens, walks and reads nothing.

pub mod charts;
pub mod citation;
pub mod html;
pub mod markdown;
pub mod picture;
pub mod side_by_side;
pub mod text;

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

use crate::baseline::Record;
use crate::report::facts::Facts;

/// The documents that are generated from what is on file, from the root of the repository.
#[must_use]
pub fn documents(records: &[Record<Facts>]) -> Vec<(&'static str, String)> {
    vec![
        ("EVIDENCE.md", markdown::evidence(records)),
        ("docs/ladder.svg", picture::svg_of(records)),
    ]
}

/// A statement as a sentence: with a capital and a full stop.
pub(crate) fn sentence(statement: &str) -> String {
    let mut chars = statement.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

/// Prose in lines of at most `width` characters: the first behind one prefix, the others behind another.
pub(crate) fn wrapped(width: usize, text: &str, first: &str, rest: &str) -> String {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    let words: Vec<&str> = text.split_whitespace().collect();
    textwrap::fill(&words.join(" "), options) + "\n"
}
