//! Rust, C and Go source with its comments and string literals set apart.

use maud::{Markup, html};

/// The source, every character of it.
pub fn source(text: &str) -> Markup {
    html! {
        @for (class, part) in parts(text) {
            @match class { Some(class) => span class=(class) { (part) }, None => (part) }
        }
    }
}

fn parts(text: &str) -> Vec<(Option<&'static str>, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '/']) {
        let found = &rest[start..];
        let (class, length) = if found.starts_with("//") {
            (Some("comment"), found.find('\n').unwrap_or(found.len()))
        } else if found.starts_with("/*") {
            let end = found.find("*/").map_or(found.len(), |at| at + 2);
            (Some("comment"), end)
        } else if found.starts_with('"') {
            (Some("text"), literal(found))
        } else {
            (None, 1)
        };
        parts.extend([(None, &rest[..start]), (class, &found[..length])]);
        rest = &found[length..];
    }
    parts.push((None, rest));
    parts
}

/// How many bytes a string literal has, with its quotes.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
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
        let classes: Vec<_> = parts("pub fn f(\"x\\\"y\"); // fn")
            .into_iter()
            .filter(|(class, _)| class.is_some())
            .collect();
        assert_eq!(
            classes,
            [(Some("text"), "\"x\\\"y\""), (Some("comment"), "// fn")]
        );
    }
}
