//! Numbers on the page: each is marked up with its value as the JSON has it.

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
}
