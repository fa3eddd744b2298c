//! Prose with the little markup that it has: `code` in backticks, and _emphasis_ between underscores.

use maud::{Markup, html};

pub fn inline(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // A backtick that is not closed is a backtick.
    if parts.len().is_multiple_of(2) {
        return html! { (emphasis(text)) };
    }
    html! {
        @for (index, part) in parts.iter().enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (emphasis(part)) }
        }
    }
}

/// An underscore that is not at a word's edge is part of a name.
fn emphasis(text: &str) -> Markup {
    let begin = text.find(" _").map(|at| at + 1);
    let end = begin.and_then(|begin| text[begin + 1..].find("_ ").map(|at| begin + 1 + at));
    match (begin, end) {
        (Some(begin), Some(end)) => html! {
            (&text[..begin]) em { (&text[begin + 1..end]) } (&text[end + 1..])
        },
        _ => html! { (text) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_closed_or_is_text() {
        for (text, shown) in [
            ("by `got` it", "by <code>got</code> it"),
            ("no _additional_ costs", "no <em>additional</em> costs"),
            ("a ` alone <b>", "a ` alone &lt;b&gt;"),
            ("say_after_yield and _x", "say_after_yield and _x"),
            ("`<i>`", "<code>&lt;i&gt;</code>"),
        ] {
            assert_eq!(inline(text).into_string(), shown);
        }
    }
}
