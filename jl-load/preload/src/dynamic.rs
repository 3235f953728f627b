//! The dynamic section, as far as the search for an object's dependencies depends on it.

use image_format::pod::read_at;

const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_SONAME: u64 = 14;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DF_1_NODEFLIB: u64 = 0x800;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    pub soname: Option<Vec<u8>>,
    pub needed: Vec<Vec<u8>>,
    /// As it counts: a DT_RPATH beside a DT_RUNPATH does not.
    pub rpath: Option<Vec<u8>>,
    pub runpath: Option<Vec<u8>>,
    /// The default directories are not searched for it.
    pub no_default: bool,
}

impl Dynamic {
    /// From the section's bytes; `string` gives the string at an offset of the table at an address.
    pub fn parse(section: &[u8], string: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Option<Dynamic> {
        let entry = |i: usize| Some((read_at::<u64>(section, 16 * i)?, read_at::<u64>(section, 16 * i + 8)?));
        let entries = || (0..).map_while(entry).take_while(|(tag, _)| *tag != DT_NULL);
        let (_, table) = entries().find(|(tag, _)| *tag == DT_STRTAB)?;
        let mut found = Dynamic::default();
        for (tag, value) in entries() {
            match tag {
                DT_NEEDED => found.needed.push(string(table, value)?),
                DT_SONAME => found.soname = Some(string(table, value)?),
                DT_RPATH => found.rpath = Some(string(table, value)?),
                DT_RUNPATH => found.runpath = Some(string(table, value)?),
                DT_FLAGS_1 => found.no_default = value & DF_1_NODEFLIB != 0,
                _ => {}
            }
        }
        if found.runpath.is_some() {
            found.rpath = None;
        }
        Some(found)
    }
}
