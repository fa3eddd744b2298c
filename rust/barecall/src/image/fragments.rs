//! Where functions begin and end: symbols, the unwind table, and what lies between, brought into one order, and cut
//! into fragments that do not overlap.

use std::collections::{HashMap, HashSet};

use gimli::{
    BaseAddresses, CieOrFde, CommonInformationEntry, EhFrame, LittleEndian, UnwindSection as _,
};

use super::parts::{Candidate, Span};
use super::{Fragment, Section, Symbol, section_of, text, whole_name};

/// All functions' fragments and all names, each by address; `spans` are functions that other tables than symbols know.
pub(super) fn of(
    bytes: &[u8],
    sections: &[Section],
    mut candidates: Vec<Candidate>,
    mut spans: Vec<Span>,
) -> (Vec<Fragment>, Vec<Symbol>) {
    candidates.sort_unstable();
    for candidate in candidates.iter().filter(|candidate| !candidate.untyped) {
        spans.push(Span {
            name: Some(candidate.name),
            ..Span::new(candidate.address, candidate.size)
        });
    }
    // A stable sort: the preferred name of an address stays first.
    spans.sort_by_key(|span| span.start);
    spans.dedup_by(|later, first| {
        let same = later.start == first.start;
        if same {
            first.name = first.name.or(later.name);
            first.has_landing_pads &= later.has_landing_pads;
            if !first.unwind {
                first.length = first.length.max(later.length);
            }
        }
        same
    });
    bound(sections, &mut spans);
    fill_gaps(bytes, sections, &candidates, &mut spans);
    let mut fragments = cut(&spans);
    adopt_cold_parts(bytes, &mut fragments);
    let mut symbols: Vec<Symbol> = candidates
        .iter()
        .map(|candidate| Symbol {
            address: candidate.address,
            name: candidate.name,
            resolver: candidate.resolver,
            superseded: candidate.superseded,
        })
        .collect();
    symbols.dedup_by(|later, first| {
        let same =
            later.address == first.address && text(bytes, later.name) == text(bytes, first.name);
        if same {
            // The symbol table of a library names no versions.
            first.superseded &= later.superseded;
        }
        same
    });
    (fragments, symbols)
}

/// The functions that ELF's unwind table knows.
pub(super) fn unwound(sections: &[Section], address: u64, data: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    let frames = EhFrame::new(data, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame(address);
    let mut entries = frames.entries(&bases);
    // Damaged ones are remembered too: many entries may point at one.
    let mut common: HashMap<usize, gimli::Result<CommonInformationEntry<_>>> = HashMap::new();
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        let parsed = partial.parse(|_, bases, offset| {
            common
                .entry(offset.0)
                .or_insert_with(|| frames.cie_from_offset(bases, offset))
                .clone()
        });
        let Ok(fde) = parsed else { continue };
        // The linker's stubs have unwind entries too, and are no functions.
        if section_of(sections, fde.initial_address())
            .is_some_and(|section| section.executable && !section.stubs)
        {
            spans.push(Span {
                unwind: true,
                has_landing_pads: fde.lsda().is_some(),
                ..Span::new(fde.initial_address(), fde.len())
            });
        }
    }
    spans
}

/// Keeps every span within its section; one without a size (handwritten assembly) reaches to the next.
fn bound(sections: &[Section], spans: &mut [Span]) {
    for n in 0..spans.len() {
        let next = spans.get(n + 1).map_or(u64::MAX, |span| span.start);
        let span = &mut spans[n];
        let end = section_of(sections, span.start).map_or(span.start, |section| section.end);
        let length = if span.length == 0 {
            next.saturating_sub(span.start)
        } else {
            span.length
        };
        span.length = length.min(end - span.start);
    }
}

/// Adds the code that no symbol and no unwind entry claims, split and named by labels if there are any.
fn fill_gaps(bytes: &[u8], sections: &[Section], candidates: &[Candidate], spans: &mut Vec<Span>) {
    let mut gaps = Vec::new();
    for section in sections
        .iter()
        .filter(|section| section.executable && !section.stubs)
    {
        let mut at = section.start;
        let first = spans.partition_point(|span| span.start < section.start);
        for span in spans[first..]
            .iter()
            .take_while(|span| span.start < section.end)
        {
            if span.start > at {
                gaps.push((section, at, span.start));
            }
            at = at.max(span.start.saturating_add(span.length));
        }
        if at < section.end {
            gaps.push((section, at, section.end));
        }
    }
    for (section, start, end) in gaps {
        let code = section.offset.and_then(|offset| {
            let from = offset.checked_add(usize::try_from(start - section.start).ok()?)?;
            bytes.get(from..from.checked_add(usize::try_from(end - start).ok()?)?)
        });
        if code.is_none_or(is_padding) {
            continue;
        }
        let mut span = Span::new(start, 0);
        let first = candidates.partition_point(|label| label.address < start);
        for label in candidates[first..]
            .iter()
            .take_while(|label| label.address < end)
        {
            if label.address > span.start {
                spans.push(Span {
                    length: label.address - span.start,
                    ..span
                });
                span = Span::new(label.address, 0);
            }
            span.name = span.name.or(Some(label.name));
        }
        spans.push(Span {
            length: end - span.start,
            ..span
        });
    }
    spans.sort_by_key(|span| span.start);
}

/// Whether this is only what aligns the next function: one byte repeated, or less than 16 bytes of nops. Anything else
/// may be a function without a name, and be called.
fn is_padding(code: &[u8]) -> bool {
    let first = code.first().copied().unwrap_or(0);
    if code.iter().all(|&byte| byte == first) {
        return true;
    }
    let mut rest = code;
    while let Some(behind) = behind_nop(rest) {
        rest = behind;
    }
    code.len() < 16 && rest.is_empty()
}

/// What follows a nop of either architecture, as assemblers and linkers align with, or `int3`.
fn behind_nop(code: &[u8]) -> Option<&[u8]> {
    const AARCH64: [u8; 4] = [0x1f, 0x20, 0x03, 0xd5];
    if let Some(behind) = code.strip_prefix(&AARCH64) {
        return Some(behind);
    }
    let prefixes = code
        .iter()
        .take_while(|byte| matches!(byte, 0x66 | 0x2e))
        .count();
    match &code[prefixes..] {
        [0x90, rest @ ..] | [0x0f, 0x1f, 0x00, rest @ ..] | [0x0f, 0x1f, 0x40, 0x00, rest @ ..] => {
            Some(rest)
        }
        [0x0f, 0x1f, 0x44, 0x00, 0x00, rest @ ..] | [0x0f, 0x1f, 0x80, 0, 0, 0, 0, rest @ ..] => {
            Some(rest)
        }
        [0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0, rest @ ..] => Some(rest),
        [0xcc, rest @ ..] if prefixes == 0 => Some(rest),
        _ => None,
    }
}

/// Makes spans that may lie inside one another into fragments that do not: the inner one cuts the outer, and what
/// is left of the outer behind it is a part of the outer.
fn cut(spans: &[Span]) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::with_capacity(spans.len());
    // Spans that are not over yet: their end and their first fragment.
    let mut open: Vec<(u64, u32)> = Vec::new();
    for span in spans.iter().filter(|span| span.length > 0) {
        close(&mut fragments, &mut open, span.start);
        let Ok(index) = u32::try_from(fragments.len()) else {
            break;
        };
        let end = span.start.saturating_add(span.length);
        fragments.push(Fragment {
            start: span.start,
            end,
            name: span.name,
            part_of: None,
            has_landing_pads: span.has_landing_pads,
        });
        open.push((end, index));
        // Deeper nesting is a lie, and would be costly.
        if open.len() > 8 {
            open.remove(0);
        }
    }
    close(&mut fragments, &mut open, u64::MAX);
    fragments
}

/// Ends or cuts the open spans at `until`, where the next one begins.
fn close(fragments: &mut Vec<Fragment>, open: &mut Vec<(u64, u32)>, until: u64) {
    let Some(last) = fragments.len().checked_sub(1) else {
        return;
    };
    fragments[last].end = fragments[last].end.min(until);
    let mut at = fragments[last].end;
    while let Some(&(end, first)) = open.last() {
        if end > at && at < until {
            fragments.push(Fragment {
                start: at,
                end: end.min(until),
                name: None,
                part_of: Some(first),
                has_landing_pads: fragments[first as usize].has_landing_pads,
            });
            at = end.min(until);
        }
        if end > until {
            break;
        }
        open.pop();
    }
}

/// Parts belong to the function whose name tells so, if there is just one of that name.
fn adopt_cold_parts(bytes: &[u8], fragments: &mut [Fragment]) {
    let cold: Vec<(usize, &str)> = (0..fragments.len())
        .filter_map(|n| Some((n, whole_name(text(bytes, fragments[n].name?))?)))
        .collect();
    if cold.is_empty() {
        return;
    }
    let wanted: HashSet<&str> = cold.iter().map(|part| part.1).collect();
    let mut wholes: HashMap<&str, Option<u32>> = HashMap::new();
    for (n, fragment) in fragments.iter().enumerate() {
        if let Some(name) = fragment
            .name
            .map(|name| text(bytes, name))
            .filter(|name| wanted.contains(name))
        {
            wholes
                .entry(name)
                .and_modify(|known| *known = None)
                .or_insert(u32::try_from(n).ok());
        }
    }
    for (n, name) in cold {
        if let Some(&Some(whole)) = wholes.get(name) {
            fragments[n].part_of = Some(whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_nothing_is_padding() {
        for nops in [
            &[0x66, 0x90][..],
            &[0x0f, 0x1f, 0x44, 0, 0, 0x90],
            &[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
            &[0x1f, 0x20, 0x03, 0xd5, 0x1f, 0x20, 0x03, 0xd5],
            &[0xcc; 40],
            &[0; 7],
        ] {
            assert!(is_padding(nops), "{nops:x?}");
        }
        for code in [
            // add w0, w0, 3; ret
            &[0x00, 0x0c, 0x00, 0x11, 0xc0, 0x03, 0x5f, 0xd6][..],
            // movzx eax, dil; ret
            &[0x40, 0x0f, 0xb6, 0xc7, 0xc3],
            // movaps xmm0, xmm1; ret
            &[0x0f, 0x28, 0xc1, 0xc3],
            &[0x90, 0xc3],
        ] {
            assert!(!is_padding(code), "{code:x?}");
        }
    }
}
