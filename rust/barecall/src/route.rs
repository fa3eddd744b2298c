//! The seven routes a call can take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a call gets from a function to a symbol.
///
/// ```
/// use barecall::Route;
/// assert!(Route::Got.is_bare() && !Route::Plt.is_bare());
/// assert_eq!("thunk".parse(), Ok(Route::Thunk));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Route {
    /// `call rel32` (`bl`) to the symbol itself.
    Direct,
    /// `call *slot(%rip)`, the slot bound to the symbol.
    Got,
    /// A register, or its spill slot, loaded with the symbol's address earlier, then `call *%reg`.
    Register,
    /// `call` to a linker stub that jumps through a slot.
    Plt,
    /// `call` to a function that does nothing but pass control on, or to a language runtime that does (Go's).
    Thunk,
    /// An indirect call whose target is not a constant of the image.
    Pointer,
    /// It could not be decided.
    Unresolved,
}

impl Route {
    /// Every route, bare ones first.
    pub const ALL: [Self; 7] = [
        Self::Direct,
        Self::Got,
        Self::Register,
        Self::Plt,
        Self::Thunk,
        Self::Pointer,
        Self::Unresolved,
    ];

    /// Whether exactly one instruction executes between the caller and the callee's first instruction.
    /// What could not be decided is not bare.
    #[must_use]
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Direct | Self::Got | Self::Register)
    }

    /// The route's word, as every output spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Got => "got",
            Self::Register => "register",
            Self::Plt => "plt",
            Self::Thunk => "thunk",
            Self::Pointer => "pointer",
            Self::Unresolved => "unresolved",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Route {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|route| route.as_str() == word)
            .ok_or_else(|| {
                format!(
                    "{word} is no route; the routes are {}",
                    Self::ALL.map(Self::as_str).join(", ")
                )
            })
    }
}
