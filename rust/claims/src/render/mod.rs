//! The outputs: each is rendered from what the judge found, and measures nothing itself.

pub mod cite;
pub mod evidence;
pub mod explain;
pub mod html;
pub mod pictures;
pub mod show;
pub mod side_by_side;
pub mod table;
pub mod wrap;
