//! When a name that someone typed fits a symbol.

/// How well a name fits. A name that is a symbol's whole name means that symbol,
/// even where it is also the suffix of others: without this, C's `main` could
/// not be named in a Rust program that has a `demo::main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// A suffix at a `::` or `.` boundary.
    Suffix,
    /// The whole name.
    Whole,
}

/// Whether `query` is `name`, or a suffix of it at a `::` or `.` boundary.
/// `name` is mangled or demangled. Legacy's `{{closure}}` and v0's `{closure#0}`
/// are the same: legacy has no numbers, so it is equal to any.
pub(super) fn fit(query: &str, name: &str) -> Option<Fit> {
    if query.is_empty() {
        return None;
    }
    match (query.contains(LEGACY), name.contains(LEGACY)) {
        (true, false) if name.contains(V0) => fit_text(query, &as_legacy(name)),
        (false, true) if query.contains(V0) => fit_text(&as_legacy(query), name),
        _ => fit_text(query, name),
    }
}

const LEGACY: &str = "{{closure}}";
const V0: &str = "{closure#";

fn fit_text(query: &str, name: &str) -> Option<Fit> {
    let head = name.strip_suffix(query)?;
    if head.is_empty() {
        Some(Fit::Whole)
    } else if head.ends_with("::") || head.ends_with('.') {
        Some(Fit::Suffix)
    } else {
        None
    }
}

/// `{closure#7}` as `{{closure}}`.
fn as_legacy(name: &str) -> String {
    let mut legacy = String::with_capacity(name.len() + 2);
    let mut rest = name;
    while let Some(at) = rest.find(V0) {
        let Some(end) = rest[at..].find('}') else {
            break;
        };
        legacy.push_str(&rest[..at]);
        legacy.push_str(LEGACY);
        rest = &rest[at + end + 1..];
    }
    legacy.push_str(rest);
    legacy
}

/// A symbol as people write it: Rust demangled without its hash, all else as it is.
pub(super) fn demangled(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(rust) => format!("{rust:#}"),
        Err(_) => name.to_owned(),
    }
}

/// How near a name is to what was typed, 0 to 1: for "did you mean".
pub(super) fn likeness(query: &str, name: &str) -> f64 {
    strsim::jaro_winkler(last_part(query), last_part(name)).max(strsim::jaro_winkler(query, name))
}

fn last_part(name: &str) -> &str {
    let name = name.rsplit("::").next().unwrap_or(name);
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_and_suffixes_at_a_boundary() {
        assert_eq!(fit("puts", "puts"), Some(Fit::Whole));
        assert_eq!(fit("say", "demo::say"), Some(Fit::Suffix));
        assert_eq!(fit("demo::say", "my::demo::say"), Some(Fit::Suffix));
        assert_eq!(
            fit("_Cfunc_add_one", "main._Cfunc_add_one"),
            Some(Fit::Suffix)
        );
        assert_eq!(fit("uts", "puts"), None);
        assert_eq!(fit("say", "demo::essay"), None);
        assert_eq!(fit(":say", "demo::say"), None);
        assert_eq!(fit("", "puts"), None);
    }

    #[test]
    fn closures_of_both_manglings_are_the_same() {
        assert_eq!(
            fit("task::{{closure}}", "demo::task::{closure#0}"),
            Some(Fit::Suffix)
        );
        assert_eq!(
            fit("task::{closure#0}", "demo::task::{{closure}}"),
            Some(Fit::Suffix)
        );
        assert_eq!(
            fit("{closure#0}::{closure#1}", "t::{{closure}}::{{closure}}"),
            Some(Fit::Suffix)
        );
        assert_eq!(fit("task::{closure#1}", "demo::task::{closure#0}"), None);
    }
}
