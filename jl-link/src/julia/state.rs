//! The serialised state in system images of Julia before 1.9: whether it is of the run that the code is of.
//!
//! The state says, by position alone, where each global variable of the code gets its object and which method each function
//! is of. With another run's state Julia would start and then use wrong objects.

use crate::elf::Elf;
use crate::error::{Error, Result};

/// The state, and what the code's tables begin with: how many entries they have.
const STATE: &str = "jl_system_image_data";
const VARIABLES: &str = "jl_sysimg_gvars_offsets";
const FUNCTIONS: &str = "jl_sysimg_fvars_offsets";

/// Bytes that constant data is aligned to.
const ALIGNMENT: usize = 16;
/// Bytes for a global variable: the place of its object.
const VARIABLE: usize = 4;
/// Bytes for a function: the place of its method's code.
const FUNCTION: usize = 8;

const ADVICE: &str = "give the state and the code of one run: julia --output-bc CODE --output-ji STATE";

/// How many of each a state or a code refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct References {
    pub variables: usize,
    pub functions: usize,
}

impl References {
    /// Of a state: sections, each behind its size in 32 bits: objects, constant data, symbols, relocations, variables,
    /// functions (Julia 1.5, `staticdata.c`). `None` where they are not laid out so.
    pub fn of_state(state: &[u8]) -> Option<References> {
        let mut at = 0_usize;
        let mut section = |alignment: usize| {
            let size = state.get(at..at.checked_add(4)?)?;
            let size = u32::from_le_bytes(size.try_into().ok()?) as usize;
            let start = (at + 4).next_multiple_of(alignment);
            at = start.checked_add(size).filter(|end| *end <= state.len())?;
            Some(size)
        };
        let _objects = section(1)?;
        let _constants = section(ALIGNMENT)?;
        let _symbols = section(1)?;
        let _relocations = section(1)?;
        let (variables, functions) = (section(1)?, section(1)?);
        let whole = variables % VARIABLE == 0 && functions % FUNCTION == 0;
        whole.then_some(References { variables: variables / VARIABLE, functions: functions / FUNCTION })
    }

    /// Of the code in a linked image; `None` where it is no system image's.
    fn of_code(elf: &Elf) -> Option<References> {
        let count = |table: &str| elf.read::<u32>(elf.symbol(table).filter(|s| s.is_defined())?.value);
        Some(References { variables: count(VARIABLES)? as usize, functions: count(FUNCTIONS)? as usize })
    }

    fn words(self) -> String {
        format!("{} variables and {} functions", self.variables, self.functions)
    }
}

/// Checks a linked image that has both state and code.
///
/// # Errors
/// They refer to different numbers of variables or functions, or the state is in no known form.
pub fn check(elf: &Elf) -> Result<()> {
    let Some(state) = elf.symbol(STATE).filter(|symbol| symbol.is_defined()) else { return Ok(()) };
    let Some(code) = References::of_code(elf) else { return Ok(()) };
    let problem = |problem: String, found: String| Error::Input {
        file: elf.path.display().to_string(),
        problem,
        found,
        advice: ADVICE,
    };
    let bytes = elf.slice(state.value, state.size as usize).unwrap_or_default();
    match References::of_state(bytes) {
        Some(of_state) if of_state == code => Ok(()),
        Some(of_state) => Err(problem(
            format!("{STATE} is not the state of this code, which has {}", code.words()),
            format!("found {} in the state", of_state.words()),
        )),
        None => Err(problem(
            format!("{STATE} is not a whole state of Julia 1.5"),
            format!("found {} bytes whose sections do not fit", bytes.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(variables: u32, functions: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (size, alignment) in
            [(5, 1), (3, ALIGNMENT), (7, 1), (2, 1), (4 * variables, 1), (8 * functions, 1)]
        {
            bytes.extend_from_slice(&u32::to_le_bytes(size));
            bytes.resize(bytes.len().next_multiple_of(alignment) + size as usize, 0xff);
        }
        bytes.extend_from_slice(b"roots");
        bytes
    }

    #[test]
    fn references_are_counted_by_the_sizes_of_sections() {
        let expected = References { variables: 3, functions: 2 };
        assert_eq!(References::of_state(&state(3, 2)), Some(expected));
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_no_state() {
        let whole = state(3, 2);
        let end = whole.len() - b"roots".len();
        assert!(References::of_state(&whole[..end]).is_some());
        for length in 0..end {
            assert_eq!(References::of_state(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(References::of_state(&[0xff; 64]), None);
        let mut odd = state(1, 1);
        // The size of the functions' section, behind those of the others.
        let at = odd.len() - b"roots".len() - FUNCTION - 4;
        odd[at] = 7;
        assert_eq!(References::of_state(&odd), None);
    }
}
