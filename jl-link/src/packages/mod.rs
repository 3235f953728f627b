//! Package images: which functions and data of the output others may use, and which it takes from others.
//!
//! Before the link [`dependencies`] opens the files that the objects name; after it [`lists`] collects the records in the
//! output, [`references`] those to data, and [`write`](self) puts the image's lists in the place where they stood. [`relink`] changes
//! a finished image; [`dedup_set`] compares several.
//!
//! Of objects that do not know the dependency, [`copies`] says what they hold, [`replace`] decides what of it leaves, and
//! [`stand_ins`] writes what stands for it; [`late`] does all three. [`shared`] makes an image of what several have in common,
//! of [`parts`] of their objects. [`kept_data`] refuses what the compiler should not have left out. [`base`] is for images that take nothing.

pub mod base;
pub mod bindings;
pub mod copies;
pub mod dedup_set;
pub mod dependencies;
pub mod kept_data;
pub mod late;
pub mod lists;
pub mod needs;
pub mod parts;
pub mod references;
pub mod relink;
pub mod replace;
pub mod shared;
pub mod sizes;
pub mod stand_ins;
mod write;

pub use dependencies::Dependencies;
pub use late::Late;
pub use lists::{Lists, PackageCounts};
