//! Prose with the little markup that it has: `code` in backticks, and _emphasis_ between underscores or *asterisks*.

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

/// Word by word: a mark that is not at both of a word's edges is part of a name.
fn emphasis(text: &str) -> Markup {
    html! {
        @for (index, word) in text.split(' ').enumerate() {
            @if index > 0 { " " }
            @match emphasised(word) { Some(inner) => em { (inner) }, None => (word) }
        }
    }
}

fn emphasised(word: &str) -> Option<&str> {
    ['_', '*'].into_iter().find_map(|mark| {
        let inner = word.strip_prefix(mark)?.strip_suffix(mark)?;
        (!inner.is_empty() && !inner.contains(mark)).then_some(inner)
    })
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
            ("*exactly* as much", "<em>exactly</em> as much"),
            ("2 * 3 ** *", "2 * 3 ** *"),
            ("say_after_yield and _x", "say_after_yield and _x"),
            ("`<i>`", "<code>&lt;i&gt;</code>"),
        ] {
            assert_eq!(inline(text).into_string(), shown);
        }
    }
}
