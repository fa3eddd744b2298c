//! Rust, C and Go source with its comments, texts and keywords set apart.

use maud::{Markup, html};

const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "case", "char", "const", "continue", "crate", "default",
    "defer", "double", "dyn", "else", "enum", "extern", "fn", "for", "func", "go", "if", "impl",
    "import", "in", "int", "let", "long", "loop", "match", "mod", "move", "mut", "package", "pub",
    "range", "ref", "return", "select", "self", "size_t", "sizeof", "static", "struct", "switch",
    "trait", "type", "typedef", "unsafe", "unsigned", "use", "var", "void", "where", "while",
];

/// What a stretch of source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Comment,
    Text,
    Keyword,
}

/// The source, every character of it.
pub fn source(text: &str) -> Markup {
    html! {
        @for (kind, part) in parts(text) {
            @match kind {
                Kind::Plain => (part),
                Kind::Comment => span.comment { (part) },
                Kind::Text => span.text { (part) },
                Kind::Keyword => span.keyword { (part) },
            }
        }
    }
}

fn parts(text: &str) -> Vec<(Kind, &str)> {
    let mut parts: Vec<(Kind, &str)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (kind, length) = next(rest);
        parts.push((kind, &rest[..length]));
        rest = &rest[length..];
    }
    parts
}

/// What stands first, and how many bytes it has: at least one character.
fn next(rest: &str) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (
            Kind::Comment,
            rest.find("*/").map_or(rest.len(), |at| at + 2),
        );
    }
    if rest.starts_with('"') {
        let mut escaped = false;
        for (at, char) in rest.char_indices().skip(1) {
            match char {
                '"' if !escaped => return (Kind::Text, at + 1),
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        return (Kind::Text, rest.len());
    }
    let word = |char: char| char.is_alphanumeric() || char == '_';
    let length = rest.find(|char| !word(char)).unwrap_or(rest.len());
    if length > 0 {
        let kind = if KEYWORDS.contains(&&rest[..length]) {
            Kind::Keyword
        } else {
            Kind::Plain
        };
        return (kind, length);
    }
    let length = rest.chars().next().map_or(0, char::len_utf8);
    // Up to what could begin something else.
    let more = rest[length..]
        .find(|char: char| word(char) || char == '"' || char == '/')
        .unwrap_or(rest.len() - length);
    (Kind::Plain, length + more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_everything_is_escaped() {
        for text in [
            "fn f() { \"a\\\"<b>\" } // <script>\nlet x = 1 / 2;",
            "/* never closed",
            "\"never closed",
            "ünï → \"ö\" /",
            "",
        ] {
            let joined: String = parts(text).into_iter().map(|(_, part)| part).collect();
            assert_eq!(joined, text);
            assert!(!source(text).into_string().contains("<script>"));
        }
        let kinds = |text| {
            parts(text)
                .into_iter()
                .filter(|(kind, _)| *kind != Kind::Plain)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            kinds("pub fn f(\"x\\\"y\"); // fn"),
            [
                (Kind::Keyword, "pub"),
                (Kind::Keyword, "fn"),
                (Kind::Text, "\"x\\\"y\""),
                (Kind::Comment, "// fn")
            ]
        );
    }
}
