//! Numbers and prose on the page: a number is marked up with its value as the JSON has it, prose with the little markup
//! that it has.

use maud::{Markup, html};

/// A counted value.
pub fn exact(value: u64) -> Markup {
    html! { data value=(value) { (value) } }
}

/// A measured value, rounded for reading.
pub fn measured(value: f64) -> Markup {
    html! { data value=(value) { (rounded(value)) } }
}

/// Three significant digits, and none where it is a whole number.
pub fn rounded(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.1 => format!("{value:.3}"),
        size if size >= 0.001 => format!("{value:.5}"),
        _ => format!("{value:.2e}"),
    }
}

/// Prose with `code` in backticks, and _emphasis_ between underscores or *asterisks*.
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
    fn as_many_digits_as_can_be_read() {
        for (value, text) in [
            (313.0, "313"),
            (26.84, "26.8"),
            (1.3777, "1.38"),
            (0.126, "0.126"),
            (455.3, "455"),
        ] {
            assert_eq!(rounded(value), text);
        }
    }

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
