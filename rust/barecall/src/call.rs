//! A function and its calls: what the instrument finds, as a user reads it.

use std::fmt;
use std::sync::OnceLock;

use crate::cgo;
use crate::error::Error;
use crate::image::{Bound, Image, Name};
use crate::ir::CallTarget;
use crate::isa;
use crate::names::{self, Fit};
use crate::resolve::{Destination, End};
use crate::route::Route;
use crate::scan::{self, Run, Scanner, Site};

impl Image {
    /// The calls of every function, by address, on all cores; `progress` hears how many bytes of code are done
    /// and how many there are.
    #[must_use]
    pub fn calls(&self, progress: impl Fn(u64, u64) + Sync) -> Calls<'_> {
        let runs = scan::all(self, progress);
        Calls {
            image: self,
            len: runs.iter().map(Run::len).sum(),
            runs,
        }
    }

    /// Every function, by address; one without a name is called by its address.
    pub fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        (0..self.functions.len())
            .filter(|&n| self.functions[n].part_of.is_none())
            .map(|n| Function::new(self, n))
    }

    /// The function that bears this name: mangled, demangled, or the end of a demangled one from a `::` or `.` on.
    ///
    /// # Errors
    /// When none fits (near names are suggested), several do (they are listed), or the image is stripped.
    pub fn function(&self, name: &str) -> Result<Function<'_>, Error> {
        let mut best: Option<Fit> = None;
        let mut fits: Vec<(usize, Name)> = Vec::new();
        for symbol in &self.symbols {
            let Some(fit) = names::fit(name, self.text(symbol.name)) else {
                continue;
            };
            let Some(piece) = self.fragment_from(symbol.address) else {
                continue;
            };
            if best.is_none_or(|best| fit > best) {
                best = Some(fit);
                fits.clear();
            }
            // Symbols are in the order of their addresses, so names of one piece follow each other.
            if best == Some(fit) && fits.last().is_none_or(|known| known.0 != piece) {
                fits.push((piece, symbol.name));
            }
        }
        match fits[..] {
            [(piece, symbol)] => Ok(Function {
                // Under another of its names, perhaps.
                name: Some(symbol),
                ..Function::new(self, piece)
            }),
            [] if let Some(piece) = self.piece_by_address(name) => Ok(Function::new(self, piece)),
            [] if self.functions.iter().all(|piece| piece.name.is_none()) => Err(Error::Stripped {
                path: self.path.clone(),
                wanted: name.to_owned(),
            }),
            [] => {
                let known = self
                    .symbols
                    .iter()
                    .map(|symbol| names::demangle(self.text(symbol.name)));
                Err(Error::NoSuchFunction {
                    path: self.path.clone(),
                    wanted: name.to_owned(),
                    near: names::near(name, known),
                })
            }
            _ => {
                let fits = fits
                    .iter()
                    .map(|&(piece, symbol)| {
                        let mangled = self.text(symbol);
                        format!(
                            "{} ({mangled}, at {:#x})",
                            names::demangle(mangled),
                            self.functions[piece].start
                        )
                    })
                    .collect();
                Err(Error::Ambiguous {
                    path: self.path.clone(),
                    wanted: name.to_owned(),
                    fits,
                })
            }
        }
    }

    /// The function that contains an address of the image.
    #[must_use]
    pub fn function_at(&self, address: u64) -> Option<Function<'_>> {
        Some(Function::new(self, self.whole_at(address)?))
    }

    fn piece_by_address(&self, name: &str) -> Option<usize> {
        let address = u64::from_str_radix(name.strip_prefix("0x")?, 16).ok()?;
        self.fragment_from(address)
    }
}

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
        // Parts without a name follow closely, cold ones anywhere; both are few.
        let pieces = std::iter::once(whole).chain(image.parts_of(whole));
        pieces.map(move |piece| (image.functions[piece].start, image.functions[piece].end))
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
        Scanner::for_one(self.image).function(self.piece, &mut sites);
        sites
            .into_iter()
            .map(|site| Call::new(self.image, self.piece, site))
            .collect()
    }
}

impl fmt::Debug for Function<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:#x}", self.name(), self.address())
    }
}

/// One call instruction: where it is, what it reaches, and how.
#[derive(Clone)]
pub struct Call<'a> {
    image: &'a Image,
    /// The caller, among the image's functions.
    from: usize,
    site: Site,
    /// Resolved once, when it is first asked for.
    destination: OnceLock<Box<Destination>>,
}

/// All calls of an image, by function and address.
///
/// An image may have millions, so this keeps less of each than a [`Call`] does.
pub struct Calls<'a> {
    image: &'a Image,
    runs: Vec<Run>,
    len: usize,
}

impl<'a> Calls<'a> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Call<'a>> {
        let mut cursor = Cursor::default();
        (0..self.len).map(move |_| cursor.next(self))
    }
}

/// How far an iterator over [`Calls`] is.
#[derive(Default)]
struct Cursor {
    run: usize,
    /// Which of the run's callers,
    caller: usize,
    /// and which of its sites.
    site: usize,
}

impl Cursor {
    /// The next of them; there has to be one.
    fn next<'a>(&mut self, calls: &Calls<'a>) -> Call<'a> {
        loop {
            let run = &calls.runs[self.run];
            match run.caller(self.caller) {
                Some((from, end)) if self.site < end => {
                    self.site += 1;
                    return Call::new(calls.image, from, run.site(self.site - 1));
                }
                Some(_) => self.caller += 1,
                None => {
                    *self = Self {
                        run: self.run + 1,
                        ..Self::default()
                    }
                }
            }
        }
    }
}

impl<'a> IntoIterator for Calls<'a> {
    type Item = Call<'a>;
    type IntoIter = IntoCalls<'a>;

    fn into_iter(self) -> IntoCalls<'a> {
        IntoCalls {
            left: self.len,
            calls: self,
            cursor: Cursor::default(),
        }
    }
}

impl fmt::Debug for Calls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The calls of [`Calls`], one after the other.
pub struct IntoCalls<'a> {
    calls: Calls<'a>,
    cursor: Cursor,
    left: usize,
}

impl<'a> Iterator for IntoCalls<'a> {
    type Item = Call<'a>;

    fn next(&mut self) -> Option<Call<'a>> {
        self.left = self.left.checked_sub(1)?;
        Some(self.cursor.next(&self.calls))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for IntoCalls<'_> {}

impl fmt::Debug for IntoCalls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls", self.len())
    }
}

impl<'a> Call<'a> {
    const fn new(image: &'a Image, from: usize, site: Site) -> Self {
        Self {
            image,
            from,
            site,
            destination: OnceLock::new(),
        }
    }

    fn destination(&self) -> &Destination {
        let resolve = || Box::new(self.image.resolve(self.site.target()));
        self.destination.get_or_init(resolve)
    }

    /// The caller.
    #[must_use]
    pub fn from(&self) -> Function<'a> {
        Function::new(self.image, self.from)
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
        isa::of(self.image.architecture).text(self.bytes(), self.site.at)
    }

    /// The readable name of the function or symbol that finally gets control; none if that is not known.
    #[must_use]
    pub fn to(&self) -> Option<String> {
        match self.destination().end {
            End::Symbol(name) => Some(names::demangle(self.image.text(name))),
            End::Address(to) => Some(self.image.label(to)),
            End::Cgo(name) => cgo::callee(self.image.text(name)).map(str::to_owned),
            End::Unknown => None,
        }
    }

    /// Every name of the symbol that finally gets control, as the symbol table has them.
    #[must_use]
    pub fn to_mangled(&self) -> Vec<&'a str> {
        match self.destination().end {
            End::Symbol(name) => self.symbol(name),
            End::Address(to) => self.symbols_at(to),
            End::Cgo(name) => cgo::callee(self.image.text(name)).into_iter().collect(),
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
        match self.destination().end {
            End::Address(to) => self.image.function_at(to),
            End::Symbol(_) | End::Cgo(_) | End::Unknown => None,
        }
    }

    /// Every name of the first function or symbol that gets control, as the symbol table has them: a thunk's own,
    /// but past the linker's stubs, which are no functions.
    #[must_use]
    pub fn callee_mangled(&self) -> Vec<&'a str> {
        let bound = match self.site.target() {
            CallTarget::Address(to) | CallTarget::RegisterAddress(to) => {
                Some(self.image.stub(to).unwrap_or(Bound::Address(to)))
            }
            CallTarget::Slot(at) | CallTarget::RegisterSlot(at) => self.image.bound(at),
            CallTarget::Pointer | CallTarget::Undecided | CallTarget::IntraFunction => None,
        };
        match bound {
            Some(Bound::Symbol(name) | Bound::Lazily(name)) => self.symbol(name),
            Some(Bound::Address(to) | Bound::Resolved(to)) => self.symbols_at(to),
            Some(Bound::Other) | None => Vec::new(),
        }
    }

    fn symbol(&self, name: Name) -> Vec<&'a str> {
        vec![names::unversioned(self.image.text(name))]
    }

    fn symbols_at(&self, address: u64) -> Vec<&'a str> {
        let names = self.image.names_at(address);
        names.map(names::unversioned).collect()
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
    pub fn via(&self) -> &[String] {
        &self.destination().via
    }

    /// How many instructions execute from this one to the target's first, which is not counted: 1 is bare.
    /// None where the target is not known, or a resolver may run.
    #[must_use]
    pub fn instructions(&self) -> Option<u32> {
        self.destination().instructions
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}: {}: {self}", self.at(), self.from().name())
    }
}
