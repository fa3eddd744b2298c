//! Prose in lines that fit.

/// Prose in lines of no more than `width` characters: the first behind one prefix, the others behind another.
pub fn wrapped(width: usize, text: &str, first: &str, rest: &str) -> String {
    let mut wrapped = first.to_owned();
    let mut filled = first.trim_start_matches('\n').chars().count();
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if begun && filled + 1 + length > width {
            wrapped.push('\n');
            wrapped.push_str(rest);
            filled = rest.chars().count();
            begun = false;
        }
        if begun {
            wrapped.push(' ');
            filled += 1;
        }
        wrapped.push_str(word);
        filled += length;
        begun = true;
    }
    wrapped.push('\n');
    wrapped
}
