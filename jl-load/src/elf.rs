//! The parts of an ELF file that images need: segments, RELRO, notes and symbols.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::dynamic::DT_STRTAB;
use goblin::elf::header::{ELFCLASS64, ELFDATA2LSB, ET_DYN, ET_EXEC, ET_REL, Header};
use goblin::elf::program_header::{
    PF_W, PF_X, PT_DYNAMIC, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_NOTE, ProgramHeader,
};
use goblin::elf::section_header::{SHT_DYNSYM, SHT_SYMTAB, SectionHeader};
use goblin::elf::sym::{STT_FUNC, STT_OBJECT, Symtab};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why a file cannot be read as ELF. Causes stand in the text and are not given as `source` besides: whoever
/// prints the chain would print them twice.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    #[error("{path}: cannot be read: {cause}; expected a shared object or an executable")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error(
        "{path}: not an ELF file: it starts with {found:02x?}, expected [7f, 45, 4c, 46]; \
             expected a shared object or an executable"
    )]
    NotElf { path: PathBuf, found: Vec<u8> },
    #[error("{path}: damaged or truncated ELF file: {reason}; restore it or link it again")]
    Damaged { path: PathBuf, reason: String },
    #[error("{path}: {found}; only 64-bit little-endian ELF files hold code images")]
    Class { path: PathBuf, found: String },
    #[error("{path}: a relocatable object: link it first, images are shared objects and executables")]
    Relocatable { path: PathBuf },
}

/// A linked ELF file in memory.
pub struct ElfFile {
    pub path: PathBuf,
    bytes: Vec<u8>,
    pub machine: u16,
    /// PT_INTERP is there, or the type is not that of a shared object.
    pub is_executable: bool,
    /// PT_INTERP is there: a program that a dynamic linker loads.
    pub has_interpreter: bool,
    segments: Vec<Segment>,
    relro: Vec<Range<u64>>,
    notes: Vec<Note>,
    symbols: Vec<Symbol>,
    /// Tags and values of the dynamic section.
    dynamic: Vec<[u64; 2]>,
}

struct Segment {
    memory: Range<u64>,
    file: Range<usize>,
    executable: bool,
    writable: bool,
}

/// An ELF note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Address of its first byte.
    pub address: u64,
    pub name: Vec<u8>,
    pub kind: u32,
    /// The whole note with its head.
    pub file: Range<usize>,
    pub description: Range<usize>,
}

/// A defined function or data symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    pub address: u64,
    /// In bytes; 0 where it is not known.
    pub size: u64,
    pub is_function: bool,
}

const CONTEXT: Ctx = Ctx { container: Container::Big, le: Endian::Little };

impl ElfFile {
    /// Reads the file at `path`.
    pub fn open(path: &Path) -> Result<ElfFile, ElfError> {
        let bytes = std::fs::read(path).map_err(|cause| ElfError::Read { path: path.to_owned(), cause })?;
        Self::parse(path, bytes)
    }

    /// From `bytes` that were read from `path`.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<ElfFile, ElfError> {
        let damaged = |reason: String| ElfError::Damaged { path: path.to_owned(), reason };
        let class = |found: String| ElfError::Class { path: path.to_owned(), found };
        if !bytes.starts_with(b"\x7fELF") {
            let found = bytes.iter().take(4).copied().collect();
            return Err(ElfError::NotElf { path: path.to_owned(), found });
        }
        match (bytes.get(4), bytes.get(5)) {
            (Some(&ELFCLASS64), Some(&ELFDATA2LSB)) => {}
            (Some(4..) | None, _) | (_, None) => {
                return Err(damaged("the identification is cut or wrong".into()));
            }
            (Some(&ELFCLASS64), _) => return Err(class("this file is big-endian".into())),
            _ => return Err(class("this file is 32-bit".into())),
        }
        let header: Header =
            goblin::elf::Elf::parse_header(&bytes).map_err(|e| damaged(format!("its header: {e}")))?;
        if header.e_type == ET_REL {
            return Err(ElfError::Relocatable { path: path.to_owned() });
        }
        if header.e_type != ET_DYN && header.e_type != ET_EXEC {
            return Err(damaged(format!(
                "type {} is neither a shared object nor an executable",
                header.e_type
            )));
        }
        let program = ProgramHeader::parse(
            &bytes,
            usize::try_from(header.e_phoff).unwrap_or(usize::MAX),
            usize::from(header.e_phnum),
            CONTEXT,
        )
        .map_err(|e| damaged(format!("its program headers: {e}")))?;
        let has = |kind| program.iter().any(|p| p.p_type == kind);
        let is_executable = header.e_type == ET_EXEC || has(PT_INTERP) || !has(PT_DYNAMIC);
        let mut file = ElfFile {
            path: path.to_owned(),
            machine: header.e_machine,
            is_executable,
            has_interpreter: has(PT_INTERP),
            segments: Vec::new(),
            relro: Vec::new(),
            notes: Vec::new(),
            symbols: Vec::new(),
            dynamic: Vec::new(),
            bytes,
        };
        for p in &program {
            let wrong = || damaged(format!("a segment at {:#x} lies outside the file", p.p_offset));
            let memory = p.p_vaddr..p.p_vaddr.checked_add(p.p_memsz).ok_or_else(wrong)?;
            match p.p_type {
                PT_LOAD => {
                    let file_range = file.range(p.p_offset, p.p_filesz).ok_or_else(wrong)?;
                    let (executable, writable) = (p.p_flags & PF_X != 0, p.p_flags & PF_W != 0);
                    file.segments.push(Segment { memory, file: file_range, executable, writable });
                }
                PT_GNU_RELRO => file.relro.push(memory),
                PT_DYNAMIC => {
                    let range = file.range(p.p_offset, p.p_filesz).ok_or_else(wrong)?;
                    let words = file.bytes[range].as_chunks::<8>().0;
                    let word = |word: &[u8; 8]| u64::from_le_bytes(*word);
                    file.dynamic = words.as_chunks::<2>().0.iter().map(|[a, b]| [word(a), word(b)]).collect();
                }
                PT_NOTE => {
                    let range = file.range(p.p_offset, p.p_filesz).ok_or_else(wrong)?;
                    let notes = notes(&file.bytes, range, p.p_vaddr, p.p_align);
                    file.notes.extend(notes);
                }
                _ => {}
            }
        }
        file.symbols = symbols(&file.bytes, &header);
        Ok(file)
    }

    fn range(&self, offset: u64, size: u64) -> Option<Range<usize>> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        (end <= self.bytes.len()).then_some(start..end)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// File offset of an address that the file has bytes for.
    pub fn file_offset(&self, address: u64) -> Option<usize> {
        self.segments.iter().find_map(|s| {
            let delta = usize::try_from(address.checked_sub(s.memory.start)?).ok()?;
            (delta < s.file.len()).then(|| s.file.start + delta)
        })
    }

    /// All bytes of the file from `address` to the end of its segment.
    pub fn from_address(&self, address: u64) -> Option<&[u8]> {
        self.segments.iter().find_map(|s| {
            let delta = usize::try_from(address.checked_sub(s.memory.start)?).ok()?;
            if delta < s.file.len() { self.bytes.get(s.file.start + delta..s.file.end) } else { None }
        })
    }

    /// `size` bytes at `address`.
    pub fn at(&self, address: u64, size: usize) -> Option<&[u8]> {
        self.from_address(address)?.get(..size)
    }

    /// Whether code may stand at `address`.
    pub fn is_code(&self, address: u64) -> bool {
        self.segments.iter().any(|s| s.executable && s.memory.contains(&address))
    }

    /// Whether `size` bytes at `address` may be written to when the file is loaded.
    pub fn is_writable(&self, address: u64, size: u64) -> bool {
        let end = address.checked_add(size);
        let holds = |r: &Range<u64>| r.contains(&address) && end.is_some_and(|end| end <= r.end);
        self.segments.iter().any(|s| s.writable && holds(&s.memory))
    }

    /// The zero-terminated text at `address`.
    pub fn string_at(&self, address: u64) -> Option<&str> {
        let tail = self.from_address(address)?;
        std::str::from_utf8(tail.get(..tail.iter().position(|byte| *byte == 0)?)?).ok()
    }

    /// Whether `size` bytes at `address` lie in a part that is read-only after relocation.
    pub fn is_relro(&self, address: u64, size: u64) -> bool {
        self.relro
            .iter()
            .any(|r| r.contains(&address) && address.checked_add(size).is_some_and(|end| end <= r.end))
    }

    /// The value of the first entry of the dynamic section with this tag.
    pub fn dynamic(&self, tag: u64) -> Option<u64> {
        // The null entry ends it; what stands behind is not looked at.
        let entries = self.dynamic.iter().take_while(|[found, _]| *found != 0);
        entries.into_iter().find(|[found, _]| *found == tag).map(|[_, value]| *value)
    }

    /// The strings of the dynamic section with this tag.
    pub fn dynamic_strings(&self, tag: u64) -> Vec<String> {
        let table = self.dynamic(DT_STRTAB).and_then(|table| self.from_address(table)).unwrap_or(&[]);
        let entries = self.dynamic.iter().take_while(|[found, _]| *found != 0);
        let offsets = entries.filter(|[found, _]| *found == tag).map(|[_, offset]| *offset);
        let string =
            |offset: u64| table.get(usize::try_from(offset).ok()?..)?.split(|byte| *byte == 0).next();
        offsets.filter_map(|offset| Some(String::from_utf8_lossy(string(offset)?).into_owned())).collect()
    }

    /// Notes with our name.
    pub fn our_notes(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|n| n.name == image_format::layout::NOTE_NAME)
    }

    /// The GNU build id.
    pub fn build_id(&self) -> Option<&[u8]> {
        const NT_GNU_BUILD_ID: u32 = 3;
        let note = self.notes.iter().find(|n| n.name == b"GNU\0" && n.kind == NT_GNU_BUILD_ID)?;
        self.bytes.get(note.description.clone())
    }

    /// Functions and data of `.symtab` and `.dynsym`, by address; names may come twice.
    pub fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// The first symbol at `address`.
    pub fn symbol_at(&self, address: u64) -> Option<&str> {
        let first = self.symbols.partition_point(|s| s.address < address);
        self.symbols.get(first).filter(|s| s.address == address).map(|s| s.name.as_str())
    }
}

/// The notes in a segment.
fn notes(bytes: &[u8], segment: Range<usize>, address: u64, alignment: u64) -> Vec<Note> {
    let start = segment.start;
    let found = image_format::notes::notes(bytes.get(segment).unwrap_or(&[]), alignment);
    found
        .map(|note| Note {
            address: address.wrapping_add(note.offset as u64),
            name: note.name.to_vec(),
            kind: note.kind,
            file: start + note.offset..start + note.end(),
            description: start + note.descriptor_offset..start + note.end(),
        })
        .collect()
}

/// Symbols by address. A file without sections, or with damaged ones, has none: they serve names only.
fn symbols(bytes: &[u8], header: &Header) -> Vec<Symbol> {
    let offset = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
    let sections = if offset == 0 || offset >= bytes.len() {
        Vec::new()
    } else {
        SectionHeader::parse(bytes, offset, usize::from(header.e_shnum), CONTEXT).unwrap_or_default()
    };
    let content = |s: &SectionHeader| {
        let start = usize::try_from(s.sh_offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(s.sh_size).ok()?)?)
    };
    let mut found = Vec::new();
    for section in &sections {
        if section.sh_type != SHT_SYMTAB && section.sh_type != SHT_DYNSYM {
            continue;
        }
        let Some(names) = sections.get(section.sh_link as usize).and_then(content) else { continue };
        let Some(table) = content(section) else { continue };
        let count = table.len() / 24;
        let Ok(table) = Symtab::parse(table, 0, count, CONTEXT) else { continue };
        for symbol in table.iter() {
            let is_function = symbol.st_type() == STT_FUNC;
            let other = symbol.st_type() != STT_OBJECT && symbol.st_type() != 0;
            if symbol.st_shndx == 0 || !is_function && other {
                continue;
            }
            let name = names.get(symbol.st_name..).and_then(|tail| tail.split(|byte| *byte == 0).next());
            // Mapping symbols (AAELF64, 5.5.4: where code and data begin) name nothing.
            let is_mapping = |name: &[u8]| {
                symbol.st_type() == 0 && matches!(name, [b'$', b'd' | b'x'] | [b'$', b'd' | b'x', b'.', ..])
            };
            if let Some(name) = name.filter(|name| !name.is_empty() && !is_mapping(name)) {
                let name = String::from_utf8_lossy(name).into_owned();
                found.push(Symbol { name, address: symbol.st_value, size: symbol.st_size, is_function });
            }
        }
    }
    found.sort_by(|a, b| (a.address, !a.is_function, &a.name).cmp(&(b.address, !b.is_function, &b.name)));
    found.dedup();
    found
}
