//! Tables in data that hold functions' addresses as 32-bit distances, as those of Julia before 1.9 do: what they say of
//! cloned functions becomes part of the image table, so that they lead to bodies without the detour over a
//! trampoline.

use crate::arch;
use crate::elf::Elf;
use crate::error::Result;
use crate::merge::Function;
use object::elf;
use std::collections::HashMap;

/// What Julia's loader adds the distances to, and the table: how many there are, then the distances.
const BASE: &str = "jl_sysimg_fvars_base";
const TABLE: &str = "jl_sysimg_fvars_offsets";
/// Size in bytes of a distance, and of the number before them.
const WORD: u64 = 4;

/// A place that holds the address of a cloned function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    pub place: u64,
    pub base: u64,
    /// Index of the function.
    pub function: usize,
}

/// Finds the distances that lead to trampolines, by place; none where the table is not relative to itself or would not
/// be read-only after start, as the plugin leaves it. At most one for each function is given back, for there is room
/// for no more: further ones stay on the trampoline.
///
/// # Errors
/// A table that is longer than its symbol.
pub fn find(elf: &Elf, functions: &[Function]) -> Result<Vec<Distance>> {
    let (Some(table), Some(base)) = (elf.symbol(TABLE), elf.symbol(BASE)) else { return Ok(Vec::new()) };
    let (base, size) = (base.value, table.size);
    if base != table.value || !table.is_defined() || !is_relro(elf, base, size) || base % WORD != 0 {
        return Ok(Vec::new());
    }
    let count = elf.read::<u32>(base).map_or(0, u64::from);
    if WORD * (1 + count) > size {
        return Err(elf.wrong(TABLE, format!("{count} entries in {size} bytes"), "no more than fit"));
    }
    let slots: HashMap<u64, usize> = functions.iter().enumerate().map(|(i, f)| (f.slot, i)).collect();
    let mut seen = vec![false; functions.len()];
    let mut found = Vec::new();
    for place in (1..=count).map(|index| base + WORD * index) {
        let Some(distance) = elf.read::<i32>(place) else { continue };
        let address = base.wrapping_add_signed(distance.into());
        let function = arch::trampoline(elf.arch, elf, address).and_then(|slot| slots.get(&slot).copied());
        if let Some(function) = function.filter(|f| !std::mem::replace(&mut seen[*f], true)) {
            found.push(Distance { place, base, function });
        }
    }
    Ok(found)
}

/// Whether Julia's loader takes the file for a system image.
pub fn is_system_image(elf: &Elf) -> bool {
    elf.symbol(BASE).is_some_and(|symbol| symbol.is_defined())
}

/// Lets each distance lead to the body of row 0, where it stays if nobody fills the image.
///
/// # Errors
/// None but damage that [`find`] would have seen.
pub fn write_baseline(elf: &mut Elf, distances: &[Distance], functions: &[Function]) -> Result<()> {
    for Distance { place, base, function } in distances {
        // Both lie in one image of less than 2 GiB, as the header's offsets ask.
        let distance = functions[*function].bodies[0].wrapping_sub(*base) as i32;
        elf.write(*place, &distance.to_le_bytes())?;
    }
    Ok(())
}

fn is_relro(elf: &Elf, start: u64, size: u64) -> bool {
    let relro = elf.segments.iter().filter(|s| s.kind == elf::PT_GNU_RELRO);
    size >= WORD && relro.into_iter().any(|s| s.contains(start) && s.contains(start + size - 1))
}
