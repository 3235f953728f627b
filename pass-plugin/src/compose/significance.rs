//! The address-significance table: which symbols' addresses are taken, so that the linker folds only others
//! (`--icf=safe`). An object without one counts as if it named all of its symbols.

use super::error::Result;
use super::input::{Input, Role};
use super::symbols::SymbolTable;

/// The output's table: symbols in ULEB128. None where no input has one.
pub fn table(inputs: &[Input], symbols: &SymbolTable) -> Result<Option<Vec<u8>>> {
    let mut significant = vec![false; symbols.entries.len() + 1];
    let mut any = false;
    for input in inputs {
        let indices = symbols.indices(input.object);
        let mut has_one = false;
        for section in 0..input.sections.len() {
            // Without a link to the symbols it is what some tool left of one, and means nothing.
            let table = &input.sections[section];
            if table.role == Role::AddressSignificance && table.link != 0 {
                has_one = true;
                for symbol in read(input, section)? {
                    significant[indices[symbol] as usize] = true;
                }
            }
        }
        any |= has_one;
        if !has_one {
            indices.iter().for_each(|i| significant[*i as usize] = true);
        }
    }
    if !any {
        return Ok(None);
    }
    let mut table = Vec::new();
    for symbol in (1..significant.len()).filter(|s| significant[*s]) {
        write_uleb(symbol, &mut table);
    }
    Ok(Some(table))
}

fn read(input: &Input, section: usize) -> Result<Vec<usize>> {
    let mut symbols = Vec::new();
    let mut data = input.sections[section].data.iter();
    while !data.as_slice().is_empty() {
        let symbol = read_uleb(&mut data).filter(|s| *s < input.symbols.len());
        let Some(symbol) = symbol else {
            let expected = format!("indices of {} symbols in ULEB128", input.symbols.len());
            return Err(input.unexpected(input.called(section), "another number", expected));
        };
        symbols.push(symbol);
    }
    Ok(symbols)
}

/// None where it does not end or does not fit.
fn read_uleb(data: &mut std::slice::Iter<u8>) -> Option<usize> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = *data.next()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).ok();
        }
    }
    None
}

fn write_uleb(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
