//! Package images: which functions of the output others may use, and which it takes from others.
//!
//! Before the link [`dependencies`] opens the files that the objects name; after it [`lists`] turns the records in the
//! output into the image's lists, in the place where the records stood. [`relink`] changes a finished image.

pub mod dependencies;
pub mod lists;
pub mod relink;

pub use dependencies::Dependencies;
pub use lists::{Lists, PackageCounts};
