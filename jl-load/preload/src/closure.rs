//! What a loaded object needs, directly or through others: only that is a dlopen's own doing.

use crate::dynamic::Dynamic;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An object of a namespace.
#[derive(Debug)]
pub struct Member {
    /// [`crate::objects::Object::bias`].
    pub bias: usize,
    /// The path that it was loaded by.
    pub path: Vec<u8>,
    pub dynamic: Dynamic,
}

/// Whether `name`, of a DT_NEEDED or given to dlopen, may mean an object that was loaded by `path` and calls itself
/// `soname`.
pub fn may_mean(name: &[u8], path: &[u8], soname: Option<&[u8]>) -> bool {
    let file = Path::new(OsStr::from_bytes(path)).file_name();
    soname == Some(name) || path == name || file.is_some_and(|file| file.as_bytes() == name)
}

/// The biases of the object at `first` and of all that it needs. Of several that a name may mean all are taken.
pub fn of(first: usize, members: &[Member]) -> Vec<usize> {
    let mut found = vec![first];
    let mut next = 0;
    while let Some(bias) = found.get(next).copied() {
        next += 1;
        let Some(asker) = members.iter().find(|member| member.bias == bias) else { continue };
        for name in &asker.dynamic.needed {
            for member in members {
                let is_meant = may_mean(name, &member.path, member.dynamic.soname.as_deref());
                if is_meant && !found.contains(&member.bias) {
                    found.push(member.bias);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(bias: usize, path: &str, soname: Option<&str>, needed: &[&str]) -> Member {
        let bytes = |text: &&str| text.as_bytes().to_vec();
        let needed = needed.iter().map(bytes).collect();
        let dynamic = Dynamic { soname: soname.as_ref().map(bytes), needed, ..Dynamic::default() };
        Member { bias, path: path.into(), dynamic }
    }

    #[test]
    fn what_is_needed_through_others_and_nothing_else() {
        let members = [
            member(0, "", None, &["libc.so.6"]),
            member(1, "/lib/libc.so.6", Some("libc.so.6"), &[]),
            member(2, "./liba.so", None, &["libb.so", "libc.so.6"]),
            member(3, "/opt/libb.so", Some("libb.so.1"), &["./liba.so", "/opt/d/libd.so"]),
            member(4, "/opt/d/libd.so", None, &[]),
            member(5, "./libother.so", None, &["libd.so"]),
        ];
        assert_eq!(of(2, &members), [2, 3, 1, 4]);
        assert_eq!(of(5, &members), [5, 4]);
        assert_eq!(of(9, &members), [9]);
    }
}
