//! Finding a function's calls, and deciding each one's route.

use std::fmt;
use std::sync::atomic::Ordering;

use iced_x86::{Instruction, InstructionInfoFactory};

use crate::aarch64;
use crate::flow::{self, Convention, Reached};
use crate::image::{Architecture, Bound, Image, Name};
use crate::names;
use crate::route::Route;
use crate::step::{Effect, Expr, Flow, Mem, Place, Step};
use crate::x86;

/// A function of an image.
#[derive(Clone, Copy)]
pub struct Function<'a> {
    image: &'a Image,
    piece: usize,
    name: Option<Name>,
}

impl<'a> Function<'a> {
    pub(crate) fn new(image: &'a Image, piece: usize) -> Self {
        Self {
            image,
            piece,
            name: image.functions[piece].name,
        }
    }

    /// The same under another of its names.
    pub(crate) fn named(image: &'a Image, piece: usize, name: Name) -> Self {
        Self {
            image,
            piece,
            name: Some(name),
        }
    }

    /// Its readable name; one without a name is called by its address, `0x1234`.
    #[must_use]
    pub fn name(&self) -> String {
        self.mangled()
            .map_or_else(|| format!("{:#x}", self.address()), names::demangle)
    }

    /// Its name in the symbol table.
    #[must_use]
    pub fn mangled(&self) -> Option<&'a str> {
        self.name.map(|name| self.image.text(name))
    }

    /// The archive member it comes from; none outside archives.
    #[must_use]
    pub fn member(&self) -> Option<&'a str> {
        self.image.member_at(self.address())
    }

    /// Where it begins, in the image's own addresses (invented ones for an object or archive).
    #[must_use]
    pub fn address(&self) -> u64 {
        self.image.functions[self.piece].start
    }

    /// Its pieces' first address and the one behind the last, the entry's first.
    pub fn parts(&self) -> impl Iterator<Item = (u64, u64)> + 'a {
        let (image, whole) = (self.image, self.piece);
        let first = std::iter::once(whole);
        // Parts without a name follow closely, cold ones anywhere; both are few.
        let rest = image.parts_of(whole);
        first
            .chain(rest)
            .map(move |piece| (image.functions[piece].start, image.functions[piece].end))
    }

    /// The image it is a function of.
    #[must_use]
    pub const fn image(&self) -> &'a Image {
        self.image
    }

    /// Its calls, tail calls included, in the order of their addresses.
    #[must_use]
    pub fn calls(&self) -> Vec<Call<'a>> {
        let mut sites = Vec::new();
        Scanner::new(self.image).function(self.piece, &mut sites);
        sites
            .into_iter()
            .map(|site| Call {
                image: self.image,
                site,
            })
            .collect()
    }
}

impl fmt::Debug for Function<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.name(), self.address())
    }
}

/// One call instruction: where it is, what it reaches, and how.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    image: &'a Image,
    site: Site,
}

#[derive(Clone, Copy)]
struct Site {
    at: u64,
    /// The address or slot that it reaches; what kind of address it is, `through` says.
    // Apart from each other they take half the space, and an image has millions.
    target: u64,
    from: u32,
    len: u8,
    tail: bool,
    through: Through,
    route: Route,
}

/// A [`Reached`] without its address.
#[derive(Clone, Copy)]
enum Through {
    Address,
    Held,
    Slot,
    Loaded,
    Pointer,
    Undecided,
    Inside,
}

impl Site {
    const fn reached(&self) -> Reached {
        match self.through {
            Through::Address => Reached::Address(self.target),
            Through::Held => Reached::Held(self.target),
            Through::Slot => Reached::Slot(self.target),
            Through::Loaded => Reached::Loaded(self.target),
            Through::Pointer => Reached::Pointer,
            Through::Undecided => Reached::Undecided,
            Through::Inside => Reached::Inside,
        }
    }
}

impl<'a> Call<'a> {
    /// The caller.
    #[must_use]
    pub fn from(&self) -> Function<'a> {
        Function::new(self.image, self.site.from as usize)
    }

    /// How it gets to its target.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.site.route
    }

    /// Whether it is a jump: the callee returns to this function's caller.
    #[must_use]
    pub const fn tail(&self) -> bool {
        self.site.tail
    }

    /// The instruction's address in the image.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.site.at
    }

    /// The instruction's bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.image.contents(self.site.at, self.site.len.into())
    }

    /// The instruction as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.image.instruction_text(self.site.at)
    }

    /// The readable name of the function or symbol that finally gets control; none if that is not known.
    #[must_use]
    pub fn to(&self) -> Option<String> {
        match self.image.follow(self.site.reached()).end {
            End::Symbol(name) => Some(names::demangle(self.image.text(name))),
            End::Address(to) => Some(self.image.label(to)),
            End::Unknown => None,
        }
    }

    /// Every name of the symbol that finally gets control, as the symbol table has them.
    #[must_use]
    pub fn to_mangled(&self) -> Vec<&'a str> {
        match self.image.follow(self.site.reached()).end {
            End::Symbol(name) => vec![names::unversioned(self.image.text(name))],
            End::Address(to) => self.image.names_at(to).map(names::unversioned).collect(),
            End::Unknown => Vec::new(),
        }
    }

    /// Whether this call reaches the symbol of that name (mangled, demangled or the end of it).
    #[must_use]
    pub fn reaches(&self, symbol: &str) -> bool {
        self.to_mangled()
            .iter()
            .any(|name| names::fit(symbol, name).is_some())
    }

    /// The function of this image that finally gets control; none if it lies in another image, or is not known.
    #[must_use]
    pub fn target(&self) -> Option<Function<'a>> {
        match self.image.follow(self.site.reached()).end {
            End::Address(to) => self.image.function_at(to),
            End::Symbol(_) | End::Unknown => None,
        }
    }

    /// Every name of the first function or symbol that gets control, as the symbol table has them: a thunk's own,
    /// but past the linker's stubs, which are no functions.
    #[must_use]
    pub fn callee_mangled(&self) -> Vec<&'a str> {
        let bound = match self.site.reached() {
            Reached::Address(to) | Reached::Held(to) => {
                Some(self.image.stub(to).unwrap_or(Bound::Address(to)))
            }
            Reached::Slot(at) | Reached::Loaded(at) => self.image.bound(at),
            Reached::Pointer | Reached::Undecided | Reached::Inside => None,
        };
        match bound {
            Some(Bound::Symbol(name) | Bound::Lazily(name)) => {
                vec![names::unversioned(self.image.text(name))]
            }
            Some(Bound::Address(to) | Bound::Resolved(to)) => {
                self.image.names_at(to).map(names::unversioned).collect()
            }
            Some(Bound::Other) | None => Vec::new(),
        }
    }

    /// Whether the compiler itself put this call in: memory primitives, unwinding, allocation, stack probes.
    #[must_use]
    pub fn is_compiler_inserted(&self) -> bool {
        self.callee_mangled()
            .into_iter()
            .any(names::is_compiler_inserted)
    }

    /// What executes between this call and its target: stubs and thunks by name, in order.
    #[must_use]
    pub fn via(&self) -> Vec<String> {
        self.image.follow(self.site.reached()).via
    }

    /// How many instructions execute from this one to the target's first, which is not counted: 1 is bare.
    /// None where the target is not known, or a resolver may run.
    #[must_use]
    pub fn instructions(&self) -> Option<u32> {
        self.image.follow(self.site.reached()).instructions
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to().unwrap_or_else(|| "?".to_owned());
        write!(
            f,
            "{:#x}: {} -> {to}, {}{}",
            self.at(),
            self.from().name(),
            self.route(),
            if self.tail() { ", tail" } else { "" }
        )
    }
}

/// Where a call ends up, and through what.
pub(crate) struct Journey {
    pub end: End,
    pub via: Vec<String>,
    pub instructions: Option<u32>,
    stub: bool,
    thunk: bool,
    /// It is not decided what lies before the end.
    open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Symbol(Name),
    Address(u64),
    Unknown,
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

/// A chain of stubs and thunks longer than this is taken for a cycle.
const LONGEST_CHAIN: usize = 16;

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

    fn parts_of(&self, whole: usize) -> Vec<usize> {
        let at = self.parts.partition_point(|part| (part.0 as usize) < whole);
        self.parts[at..]
            .iter()
            .take_while(|part| part.0 as usize == whole)
            .map(|part| part.1 as usize)
            .collect()
    }

    /// What an address is called: a function, or a distance into one.
    pub(crate) fn label(&self, address: u64) -> String {
        if let Some(name) = self.name_at(address) {
            return names::demangle(self.text(name));
        }
        match self.function_at(address) {
            Some(function) if function.mangled().is_some() => {
                format!(
                    "{}+{:#x}",
                    function.name(),
                    address.wrapping_sub(function.address())
                )
            }
            _ => format!("{address:#x}"),
        }
    }

    /// Follows a call through stubs and thunks to its end.
    pub(crate) fn follow(&self, reached: Reached) -> Journey {
        let mut journey = Journey {
            end: End::Unknown,
            via: Vec::new(),
            instructions: Some(1),
            stub: false,
            thunk: false,
            open: false,
        };
        let mut next = match reached {
            Reached::Address(to) | Reached::Held(to) => self.arrive(to),
            Reached::Slot(at) | Reached::Loaded(at) => self
                .bound(at)
                .map_or(Next::Nowhere, |bound| self.through(bound)),
            Reached::Pointer | Reached::Undecided | Reached::Inside => Next::Nowhere,
        };
        loop {
            match next {
                Next::Nowhere => {
                    journey.instructions = None;
                    return journey;
                }
                Next::End(end) => {
                    journey.end = end;
                    return journey;
                }
                Next::Lazy(name) => {
                    // The first call goes through the dynamic linker's resolver.
                    journey.instructions = None;
                    journey.stub = true;
                    journey.end = End::Symbol(name);
                    return journey;
                }
                Next::Undefined(name) => {
                    // The linker decides what lies between.
                    journey.instructions = None;
                    journey.open = true;
                    journey.end = End::Symbol(name);
                    return journey;
                }
                Next::Stub {
                    at,
                    instructions,
                    bound,
                } => {
                    if journey.via.len() >= LONGEST_CHAIN {
                        return Journey {
                            end: End::Unknown,
                            instructions: None,
                            ..journey
                        };
                    }
                    journey.stub = true;
                    journey.instructions = journey.instructions.map(|known| known + instructions);
                    journey.via.push(match bound {
                        Bound::Symbol(name) | Bound::Lazily(name) => {
                            format!("{}@plt", names::demangle(self.text(name)))
                        }
                        _ => self.label(at),
                    });
                    next = self.through(bound);
                }
                Next::Thunk {
                    at,
                    instructions,
                    to,
                } => {
                    if journey.via.len() >= LONGEST_CHAIN {
                        return Journey {
                            end: End::Unknown,
                            instructions: None,
                            ..journey
                        };
                    }
                    journey.thunk = true;
                    journey.instructions = journey.instructions.map(|known| known + instructions);
                    journey.via.push(self.label(at));
                    next = match to {
                        Reached::Address(to) => self.arrive(to),
                        Reached::Slot(slot) => self
                            .bound(slot)
                            .map_or(Next::Nowhere, |bound| self.through(bound)),
                        _ => Next::Nowhere,
                    };
                }
            }
        }
    }

    fn through(&self, bound: Bound) -> Next {
        match bound {
            Bound::Symbol(name) => Next::End(End::Symbol(name)),
            Bound::Lazily(name) => Next::Lazy(name),
            Bound::Address(to) => self.arrive(to),
            // An ifunc: the loader asks its resolver before the program starts.
            Bound::Resolved(resolver) => Next::End(End::Address(resolver)),
            Bound::Other => Next::Nowhere,
        }
    }

    fn arrive(&self, to: u64) -> Next {
        if let Some(name) = self.undefined(to) {
            return Next::Undefined(name);
        }
        let Some(section) = self.section_at(to).filter(|section| section.executable) else {
            return Next::Nowhere;
        };
        if section.stubs {
            return match self.decode_stub(to) {
                Some((slot, instructions)) => match self.bound(slot) {
                    Some(bound) => Next::Stub {
                        at: to,
                        instructions,
                        bound,
                    },
                    None => Next::Nowhere,
                },
                None => Next::Nowhere,
            };
        }
        match self.thunk(to) {
            Some((reached, instructions)) => Next::Thunk {
                at: to,
                instructions,
                to: reached,
            },
            None => Next::End(End::Address(to)),
        }
    }

    /// What the linker's stub at this address jumps through.
    pub(crate) fn stub(&self, address: u64) -> Option<Bound> {
        self.section_at(address).filter(|section| section.stubs)?;
        self.bound(self.decode_stub(address)?.0)
    }

    fn decode_stub(&self, address: u64) -> Option<(u64, u32)> {
        match self.architecture {
            Architecture::X86_64 => x86::stub(self.contents(address, 32), address),
            Architecture::Aarch64 => aarch64::stub(self.contents(address, 32), address),
        }
    }

    /// Where the function at this address passes control on to, if it does nothing else.
    fn thunk(&self, address: u64) -> Option<(Reached, u32)> {
        const LARGEST: u64 = 96;
        let piece = self.piece_from(address)?;
        let size = self.functions[piece].end - address;
        if size > LARGEST || self.thunks[piece].load(Ordering::Relaxed) == 1 {
            return None;
        }
        let code = self.contents(address, usize::try_from(size).ok()?);
        let found = match self.architecture {
            Architecture::X86_64 => x86::thunk(code, address),
            Architecture::Aarch64 => aarch64::thunk(code, address),
        };
        let found = found.filter(|found| match found.0 {
            Reached::Slot(slot) => self.is_constant(slot),
            // A function that jumps to itself passes nothing on.
            Reached::Address(to) => self.piece_at(to) != Some(piece),
            _ => false,
        });
        self.thunks[piece].store(if found.is_some() { 2 } else { 1 }, Ordering::Relaxed);
        found
    }

    pub(crate) fn route(&self, reached: Reached) -> Route {
        let plain = match reached {
            Reached::Address(_) => Route::Direct,
            Reached::Slot(_) => Route::Got,
            Reached::Held(_) | Reached::Loaded(_) => Route::Register,
            Reached::Pointer => return Route::Pointer,
            Reached::Undecided | Reached::Inside => return Route::Unresolved,
        };
        let journey = self.follow(reached);
        match (journey.end, journey.thunk, journey.stub) {
            (End::Unknown, ..) => Route::Unresolved,
            (_, true, _) => Route::Thunk,
            _ if journey.open => Route::Unresolved,
            (_, false, true) => Route::Plt,
            _ => plain,
        }
    }
}

enum Next {
    Nowhere,
    End(End),
    Lazy(Name),
    /// To a symbol that this object leaves undefined.
    Undefined(Name),
    Stub {
        at: u64,
        instructions: u32,
        bound: Bound,
    },
    Thunk {
        at: u64,
        instructions: u32,
        to: Reached,
    },
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
struct Scanner<'a> {
    image: &'a Image,
    decoded: Vec<Instruction>,
    steps: Vec<Step>,
    info: InstructionInfoFactory,
    callees: flow::Callees,
    /// Routes found lately.
    routes: Vec<Option<(Reached, Route)>>,
}

impl<'a> Scanner<'a> {
    fn new(image: &'a Image) -> Self {
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
    fn function(&mut self, whole: usize, sites: &mut Vec<Site>) {
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
            self.follow(whole, &x86::CONVENTION, before, sites);
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
                        if x86::CONVENTION.caller_saved & (1 << register) != 0 =>
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
