//! Scanning functions for calls, one after another, on every core.

mod site;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::dataflow::{Callees, Graph};
use crate::image::{Architecture, Image};
use crate::ir::{CallTarget, Flow, Place};
use crate::isa;
use site::Found;
pub(crate) use site::{Run, Site};

/// The calls of every function, by address, on all cores; `progress` hears how many bytes of code are done and how many
/// there are.
pub(crate) fn all(image: &Image, progress: impl Fn(u64, u64) + Sync) -> Vec<Run> {
    let code = |pieces: Range<usize>| -> u64 {
        let pieces = &image.functions[pieces];
        pieces.iter().map(|piece| piece.end - piece.start).sum()
    };
    let wholes = image.functions.len();
    let total = code(0..wholes);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let chunk = (wholes / (workers * 128)).max(64);
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let work = || {
        let mut scanner = Scanner::new(image, MANY);
        let mut found = Found::new(image);
        let mut sites = Vec::new();
        let mut runs = Vec::new();
        loop {
            let first = next.fetch_add(chunk, Ordering::Relaxed);
            if first >= wholes {
                return runs;
            }
            let pieces = first..(first + chunk).min(wholes);
            for piece in pieces.clone() {
                if image.functions[piece].part_of.is_none() {
                    sites.clear();
                    scanner.function(piece, &mut sites);
                    found.add(piece, &sites);
                }
            }
            runs.push(found.take(first));
            let bytes = code(pieces);
            progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
        }
    };
    let mut runs: Vec<Run> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|runs| runs.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    runs.sort_unstable_by_key(|run| run.first);
    runs
}

impl Image {
    /// The other parts of a function.
    pub(crate) fn parts_of(&self, whole: usize) -> impl Iterator<Item = usize> {
        let at = self.parts.partition_point(|part| (part.0 as usize) < whole);
        self.parts[at..]
            .iter()
            .take_while(move |part| part.0 as usize == whole)
            .map(|part| part.1 as usize)
    }
}

/// Bytes of x86-64 code in one function beyond which its indirect calls are left undecided: each byte may be an
/// instruction, and take as much memory as a hundred.
const LARGEST_FOLLOWED: u64 = 8 << 20;
/// A larger one is read by so many instructions at a time: it may be all the code of a stripped image.
const WINDOW: usize = 1 << 16;

/// So many called functions are remembered: for a whole image,
const MANY: usize = 1 << 15;
/// or for one function.
const FEW: usize = 1 << 5;

/// What scanning one function after another reuses.
pub(crate) struct Scanner<'a> {
    image: &'a Image,
    graph: Graph<'a>,
    /// The function's pieces, in order.
    pieces: Vec<usize>,
    /// Whether to try [`Graph::search_back`] before the data flow; without, the same is found, more slowly.
    searches_back: bool,
}

impl<'a> Scanner<'a> {
    /// For one function alone.
    pub(crate) fn for_one(image: &'a Image) -> Self {
        Self::new(image, FEW)
    }

    fn new(image: &'a Image, callees: usize) -> Self {
        let convention = isa::of(image.architecture).convention(image.format);
        Self {
            image,
            graph: Graph::new(image, convention, Callees::new(callees)),
            pieces: Vec::new(),
            searches_back: true,
        }
    }

    /// Puts the calls of one function, all its parts, into `sites`, which is empty.
    pub(crate) fn function(&mut self, whole: usize, sites: &mut Vec<Site>) {
        let image = self.image;
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        pieces.push(whole);
        pieces.extend(image.parts_of(whole));
        pieces.sort_unstable();
        let bytes = pieces
            .iter()
            .map(|&piece| image.functions[piece].end - image.functions[piece].start)
            .fold(0, u64::saturating_add);
        let huge = image.architecture == Architecture::X86_64 && bytes > LARGEST_FOLLOWED;
        let mut open = false;
        self.graph.turn_to(whole);
        for &piece in &pieces {
            let piece = image.functions[piece];
            if !huge {
                self.graph.body.append(piece.start, piece.end, usize::MAX);
                continue;
            }
            let mut at = piece.start;
            while at < piece.end {
                self.graph.body.clear();
                at = self.graph.body.append(at, piece.end, WINDOW);
                self.transfers(&pieces, whole, true, sites);
            }
        }
        if !huge {
            open = self.transfers(&pieces, whole, false, sites);
        }
        if open {
            self.follow(whole, sites);
            sites.sort_unstable_by_key(|site| site.at);
        }
        self.graph.shrink();
        self.pieces = pieces;
    }

    /// Appends the calls that need no data flow; whether there are others. In a huge function, those are undecided.
    fn transfers(
        &mut self,
        pieces: &[usize],
        whole: usize,
        huge: bool,
        sites: &mut Vec<Site>,
    ) -> bool {
        let mut any_open = false;
        self.graph.begin_searches();
        let first = self.image.functions[pieces[0]];
        let near = (first.start, first.end);
        for n in 0..self.graph.body.transfers.len() {
            let transfer = self.graph.body.transfers.get(n);
            if transfer.stays_within(near) {
                continue;
            }
            let (index, flow) = (
                transfer.index as usize,
                self.graph.body.transfers.flow(transfer),
            );
            let (tail, reached) = match flow {
                Flow::Next | Flow::Stop => continue,
                Flow::Call(to) => (false, CallTarget::Address(to)),
                Flow::Jump(to) | Flow::Branch(to) => {
                    if !self.leaves(pieces, whole, to) {
                        continue;
                    }
                    (true, CallTarget::Address(to))
                }
                Flow::CallVia(place) | Flow::JumpVia(place) => {
                    let tail = matches!(flow, Flow::JumpVia(_));
                    let search = |scanner: &mut Self| match scanner.searches_back {
                        true => scanner.graph.search_back(index),
                        false => None,
                    };
                    match self.plain(place, tail).or_else(|| search(self)) {
                        Some(CallTarget::IntraFunction) => continue,
                        Some(reached) => (tail, reached),
                        None if huge => (tail, CallTarget::Undecided),
                        None => {
                            self.graph.body.transfers.open(n);
                            any_open = true;
                            continue;
                        }
                    }
                }
            };
            sites.push(self.site(index, tail, reached));
        }
        any_open
    }

    /// Appends the indirect calls that only the data flow decides.
    fn follow(&mut self, whole: usize, sites: &mut Vec<Site>) {
        let entry = self.image.functions[whole].start;
        let has_landing_pads = std::iter::once(whole)
            .chain(self.image.parts_of(whole))
            .any(|piece| self.image.functions[piece].has_landing_pads);
        let found = self.graph.reached(entry, has_landing_pads);
        for (index, reached) in found {
            if reached != CallTarget::IntraFunction {
                let tail = matches!(self.graph.body.flow(index), Flow::JumpVia(_));
                sites.push(self.site(index, tail, reached));
            }
        }
    }

    fn site(&mut self, index: usize, tail: bool, target: CallTarget) -> Site {
        let (at, len) = (self.graph.body.at(index), self.graph.body.size(index));
        let route = self.graph.callees.route(self.image, target);
        Site::new(at, len, tail, target, route)
    }

    /// What an indirect call reaches where the instruction alone tells it.
    fn plain(&mut self, place: Place, tail: bool) -> Option<CallTarget> {
        if place == Place::Elsewhere {
            return Some(CallTarget::Pointer);
        }
        let slot = place.slot()?;
        let target = || self.image.pointer(slot);
        if tail && target().is_some_and(|to| self.graph.is_within(to)) {
            return None;
        }
        let is_constant = self.graph.callees.is_constant(self.image, slot);
        Some(if is_constant {
            CallTarget::Slot(slot)
        } else {
            CallTarget::Pointer
        })
    }

    /// Whether a jump there leaves the function: a tail call.
    fn leaves(&self, pieces: &[usize], whole: usize, to: u64) -> bool {
        // Nearly all jumps: no need to look among all pieces of the image.
        let near = pieces.iter().take(8).any(|&piece| {
            let piece = &self.image.functions[piece];
            (piece.start..piece.end).contains(&to)
        });
        if near {
            return false;
        }
        match self.image.fragment_at(to) {
            // In order; of a function that others cut into pieces there may be many.
            Some(piece) if pieces.binary_search(&piece).is_ok() => false,
            // Into the entry of the function itself is a loop; into another function's middle is a shared tail,
            // which is a call only if it is a whole function's beginning.
            Some(piece) => piece != whole,
            None => true,
        }
    }
}

#[cfg(test)]
mod tests;
