//! Package images by hand: a [`Sample`] that exports its functions and takes functions from others.

use super::{Machine, Sample, code, compile_c_for, link_for, merge, run};
use image_format::dependency::DependencyImage;
use image_format::details;
use image_format::image::{header_checksum, table_checksum};
use image_format::layout::{
    DEPENDENCY_FALLBACK, Dependency, Export, ExportRecord, Extent, IDENTITY_SIZE, ImageHeader, Import,
    ImportRecord, NOT_CLONED, Reference, ReferenceRecord, Referent, tag,
};
use image_format::package::{checksum, linkage_checksum};
use image_format::package_records::{export_records, import_records};
use image_format::pod::{bytes_of, read_at};
use jl_load::elf::ElfFile;
use jl_load::image::{Content, content};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A folder with a program that loads images; each test program adds the images.
pub struct Setup {
    pub folder: tempfile::TempDir,
    pub host: PathBuf,
}

impl Setup {
    pub fn new() -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let host = host(folder.path(), Machine::X86_64);
        Setup { folder, host }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// `lib{prefix}.so` with the sample's functions, and with `{prefix}plain0`, ..., which are not cloned and return
/// 1000, 1001, ...; all of them are exported. `{prefix}use0`, ... are calls through import slots.
pub struct PackageSample {
    pub sample: Sample,
    pub plain: usize,
    pub uses: Vec<Use>,
    /// Numbers in its linkage blob, 5000 and so on, of 8 bytes each.
    pub data: usize,
    /// Numbers of others, by file and index: `{prefix}datum0`, ... return them.
    pub refers: Vec<(PathBuf, usize)>,
    /// Instead of `lib{prefix}.so`.
    pub soname: Option<&'static str>,
    /// Whether the dependencies stand in DT_NEEDED.
    pub needed: bool,
    /// Counted into the identities: another one makes other functions of them.
    pub edition: usize,
}

/// A function of another image.
#[derive(Clone)]
pub struct Use {
    pub from: PathBuf,
    pub function: String,
    pub edition: usize,
    /// The image's own function of this number runs where the dependency cannot be used.
    pub fallback: Option<usize>,
}

impl Use {
    pub fn of(from: &Path, function: &str) -> Use {
        Use { from: from.to_owned(), function: function.into(), edition: 0, fallback: None }
    }
}

pub fn identity(function: &str, edition: usize) -> [u8; IDENTITY_SIZE] {
    let half = |n: usize| table_checksum(format!("{function} {edition} {n}").as_bytes()).to_be_bytes();
    let mut identity = [0; IDENTITY_SIZE];
    identity[..8].copy_from_slice(&half(0));
    identity[8..].copy_from_slice(&half(1));
    identity
}

impl PackageSample {
    pub fn new(prefix: &'static str, functions: usize, targets: &[&'static str]) -> PackageSample {
        let sample = Sample::new(prefix, functions, targets);
        PackageSample {
            sample,
            plain: 0,
            uses: Vec::new(),
            data: 0,
            refers: Vec::new(),
            soname: None,
            needed: true,
            edition: 0,
        }
    }

    pub fn with(mut self, uses: impl IntoIterator<Item = Use>) -> PackageSample {
        self.uses.extend(uses);
        self
    }

    fn exports(&self) -> Vec<String> {
        let prefix = self.sample.prefix;
        let cloned = (0..self.sample.functions).map(|i| format!("{prefix}{i}"));
        cloned.chain((0..self.plain).map(|i| format!("{prefix}plain{i}"))).collect()
    }

    fn assembly(&self, records: &[Dependency]) -> String {
        let (prefix, machine) = (self.sample.prefix, self.sample.machine);
        let mut s = self.sample.assembly();
        for i in 0..self.plain {
            let f = format!("{prefix}plain{i}");
            let body = code::body(machine, 1000 + i);
            let _ = write!(
                s,
                ".section .text.{f},\"ax\",@progbits\n.p2align 4\n.globl {f}\n.type {f},@function\n{f}:\n\
                 {body}.size {f}, . - {f}\n"
            );
        }
        let bytes = |bytes: &[u8]| bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        // Lists that lie between symbols, which the linker neither splits nor drops.
        let list = |s: &mut String, section: &str| {
            let _ = write!(
                s,
                ".section {section},\"aR\",@progbits\n.p2align 3\n.type {section}_of_{prefix},@object\n\
                 {section}_of_{prefix}:\n.size {section}_of_{prefix}, 1\n"
            );
        };
        list(&mut s, "jl_exports");
        for function in self.exports() {
            let id = bytes(&identity(&function, self.edition));
            // By a local name: the function's own may lead to another object.
            let own = format!("{function}.export");
            let _ = write!(s, ".set {own}, {function}\n.byte {id}\n.long {own} - .\n.long 0, 0\n");
        }
        list(&mut s, "jl_dependencies");
        for (i, record) in records.iter().enumerate() {
            let _ = write!(s, "{prefix}dependency{i}:\n.byte {}\n", bytes(bytes_of(record)));
        }
        list(&mut s, "jl_imports");
        for (i, used) in self.uses.iter().enumerate() {
            let slot = match used.fallback {
                Some(own) => format!("{prefix}{own}.reloc_slot"),
                None => format!("{prefix}use{i}.import_slot"),
            };
            let at = self.dependencies().iter().position(|path| **path == used.from).unwrap_or(0);
            let id = bytes(&identity(&used.function, used.edition));
            let _ = write!(s, ".byte {id}\n.long {slot} - .\n.long {prefix}dependency{at} - .\n.quad 0\n");
        }
        self.write_data(&mut s);
        for (i, used) in self.uses.iter().enumerate() {
            let f = format!("{prefix}use{i}");
            let slot = match used.fallback {
                Some(own) => format!("{prefix}{own}.reloc_slot"),
                None => {
                    let slot = format!("{f}.import_slot");
                    let _ = write!(
                        s,
                        ".section .data.rel.ro.jl_import.{f},\"aw\",@progbits\n.p2align 3\n.type {slot},@object\n\
                         {slot}: .quad jl_link_must_link_this\n.size {slot}, 8\n.hidden jl_link_must_link_this\n"
                    );
                    slot
                }
            };
            let jump = code::jump_through(machine, &slot);
            let _ = write!(
                s,
                ".section .text.{f},\"ax\",@progbits\n.p2align 4\n.globl {f}\n.type {f},@function\n{f}:\n\
                 {jump}.size {f}, . - {f}\n"
            );
        }
        s
    }

    /// The linkage blob, room for the list of references, and what uses these.
    fn write_data(&self, s: &mut String) {
        let (prefix, machine) = (self.sample.prefix, self.sample.machine);
        let numbers: Vec<String> = (5000..5000 + self.data).map(|number| number.to_string()).collect();
        if self.data > 0 {
            let _ = write!(
                s,
                ".section jl_linkage,\"awR\",@progbits\n.p2align 3\n.type jl_linkage_of_{prefix},@object\n\
                 jl_linkage_of_{prefix}:\n.quad {}\n.size jl_linkage_of_{prefix}, {}\n",
                numbers.join(","),
                8 * self.data
            );
        }
        let room = self.refers.len() * size_of::<ReferenceRecord>();
        let _ = write!(
            s,
            ".section jl_references,\"aR\",@progbits\n.p2align 3\n.type jl_references_of_{prefix},@object\n\
             jl_references_of_{prefix}:\n.zero {room}\n.size jl_references_of_{prefix}, 1\n"
        );
        for i in 0..self.refers.len() {
            let (f, cell) = (format!("{prefix}datum{i}"), format!("{prefix}datum{i}.cell"));
            let load = code::load_through(machine, &cell);
            let _ = write!(
                s,
                ".section .data.rel.ro.{cell},\"aw\",@progbits\n.p2align 3\n.type {cell},@object\n\
                 {cell}: .quad jl_link_must_link_this\n.size {cell}, 8\n.hidden jl_link_must_link_this\n\
                 .section .text.{f},\"ax\",@progbits\n.p2align 4\n.globl {f}\n.type {f},@function\n{f}:\n\
                 {load}.size {f}, . - {f}\n"
            );
        }
    }

    /// The files that functions and data come from, each once.
    fn dependencies(&self) -> Vec<&PathBuf> {
        let mut found = Vec::new();
        for from in self.uses.iter().map(|used| &used.from).chain(self.refers.iter().map(|(from, _)| from)) {
            if !found.contains(&from) {
                found.push(from);
            }
        }
        found
    }

    /// The image in `folder`; its dependencies are found beside it.
    pub fn build(&self, folder: &Path) -> PathBuf {
        let prefix = self.sample.prefix;
        let images: Vec<DependencyImage> =
            self.dependencies().iter().map(|path| DependencyImage::open(path).expect("an image")).collect();
        let fallback = |path: &PathBuf| self.uses.iter().any(|u| u.from == *path && u.fallback.is_some());
        let flags = |path| if fallback(path) { DEPENDENCY_FALLBACK } else { 0 };
        let records: Vec<Dependency> = images.iter().map(|image| image.record(flags(&image.path))).collect();
        let source = folder.join(format!("{prefix}.s"));
        std::fs::write(&source, self.assembly(&records)).expect("the folder is writable");
        let object = source.with_extension("o");
        run(super::clang(self.sample.machine).arg("-c").arg(&source).arg("-o").arg(&object));
        let name = format!("lib{prefix}.so");
        let soname = format!("-Wl,-soname,{}", self.soname.unwrap_or(&name));
        let mut options = vec![
            "-shared",
            "-nostdlib",
            "-fuse-ld=lld",
            "-Wl,-z,now,-z,relro,--build-id=sha1,--no-as-needed,-rpath,$ORIGIN",
            &soname,
        ];
        if self.sample.machine == Machine::Aarch64 {
            options.push("-Wl,-z,separate-code");
        }
        let shim = self.sample.shim();
        let mut inputs = vec![shim.as_path(), object.as_path()];
        if self.needed {
            inputs.extend(self.dependencies().iter().map(|path| path.as_path()));
        }
        let path = link_for(self.sample.machine, folder, &name, &inputs, &options);
        merge(&path);
        self.write_lists(&path, &images);
        path
    }

    /// What jl-link does with the lists.
    fn write_lists(&self, path: &Path, images: &[DependencyImage]) {
        let file = ElfFile::open(path).expect("an ELF file");
        let (base, mut header, table_slots) = merged_header(&file);
        let offset = |address: u64| i32::try_from(address.wrapping_sub(base) as i64).expect("near");
        let prefix = self.sample.prefix;
        let list = |section: &str, size: usize| {
            let name = format!("{section}_of_{prefix}");
            let at = file.symbols().iter().find(|s| s.name == name).expect("a list").address;
            (at, file.at(at, size).unwrap_or(&[]).to_vec())
        };
        let (exports_at, exports) = list("jl_exports", self.exports().len() * size_of::<ExportRecord>());
        let (imports_at, imports) = list("jl_imports", self.uses.len() * size_of::<ImportRecord>());
        let (dependencies_at, mut dependencies) =
            list("jl_dependencies", images.len() * size_of::<Dependency>());
        let slot_of = |function: u64| {
            let name = file.symbol_at(function).expect("a function's symbol");
            let slot = file.symbols().iter().find(|s| s.name == format!("{name}.reloc_slot"))?;
            table_slots.iter().position(|at| *at == slot.address)
        };
        let mut exported: Vec<_> = export_records(&exports, exports_at)
            .expect("records")
            .map(|record| {
                let function = slot_of(record.function).map_or(NOT_CLONED, |id| id as u32);
                let (tag, offset) = (tag(&record.identity), offset(record.function));
                (record.identity, Export { tag, function, offset })
            })
            .collect();
        exported.sort_by_key(|(identity, _)| *identity);
        let mut imported: Vec<_> = import_records(&imports, imports_at)
            .expect("records")
            .map(|record| {
                let dependency = ((record.dependency - dependencies_at) / 256) as usize;
                let export = images[dependency].find(&record.identity);
                let (export, lent) = export.expect("the dependency has the function");
                let slot = offset(record.slot);
                let import = Import { slot, export, tag: Import::tag_of(&lent, slot) };
                (dependency, import, record.identity)
            })
            .collect();
        imported.sort_by_key(|(dependency, import, _)| (*dependency, import.export));
        let address = |name: String| file.symbols().iter().find(|s| s.name == name).map(|s| s.address);
        let mut referred: Vec<(usize, Reference)> = Vec::new();
        for (i, (from, number)) in self.refers.iter().enumerate() {
            let cell = offset(address(format!("{prefix}datum{i}.cell")).expect("a cell"));
            let dependency = self.dependencies().iter().position(|path| *path == from).expect("one");
            referred.push((dependency, Reference { cell, place: 8 * *number as u32 }));
        }
        referred.sort_by_key(|(dependency, reference)| (*dependency, reference.cell));
        for (number, record) in dependencies.chunks_exact_mut(size_of::<Dependency>()).enumerate() {
            let imports_end = imported.partition_point(|(dependency, ..)| *dependency <= number) as u32;
            let references_end = referred.partition_point(|(dependency, _)| *dependency <= number) as u32;
            let told: Dependency = read_at(record, 0).expect("a record");
            record.copy_from_slice(bytes_of(&Dependency { imports_end, references_end, ..told }));
        }
        let references_at = address(format!("jl_references_of_{prefix}")).expect("a list");
        if let Some(blob) = address(format!("jl_linkage_of_{prefix}")) {
            header.linkage = Extent { offset: offset(blob), count: 8 * self.data as u32 };
            header.linkage_checksum = linkage_checksum(file.at(blob, 8 * self.data).expect("a blob"));
        }
        let lists: [Vec<u8>; 4] = [
            exported.iter().flat_map(|(_, export)| bytes_of(export).to_vec()).collect(),
            imported.iter().flat_map(|(_, import, _)| bytes_of(import).to_vec()).collect(),
            referred.iter().flat_map(|(_, reference)| bytes_of(reference).to_vec()).collect(),
            dependencies,
        ];
        let details: [Vec<u8>; 3] = [
            exported.iter().flat_map(|(identity, _)| *identity).collect(),
            imported.iter().flat_map(|(.., identity)| *identity).collect(),
            bytes_of(&Referent { size: 8, inner: 0, name: 0 }).repeat(referred.len()),
        ];
        let extent = |at: u64, count: usize| match count {
            0 => Extent::default(),
            count => Extent { offset: offset(at), count: count as u32 },
        };
        let n = exported.len();
        header.exports = extent(exports_at, n);
        header.export_identities = extent(exports_at + (n * size_of::<Export>()) as u64, n);
        let n = imported.len();
        header.imports = extent(imports_at, n);
        header.import_identities = extent(imports_at + (n * size_of::<Import>()) as u64, n);
        let n = referred.len();
        header.references = extent(references_at, n);
        header.referents = extent(references_at + (n * size_of::<Reference>()) as u64, n);
        header.dependencies = extent(dependencies_at, images.len());
        let slots = || imported.iter().map(|(_, import, _)| import.slot);
        if let (Some(first), Some(last)) = (slots().min(), slots().max()) {
            header.import_span = Extent { offset: first, count: (last + 8 - first) as u32 };
        }
        let [exports, imports, references, dependencies] = lists.each_ref().map(Vec::as_slice);
        let [of_exports, of_imports, of_references] = details.each_ref().map(Vec::as_slice);
        header.package_checksum = checksum([references, dependencies]);
        header.details_checksum =
            details::checksum([exports, imports, of_exports, of_imports, of_references]);
        header.header_checksum = header_checksum(&header);
        let mut bytes = file.bytes().to_vec();
        let mut put = |at: u64, new: &[u8]| {
            if new.is_empty() {
                return;
            }
            let place = file.file_offset(at).expect("bytes in the file");
            bytes[place..][..new.len()].copy_from_slice(new);
        };
        for (at, (list, details)) in
            [exports_at, imports_at, references_at].into_iter().zip(lists.iter().zip(&details))
        {
            put(at, &[&list[..], details].concat());
        }
        put(dependencies_at, &lists[3]);
        put(base, bytes_of(&header));
        std::fs::write(path, bytes).expect("the image is writable");
    }
}

/// Address and copy of the header of a merged image, and its slots.
pub fn merged_header(file: &ElfFile) -> (u64, ImageHeader, Vec<u64>) {
    let Content::Merged(merged) = content(file).expect("an image") else { panic!("not merged") };
    let at = |offset: i32| merged.address.wrapping_add_signed(i64::from(offset));
    let slots = merged.table.slots().expect("slots").map(at).collect();
    (merged.address, *merged.table.header(), slots)
}

/// The checksums of the lists, and of their details, that a header at `at` in `bytes` tells of; one that is not there counts nothing.
pub fn list_checksums(bytes: &[u8], at: usize, header: &ImageHeader) -> [u64; 2] {
    let list = |extent: Extent, item: usize| {
        let start = at.wrapping_add_signed(extent.offset as isize);
        let end = start.checked_add((extent.count as usize).saturating_mul(item));
        end.and_then(|end| bytes.get(start..end)).unwrap_or(&[])
    };
    let lists = checksum([
        list(header.references, size_of::<Reference>()),
        list(header.dependencies, size_of::<Dependency>()),
    ]);
    let details = details::checksum([
        list(header.exports, size_of::<Export>()),
        list(header.imports, size_of::<Import>()),
        list(header.export_identities, IDENTITY_SIZE),
        list(header.import_identities, IDENTITY_SIZE),
        list(header.referents, size_of::<Referent>()),
    ]);
    [lists, details]
}

/// Changes a built image: `change` gets the bytes, the file offset of its header, and the header, which is written back
/// with a right checksum.
pub fn alter(path: &Path, change: impl FnOnce(&mut Vec<u8>, usize, &mut ImageHeader)) {
    let file = ElfFile::open(path).expect("an ELF file");
    let at = file.file_offset(merged_header(&file).0).expect("a header in the file");
    let mut bytes = file.bytes().to_vec();
    let mut header: ImageHeader = read_at(&bytes, at).expect("a header");
    change(&mut bytes, at, &mut header);
    header.header_checksum = header_checksum(&header);
    bytes[at..][..size_of::<ImageHeader>()].copy_from_slice(bytes_of(&header));
    // Aside and renamed: a process may have the old one mapped.
    let aside = path.with_extension("new");
    std::fs::write(&aside, bytes).expect("the folder is writable");
    std::fs::rename(aside, path).expect("the image is writable");
}

/// A program that does what its arguments say, one after the other, and prints what comes of it: `+FILE` opens,
/// `*FILE` opens in a namespace of its own, `-FILE` closes, `NAME` calls a function of what was opened last, `?FILE` asks
/// whether it is loaded.
pub fn host(folder: &Path, machine: Machine) -> PathBuf {
    compile_c_for(machine, folder, "host", HOST, &["-O1"])
}

/// Its source.
pub const HOST: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
static struct { const char *name; void *handle; } opened[1000];
static int count;
int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IONBF, 0);
    void *last = RTLD_DEFAULT;
    for (int i = 1; i < argc; i++) {
        const char *what = argv[i] + 1;
        if (argv[i][0] == '+' || argv[i][0] == '*') {
            void *handle = 0;
            if (argv[i][0] == '+') handle = dlopen(what, RTLD_NOW | RTLD_LOCAL);
#ifdef __GLIBC__
            else handle = dlmopen(LM_ID_NEWLM, what, RTLD_NOW | RTLD_LOCAL);
#endif
            if (!handle) { printf("dlopen: %s\n", dlerror()); continue; }
            opened[count].name = what, opened[count++].handle = last = handle;
        } else if (argv[i][0] == '-') {
            for (int k = count - 1; k >= 0; k--)
                if (!strcmp(opened[k].name, what)) {
                    dlclose(opened[k].handle);
                    opened[k].name = "";
                    break;
                }
        } else if (argv[i][0] == '?') {
            void *there = dlopen(what, RTLD_NOW | RTLD_NOLOAD);
            printf("%s ", there ? "loaded" : "gone");
            if (there) dlclose(there);
        } else {
            int (*function)(void) = (int (*)(void)) dlsym(last, argv[i]);
            if (function) printf("%s=%d ", argv[i], function()); else printf("no %s ", argv[i]);
        }
    }
    printf("end\n");
    return 0;
}
"#;
