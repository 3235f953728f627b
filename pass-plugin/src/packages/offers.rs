//! Which local functions get a name that others know; pure.
//!
//! LLVM inlines the only call of a local function whatever its size. So a function with one use stays as it is, and in a
//! package others are offered a copy, if it is so large that those who have it save more than the call costs them.

use super::weight::Size;
use image_format::identity::Identity;
use std::collections::{HashMap, HashSet};

/// A local function that may be offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Local {
    pub identity: Identity,
    /// A dependency has it.
    pub is_taken: bool,
    pub uses: usize,
    pub size: Size,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Stays,
    /// Gets the name of its identity.
    Named,
    /// The one at this place gets the name, and stands for it.
    Same(usize),
    /// Stays, and a copy of it gets the name.
    Copied,
}

/// What becomes of each: in a package, which offers what pays, or in what only takes.
pub fn plan(locals: &[Local], is_package: bool) -> Vec<Fate> {
    let mut named: HashMap<Identity, usize> = HashMap::new();
    let mut fates = vec![Fate::Stays; locals.len()];
    for (place, local) in locals.iter().enumerate() {
        let is_offered = is_package && local.uses != 1 && local.size != Size::Small;
        if local.is_taken || is_offered {
            let first = *named.entry(local.identity).or_insert(place);
            fates[place] = if first == place { Fate::Named } else { Fate::Same(first) };
        }
    }
    let mut offered: HashSet<Identity> = named.into_keys().collect();
    for (fate, local) in fates.iter_mut().zip(locals) {
        let pays = is_package && local.uses == 1 && local.size == Size::Large;
        if pays && offered.insert(local.identity) {
            *fate = Fate::Copied;
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(identity: u8, uses: usize, size: Size) -> Local {
        Local { identity: Identity([identity; 16]), is_taken: false, uses, size }
    }

    #[test]
    fn a_package_offers_what_may_be_left_when_all_is_simplified() {
        let locals = [local(1, 2, Size::Lasting), local(2, 2, Size::Small), local(3, 0, Size::Large)];
        assert_eq!(plan(&locals, true), [Fate::Named, Fate::Stays, Fate::Named]);
        assert_eq!(plan(&locals, false), [Fate::Stays; 3]);
    }

    #[test]
    fn an_only_use_stays() {
        let locals = [local(1, 1, Size::Lasting), local(2, 1, Size::Large), local(2, 1, Size::Large)];
        assert_eq!(plan(&locals, true), [Fate::Stays, Fate::Copied, Fate::Stays]);
        // Whoever calls the one that is named, wherever it stands.
        let locals = [local(1, 1, Size::Large), local(1, 2, Size::Large), local(1, 3, Size::Large)];
        assert_eq!(plan(&locals, true), [Fate::Stays, Fate::Named, Fate::Same(1)]);
    }

    #[test]
    fn what_a_dependency_has_is_named_whatever_it_is() {
        let taken = Local { is_taken: true, ..local(1, 1, Size::Small) };
        for is_package in [false, true] {
            assert_eq!(plan(&[taken, taken], is_package), [Fate::Named, Fate::Same(0)]);
        }
    }
}
