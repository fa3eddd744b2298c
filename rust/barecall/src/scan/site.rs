//! What is kept of each call: an image may have millions.

use crate::function::word;
use crate::image::Image;
use crate::ir::CallTarget;
use crate::route::Route;

/// A call, with whole addresses or ones relative to the image's first.
#[derive(Clone, Copy)]
pub(crate) struct Site<A = u64> {
    pub at: A,
    /// The address or slot that it reaches; which of the two, and how, `kind` says.
    // Apart from each other they take half the space.
    address: A,
    /// Its length in bytes; 0 for one that stands for a [`Run::far`].
    pub len: u8,
    pub tail: bool,
    kind: CallTarget<()>,
    pub route: Route,
}

impl<A> Site<A> {
    /// The same with other addresses.
    fn with<B>(&self, at: B, address: B, len: u8) -> Site<B> {
        Site {
            at,
            address,
            len,
            tail: self.tail,
            kind: self.kind,
            route: self.route,
        }
    }
}

impl Site {
    pub(crate) fn new(at: u64, len: u8, tail: bool, target: CallTarget, route: Route) -> Self {
        // One without an address is near.
        let mut address = at;
        Self {
            kind: target.map(|to| address = to),
            at,
            address,
            len,
            tail,
            route,
        }
    }

    pub(crate) fn target(&self) -> CallTarget {
        self.kind.map(|()| self.address)
    }
}

/// The calls of some functions that follow each other, as they are kept.
pub(crate) struct Run {
    /// The first fragment that was looked through.
    pub first: usize,
    /// Each function that has calls, and where these end among the sites.
    callers: Box<[(u32, u32)]>,
    sites: Box<[Site<u32>]>,
    /// Sites with an address that is too far from the base.
    far: Box<[Site]>,
    /// What the sites' addresses are relative to.
    base: u64,
}

/// The same while they are found.
#[derive(Default)]
pub(crate) struct Found {
    callers: Vec<(u32, u32)>,
    sites: Vec<Site<u32>>,
    far: Vec<Site>,
    base: u64,
}

impl Found {
    pub(crate) fn new(image: &Image) -> Self {
        Self {
            base: image.sections.first().map_or(0, |section| section.start),
            ..Self::default()
        }
    }

    /// Adds the calls of a function.
    pub(crate) fn add(&mut self, function: usize, sites: &[Site]) {
        let near = |address: u64| u32::try_from(address.checked_sub(self.base)?).ok();
        for site in sites {
            let (at, address, len) = match near(site.at).zip(near(site.address)) {
                Some((at, address)) => (at, address, site.len),
                None => {
                    self.far.push(*site);
                    (word(self.far.len() - 1), 0, 0)
                }
            };
            self.sites.push(site.with(at, address, len));
        }
        if !sites.is_empty() {
            self.callers.push((word(function), word(self.sites.len())));
        }
    }

    /// Takes what was found since the last time.
    pub(crate) fn take(&mut self, first: usize) -> Run {
        let run = Run {
            first,
            callers: self.callers.as_slice().into(),
            sites: self.sites.as_slice().into(),
            far: self.far.as_slice().into(),
            base: self.base,
        };
        self.callers.clear();
        self.sites.clear();
        self.far.clear();
        run
    }
}

impl Run {
    /// How many sites there are.
    pub(crate) const fn len(&self) -> usize {
        self.sites.len()
    }

    /// A function that has calls, and where these end among the sites.
    pub(crate) fn caller(&self, n: usize) -> Option<(usize, usize)> {
        let (function, end) = *self.callers.get(n)?;
        Some((function as usize, end as usize))
    }

    pub(crate) fn site(&self, n: usize) -> Site {
        let site = self.sites[n];
        if site.len == 0 {
            return self.far[site.at as usize];
        }
        let whole = |address: u32| self.base + u64::from(address);
        site.with(whole(site.at), whole(site.address), site.len)
    }
}
