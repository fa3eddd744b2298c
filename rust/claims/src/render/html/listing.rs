//! An exhibit: its source and its machine code beside its twin's, with every call marked by its route.

use maud::{Markup, html};

use super::highlight;
use crate::report::{Code, Line};

/// The place of an exhibit on the page.
pub fn anchor(name: &str) -> String {
    format!("exhibit-{name}")
}

/// The whole exhibit.
pub fn exhibit(shown: &Code) -> Markup {
    let id = anchor(&shown.name);
    html! {
        section.exhibit id=(id) aria-labelledby={ (id) "-title" } {
            h3 id={ (id) "-title" } {
                code { (&shown.name) } span.says { (shown.says) }
                a.permalink href={ "#" (id) } aria-label={ "Link to " (&shown.name) } { "#" }
            }
            div.columns {
                @for (language, code) in [
                    ("Rust", Some(&shown.source)), ("C", shown.c_source.as_ref()), ("Go", shown.go_source.as_ref())
                ] {
                    @if let Some(code) = code {
                        div.column {
                            h4 { (language) " " span.note { (code.file) } }
                            pre.source tabindex="0" { code { (highlight::source(&code.text)) } }
                        }
                    }
                }
            }
            (machine_code(shown))
        }
    }
}

/// The machine code alone, in each language.
pub fn machine_code(shown: &Code) -> Markup {
    html! {
        div.columns {
            @for (language, lines) in [("Rust", &shown.rust), ("C", &shown.c), ("Go", &shown.go)] {
                @if !lines.is_empty() {
                    div.column {
                        h4 {
                            (language) " "
                            span.note { "machine code of " (&shown.name) @if language == "Go" { ", recorded" } }
                        }
                        (listing(language, &shown.name, lines))
                    }
                }
            }
        }
        p.explain aria-live="polite" {
            "Point at an instruction, or go through them with the arrow keys, to read what it does."
        }
    }
}

fn listing(language: &str, name: &str, lines: &[Line]) -> Markup {
    html! {
        ol.listing tabindex="0" aria-label={ (language) " machine code of " (name) } {
            @for line in lines {
                @let class = line.call.as_ref().map(|call| format!("call route-{}", call.route));
                li class=[class] title=[line.does.as_deref()] {
                    code { (instruction(&line.text)) }
                    @if let Some(call) = &line.call { span.route { (call) " to " (call.to.as_deref().unwrap_or("?")) } }
                }
            }
        }
    }
}

fn instruction(text: &str) -> Markup {
    match text.split_once(' ') {
        Some((mnemonic, operands)) => html! { b { (mnemonic) } " " (operands) },
        None => html! { b { (text) } },
    }
}
