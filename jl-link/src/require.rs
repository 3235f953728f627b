//! What a CPU must have for each target: what the finished code uses, instead of all that was declared.

use crate::arch;
use crate::error::Result;
use crate::features::{self, Used};
use crate::merge::Merged;
use crate::pieces;
use crate::retarget::Retargeted;
use image_format::specs::{self, Specs};

/// An image whose target list says what its code uses: the sixth phase's output.
pub struct Required {
    pub retargeted: Retargeted,
    /// Per target; empty for an architecture whose instructions we do not read: there all that was declared is
    /// required.
    pub used: Vec<Used>,
}

/// Reads the code and writes what it uses into the image's target list.
///
/// # Errors
/// None but damage that the earlier phases would have seen.
pub fn require(mut retargeted: Retargeted) -> Result<Required> {
    let Merged { elf, functions, specs, .. } = &retargeted.merged;
    if specs.is_empty() {
        return Ok(Required { retargeted, used: Vec::new() });
    }
    let list = Specs::parse(specs).map_err(|e| elf.wrong("target list", e.to_string(), "an intact one"))?;
    let Some(reader) = arch::feature_reader(elf.arch) else {
        return Ok(Required { retargeted, used: Vec::new() });
    };
    let facts = pieces::collect(elf, reader, functions, &retargeted.map, &list);
    let used = features::used(&facts);
    let sets: Vec<_> = used.iter().map(|u| u.features).collect();
    let Merged { elf, specs, header, header_address, .. } = &mut retargeted.merged;
    specs::set_decoded(specs, &sets);
    elf.write(header_address.wrapping_add_signed(header.specs.offset.into()), specs)?;
    Ok(Required { retargeted, used })
}
