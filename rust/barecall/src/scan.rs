//! Scanning functions for calls, one after another, on every core.

use std::sync::atomic::Ordering;

use iced_x86::{Instruction, InstructionInfoFactory};

use crate::aarch64;
use crate::calls::{Call, Site, Through};
use crate::flow::{self, Convention, Reached};
use crate::image::{Architecture, Image};
use crate::route::Route;
use crate::step::{Effect, Expr, Flow, Mem, Place, Step};
use crate::x86;

impl Image {
    /// The calls of every function, by address, on all cores; `progress` hears how many bytes of code are done
    /// and how many there are.
    #[must_use]
    pub fn calls(&self, progress: impl Fn(u64, u64) + Sync) -> Vec<Call<'_>> {
        let total: u64 = self
            .functions
            .iter()
            .map(|piece| piece.end - piece.start)
            .sum();
        let wholes = self.functions.len();
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let chunk = (wholes / (workers * 128)).max(64);
        let next = std::sync::atomic::AtomicUsize::new(0);
        let done = std::sync::atomic::AtomicU64::new(0);
        let mut found = InOrder::default();
        // A call in so many bytes is usual. Growing step by step would leave holes; memory not used is not taken.
        found.calls.reserve_exact(
            usize::try_from(total / 48)
                .unwrap_or(0)
                .min(self.bytes.len() / 48),
        );
        let found = std::sync::Mutex::new(found);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    let mut scanner = Scanner::new(self);
                    let mut sites = Vec::new();
                    loop {
                        let first = next.fetch_add(chunk, Ordering::Relaxed);
                        if first >= wholes {
                            return;
                        }
                        let pieces = first..(first + chunk).min(wholes);
                        let bytes: u64 = self.functions[pieces.clone()]
                            .iter()
                            .map(|piece| piece.end - piece.start)
                            .sum();
                        sites.clear();
                        for piece in pieces.filter(|&piece| self.functions[piece].part_of.is_none())
                        {
                            scanner.function(piece, &mut sites);
                        }
                        progress(done.fetch_add(bytes, Ordering::Relaxed) + bytes, total);
                        found
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .add(first, chunk, self, &sites);
                    }
                });
            }
        });
        let mut calls = found
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .calls;
        calls.shrink_to_fit();
        calls
    }

    /// The other parts of a function.
    pub(crate) fn parts_of(&self, whole: usize) -> Vec<usize> {
        let at = self.parts.partition_point(|part| (part.0 as usize) < whole);
        self.parts[at..]
            .iter()
            .take_while(|part| part.0 as usize == whole)
            .map(|part| part.1 as usize)
            .collect()
    }
}

/// The chunks of calls that the workers find, put together as they come in: all of them twice would take much
/// memory.
#[derive(Default)]
struct InOrder<'a> {
    calls: Vec<Call<'a>>,
    /// The first piece of the next chunk.
    next: usize,
    early: std::collections::BTreeMap<usize, Vec<Site>>,
}

impl<'a> InOrder<'a> {
    fn add(&mut self, first: usize, chunk: usize, image: &'a Image, sites: &[Site]) {
        if first != self.next {
            self.early.insert(first, sites.to_vec());
            return;
        }
        let call = |site: &Site| Call { image, site: *site };
        self.calls.extend(sites.iter().map(call));
        self.next += chunk;
        while let Some(sites) = self.early.remove(&self.next) {
            self.calls.extend(sites.iter().map(call));
            self.next += chunk;
        }
    }
}

/// Bytes of code in one function beyond which its indirect calls are left undecided: its steps would take
/// seventy times as much memory.
const LARGEST_FOLLOWED: u64 = 8 << 20;

/// A function's pieces, decoded a window at a time, as one may be all the code of a stripped image.
struct Windows<'a> {
    image: &'a Image,
    pieces: std::slice::Iter<'a, usize>,
    at: u64,
    end: u64,
}

impl<'a> Windows<'a> {
    fn new(image: &'a Image, pieces: &'a [usize]) -> Self {
        Self {
            image,
            pieces: pieces.iter(),
            at: 0,
            end: 0,
        }
    }

    /// Decodes the next window; false when there is none.
    fn decode(&mut self, out: &mut Vec<Instruction>) -> bool {
        const MOST: usize = 1 << 16;
        loop {
            while self.at >= self.end {
                let Some(&piece) = self.pieces.next() else {
                    return false;
                };
                let piece = &self.image.functions[piece];
                (self.at, self.end) = (piece.start, piece.end);
            }
            let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
            x86::decode(self.image.contents(self.at, left), self.at, MOST, out);
            let Some(last) = out.last() else {
                self.at = self.end;
                continue;
            };
            self.at = last.next_ip();
            return true;
        }
    }
}

/// What scanning one function after another reuses.
pub(crate) struct Scanner<'a> {
    image: &'a Image,
    decoded: Vec<Instruction>,
    steps: Vec<Step>,
    info: InstructionInfoFactory,
    callees: flow::Callees,
    /// Routes found lately.
    routes: Vec<Option<(Reached, Route)>>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(image: &'a Image) -> Self {
        Self {
            image,
            decoded: Vec::new(),
            steps: Vec::new(),
            info: InstructionInfoFactory::new(),
            callees: flow::Callees::default(),
            routes: vec![None; 1 << 13],
        }
    }

    /// Appends the calls of one function, all its parts.
    pub(crate) fn function(&mut self, whole: usize, sites: &mut Vec<Site>) {
        match self.image.architecture {
            Architecture::X86_64 => self.x86(whole, sites),
            Architecture::Aarch64 => self.aarch64(whole, sites),
        }
    }

    fn x86(&mut self, whole: usize, sites: &mut Vec<Site>) {
        let image = self.image;
        let mut pieces = vec![whole];
        pieces.extend(image.parts_of(whole));
        pieces.sort_unstable();
        let before = sites.len();
        let mut undecided = false;
        let huge = pieces
            .iter()
            .map(|&piece| image.functions[piece].end - image.functions[piece].start)
            .fold(0, u64::saturating_add)
            > LARGEST_FOLLOWED;
        let mut windows = Windows::new(image, &pieces);
        let mut decoded_windows = 0;
        while windows.decode(&mut self.decoded) {
            decoded_windows += 1;
            for index in 0..self.decoded.len() {
                let instruction = &self.decoded[index];
                let (tail, reached) = match x86::flow(instruction) {
                    Flow::Next | Flow::Stop => continue,
                    Flow::Call(to) => (false, Reached::Address(to)),
                    Flow::Jump(to) | Flow::Branch(to) => {
                        if !self.leaves(&pieces, whole, to) {
                            continue;
                        }
                        (true, Reached::Address(to))
                    }
                    flow @ (Flow::CallVia(place) | Flow::JumpVia(place)) => {
                        let tail = matches!(flow, Flow::JumpVia(_));
                        match self
                            .plain(place)
                            .or_else(|| self.locally(index, place, tail))
                        {
                            Some(Reached::Inside) => continue,
                            Some(reached) => (tail, reached),
                            None if huge => (tail, Reached::Undecided),
                            None => {
                                undecided = true;
                                continue;
                            }
                        }
                    }
                };
                let (at, len) = (self.decoded[index].ip(), self.decoded[index].len());
                sites.push(self.site(at, whole, len, tail, reached));
            }
        }
        if undecided {
            self.steps.clear();
            // A single window is still there, unless a further piece without contents has cleared it.
            if decoded_windows == 1 && !self.decoded.is_empty() {
                self.lift();
            } else {
                let mut windows = Windows::new(image, &pieces);
                while windows.decode(&mut self.decoded) {
                    self.lift();
                }
            }
            self.follow(whole, x86::convention(image.format), before, sites);
        }
    }

    /// Appends the steps of what is decoded.
    fn lift(&mut self) {
        for instruction in &self.decoded {
            x86::lift(instruction, &mut self.info, &mut self.steps);
        }
    }

    fn aarch64(&mut self, whole: usize, sites: &mut Vec<Site>) {
        let image = self.image;
        let mut pieces = vec![whole];
        pieces.extend(image.parts_of(whole));
        pieces.sort_unstable();
        let before = sites.len();
        let mut undecided = false;
        self.steps.clear();
        for &piece in &pieces {
            let (start, end) = (image.functions[piece].start, image.functions[piece].end);
            let code = image.contents(start, usize::try_from(end - start).unwrap_or(0));
            for (at, word) in aarch64::words(code, start) {
                if image.is_literal(at) {
                    continue;
                }
                let moved = match aarch64::flow(at, word) {
                    Flow::Jump(to) => self.moved(at, to),
                    _ => None,
                };
                aarch64::lift(at, moved.unwrap_or(word), &mut self.steps);
            }
        }
        for index in 0..self.steps.len() {
            let step = self.steps[index];
            let (tail, reached) = match step.flow {
                Flow::Next | Flow::Stop => continue,
                Flow::Call(to) => (false, Reached::Address(to)),
                Flow::Jump(to) | Flow::Branch(to) => {
                    if !self.leaves(&pieces, whole, to) {
                        continue;
                    }
                    (true, Reached::Address(to))
                }
                flow @ (Flow::CallVia(place) | Flow::JumpVia(place)) => match self.plain(place) {
                    Some(reached) => (matches!(flow, Flow::JumpVia(_)), reached),
                    None => {
                        undecided = true;
                        continue;
                    }
                },
            };
            sites.push(self.site(step.at, whole, step.len.into(), tail, reached));
        }
        if undecided {
            self.follow(whole, &aarch64::CONVENTION, before, sites);
        }
    }

    /// The instruction that the linker moved to `to` because of a processor's erratum (Cortex-A53 843419): it
    /// stands there before a jump back to behind where it was.
    fn moved(&self, at: u64, to: u64) -> Option<u32> {
        let words: Vec<_> = aarch64::words(self.image.contents(to, 8), to).collect();
        match words[..] {
            [(first, moved), (second, back)]
                if aarch64::flow(first, moved) == Flow::Next
                    && aarch64::flow(second, back) == Flow::Jump(at.wrapping_add(4)) =>
            {
                Some(moved)
            }
            _ => None,
        }
    }

    /// Adds the indirect calls that only the data flow over `self.steps` decides.
    fn follow(
        &mut self,
        whole: usize,
        convention: &Convention,
        before: usize,
        sites: &mut Vec<Site>,
    ) {
        let entry = self.image.functions[whole].start;
        let decided = &sites[before..];
        let wanted = |at| decided.binary_search_by_key(&at, |site| site.at).is_err();
        let found = flow::reached(
            self.image,
            convention,
            &self.steps,
            entry,
            wanted,
            &mut self.callees,
        );
        for (index, reached) in found {
            if reached != Reached::Inside {
                let step = self.steps[index];
                let tail = matches!(step.flow, Flow::JumpVia(_));
                sites.push(self.site(step.at, whole, step.len.into(), tail, reached));
            }
        }
        sites[before..].sort_unstable_by_key(|site| site.at);
    }

    /// Whether an indirect call or jump certainly goes through no constant of the image, seen from the few
    /// instructions before it. Only ever finds `pointer`; a bare route needs the data flow.
    fn locally(&mut self, index: usize, place: Place, jump: bool) -> Option<Reached> {
        const WINDOW: usize = 64;
        let (mut register, through_memory) = match place {
            Place::Reg(register) => (register, false),
            Place::Mem(Mem {
                base: Some(base),
                index: None,
                ..
            }) => (base, true),
            // An index into a table: of cases, if it is a jump.
            Place::Mem(_) => return jump.then_some(Reached::Inside).or(Some(Reached::Pointer)),
            Place::Elsewhere => return Some(Reached::Pointer),
        };
        for earlier in (index.saturating_sub(WINDOW)..index).rev() {
            self.steps.clear();
            x86::lift(&self.decoded[earlier], &mut self.info, &mut self.steps);
            for step in self.steps.iter().rev() {
                match step.flow {
                    Flow::Jump(_) | Flow::JumpVia(_) | Flow::Stop => return None,
                    Flow::Call(_) | Flow::CallVia(_)
                        if x86::convention(self.image.format).caller_saved & (1 << register)
                            != 0 =>
                    {
                        return Some(Reached::Pointer);
                    }
                    _ => {}
                }
                match step.effect {
                    Effect::Set(to, expr) if to == register => match expr {
                        Expr::Copy(from) => register = from,
                        Expr::Load(mem) => {
                            return match (mem.base, mem.index) {
                                (_, Some(_)) => Some(if jump && !through_memory {
                                    Reached::Inside
                                } else {
                                    Reached::Pointer
                                }),
                                (Some(_), None) if through_memory => Some(Reached::Pointer),
                                (Some(base), None) if !x86::may_be_frame(base) => {
                                    Some(Reached::Pointer)
                                }
                                _ => None,
                            };
                        }
                        Expr::Sum(..) | Expr::Offset(..) | Expr::Entry(..) => {
                            return Some(if jump && !through_memory {
                                Reached::Inside
                            } else {
                                Reached::Pointer
                            });
                        }
                        Expr::Const(_) | Expr::Add(..) | Expr::Either(_) => return None,
                    },
                    Effect::Pop(to) if to == register => return None,
                    Effect::Clobber { writes, .. } if writes & (1 << register) != 0 => {
                        return Some(Reached::Pointer);
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn site(&mut self, at: u64, whole: usize, len: usize, tail: bool, reached: Reached) -> Site {
        let (from, len) = (
            u32::try_from(whole).unwrap_or(u32::MAX),
            u8::try_from(len).unwrap_or(u8::MAX),
        );
        let (through, target) = match reached {
            Reached::Address(to) => (Through::Address, to),
            Reached::Held(to) => (Through::Held, to),
            Reached::Slot(slot) => (Through::Slot, slot),
            Reached::Loaded(slot) => (Through::Loaded, slot),
            Reached::Pointer => (Through::Pointer, 0),
            Reached::Undecided => (Through::Undecided, 0),
            Reached::Inside => (Through::Inside, 0),
        };
        Site {
            at,
            target,
            from,
            len,
            tail,
            through,
            route: self.route(reached),
        }
    }

    /// The route; few functions and slots are what most calls go to.
    fn route(&mut self, reached: Reached) -> Route {
        // Fibonacci hashing: the product's upper bits.
        let line = |address: u64| (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as usize;
        let (Reached::Address(address) | Reached::Slot(address)) = reached else {
            return self.image.route(reached);
        };
        let line = &mut self.routes[line(address)];
        match *line {
            Some((known, route)) if known == reached => route,
            _ => {
                let route = self.image.route(reached);
                *line = Some((reached, route));
                route
            }
        }
    }

    /// What an indirect call reaches where the instruction alone tells it.
    fn plain(&self, place: Place) -> Option<Reached> {
        match place {
            Place::Mem(Mem {
                base: None,
                index: None,
                disp,
            }) => {
                let slot = disp.cast_unsigned();
                Some(if self.image.is_constant(slot) {
                    Reached::Slot(slot)
                } else {
                    Reached::Pointer
                })
            }
            Place::Elsewhere => Some(Reached::Pointer),
            _ => None,
        }
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
        match self.image.piece_at(to) {
            // In order; of a function that others cut into pieces there may be many.
            Some(piece) if pieces.binary_search(&piece).is_ok() => false,
            // Into the entry of the function itself is a loop; into another function's middle is a shared tail,
            // which is a call only if it is a whole function's beginning.
            Some(piece) => piece != whole,
            None => true,
        }
    }
}
