//! Sources of images from Julia, as its compiler makes objects of them: shards with their tables, and the root.

use crate::command::run_ok;
use crate::tools::{CLANG, OPT, Tools, in_tests};
use anyhow::Result;
use image_format::julia::targets::{Target, write};
use image_format::julia::{Dialect, TAG};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a target has in every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `clone_all`; target 0 is so.
    All,
    /// Every third function and those with slots, and otherwise the bodies of this target.
    Some { base: u32 },
}

/// An image to be written. Function `n` returns for target `t` `1000 * t + n`; data `n` is `100 + n`. Shards have
/// every so many'th function, and functions divisible by 2 have a slot, those by 4 two.
#[derive(Clone, Debug)]
pub struct Sample {
    pub dialect: Dialect,
    /// Number of functions of each shard.
    pub shards: Vec<usize>,
    pub targets: Vec<(Target, Kind)>,
    /// Functions that other libraries may replace: the tables then have relocations of symbols.
    pub exported: Vec<usize>,
}

impl Sample {
    pub fn functions(&self) -> usize {
        self.shards.iter().sum()
    }

    /// Numbers in the image of a shard's functions: interleaved, so that a shard's own order is another one.
    fn numbers(&self, shard: usize) -> Vec<usize> {
        let mut left = self.shards.clone();
        let mut owners = Vec::new();
        while owners.len() < self.functions() {
            for (shard, left) in left.iter_mut().enumerate() {
                if *left > 0 {
                    *left -= 1;
                    owners.push(shard);
                }
            }
        }
        (0..owners.len()).filter(|number| owners[*number] == shard).collect()
    }

    fn has_clone(&self, number: usize, target: usize) -> bool {
        match self.targets[target].1 {
            Kind::All => true,
            Kind::Some { .. } => number.is_multiple_of(3) || slots(number) > 0,
        }
    }

    /// C of a shard: its functions, its data, and its tables in assembly that every ELF target takes.
    pub fn shard(&self, shard: usize) -> String {
        let numbers = self.numbers(shard);
        let mut c = String::new();
        for number in &numbers {
            for target in (0..self.targets.len()).filter(|target| self.has_clone(*number, *target)) {
                let value = 1000 * target + number;
                let hidden = if self.exported.contains(number) { "default" } else { "hidden" };
                let _ = writeln!(
                    c,
                    "__attribute__((visibility(\"{hidden}\"))) int f{number}_{target}(void) {{ return {value}; }}"
                );
            }
            for slot in 0..slots(*number) {
                let _ = writeln!(
                    c,
                    "__attribute__((visibility(\"hidden\"))) int (*slot{number}_{slot})(void) = f{number}_0;"
                );
            }
        }
        let data = shard % 2 + 1;
        for i in 0..data {
            let number = self.first_data(shard) + i;
            let _ = writeln!(c, "__attribute__((visibility(\"hidden\"))) int g{number} = {};", 100 + number);
        }
        let body = |number: usize, target: usize| format!("f{number}_{target}");
        let table = |section: &str, name: &str, lines: Vec<String>| Self::table(section, name, shard, &lines);
        let quad = |text: String| format!(".quad {text}");
        let long = |text: String| format!(".long {text}");
        c += &table("rodata", "fvar_count", vec![quad(numbers.len().to_string())]);
        c += &table("data.rel.ro", "fvar_ptrs", numbers.iter().map(|n| quad(body(*n, 0))).collect());
        c += &table("rodata", "fvar_idxs", numbers.iter().map(|n| long(n.to_string())).collect());
        let mut offsets = vec![long(data.to_string())];
        let data_numbers: Vec<usize> = (0..data).map(|i| self.first_data(shard) + i).collect();
        offsets.extend(data_numbers.iter().map(|n| long(format!("g{n} - jl_gvar_offsets_{shard}"))));
        c += &table("rodata", "gvar_offsets", offsets);
        c += &table("rodata", "gvar_idxs", data_numbers.iter().map(|n| long(n.to_string())).collect());
        let mut pairs = Vec::new();
        for (index, number) in numbers.iter().enumerate() {
            for slot in 0..slots(*number) {
                pairs.push(long(index.to_string()));
                pairs.push(long(format!("slot{number}_{slot} - jl_clone_slots_{shard}")));
            }
        }
        pairs.insert(0, long((pairs.len() / 2).to_string()));
        c += &table("rodata", "clone_slots", pairs);
        let (mut idxs, mut bodies) = (Vec::new(), Vec::new());
        for (target, (_, kind)) in self.targets.iter().enumerate() {
            let cloned = |index: &usize| match kind {
                Kind::All => slots(numbers[*index]) > 0,
                Kind::Some { .. } => self.has_clone(numbers[*index], target),
            };
            let listed: Vec<usize> = (0..numbers.len()).filter(cloned).collect();
            match kind {
                Kind::All => {
                    idxs.push(long((TAG | listed.len() as u32).to_string()));
                    idxs.extend(listed.iter().map(|index| long(index.to_string())));
                    let own = numbers.iter().filter(|_| target > 0);
                    bodies.extend(own.map(|number| quad(body(*number, target))));
                }
                Kind::Some { base } => {
                    idxs.extend([long(listed.len().to_string()), long(base.to_string())]);
                    let tag = |index: &usize| if slots(numbers[*index]) > 0 { TAG } else { 0 };
                    idxs.extend(listed.iter().map(|index| long((*index as u32 | tag(index)).to_string())));
                    bodies.extend(listed.iter().map(|index| quad(body(numbers[*index], target))));
                }
            }
        }
        c += &table("rodata", "clone_idxs", idxs);
        c + &table("data.rel.ro", "clone_ptrs", bodies)
    }

    fn first_data(&self, shard: usize) -> usize {
        (0..shard).map(|shard| shard % 2 + 1).sum()
    }

    fn table(section: &str, name: &str, shard: usize, lines: &[String]) -> String {
        let flags = if section == "rodata" { "a" } else { "aw" };
        let symbol = format!("jl_{name}_{shard}");
        let mut text = format!(
            "asm(\".pushsection .{section},\\\"{flags}\\\",%progbits\\n.p2align 3\\n.globl {symbol}\\n.hidden {symbol}\\n\
             .type {symbol},%object\\n{symbol}:\\n\"\n"
        );
        for line in lines {
            let _ = writeln!(text, "    \"{line}\\n\"");
        }
        text + &format!("    \".size {symbol}, . - {symbol}\\n.popsection\\n\");\n")
    }

    /// C of the object with the root.
    pub fn root(&self) -> String {
        self.root_with_data(self.first_data(self.shards.len()))
    }

    /// As [`Sample::root`], for so many pieces of data in all shards.
    pub fn root_with_data(&self, data: usize) -> String {
        let shards = self.shards.len();
        let list: Vec<Target> = self.targets.iter().map(|(target, _)| target.clone()).collect();
        let list: Vec<String> = write(self.dialect, &list).iter().map(u8::to_string).collect();
        let mut c = String::from("typedef const void *P;\n");
        let names = [
            "fvar_count",
            "fvar_ptrs",
            "fvar_idxs",
            "gvar_offsets",
            "gvar_idxs",
            "clone_slots",
            "clone_ptrs",
            "clone_idxs",
        ];
        let mut rows = String::new();
        for shard in 0..shards {
            for name in names {
                let symbol = format!("jl_{name}_{shard}");
                let _ = writeln!(c, "extern __attribute__((visibility(\"hidden\"))) const char {symbol}[];");
                let _ = write!(rows, "{symbol}, ");
            }
        }
        let string = if self.dialect == Dialect::M { ", \"generic\"" } else { "" };
        let _ = write!(
            c,
            "__attribute__((visibility(\"hidden\"))) P jl_shard_tables[] = {{ {rows} }};\n\
             static const unsigned header[4] = {{ 1, {shards}, {}, {} }};\n\
             static P ptls[3] = {{ header, header, header }};\n\
             static const unsigned char list[] = {{ {} }};\n\
             P jl_image_pointers[] = {{ header, jl_shard_tables, ptls, ptls, list{string} }};\n",
            self.functions(),
            data,
            list.join(", ")
        );
        c
    }
}

/// Compiles `tests/shards/NAME.ll` with the plugin to `NAME.o` in `folder`; `autoinit` as the environment's switch.
pub fn plugin_shard(tools: &Tools, folder: &Path, name: &str, autoinit: &str) -> Result<PathBuf> {
    let ir = folder.join(format!("{name}.bc"));
    let object = folder.join(format!("{name}.o"));
    let mut opt = Command::new(OPT);
    opt.env("JL_JULIA_AUTOINIT", autoinit);
    opt.arg(format!("-load-pass-plugin={}", tools.plugin().display()));
    opt.arg("-passes=JuliaMultiVersioning,CPUFeatures,default<O2>,verify");
    run_ok(opt.arg(in_tests(&format!("shards/{name}.ll"))).arg("-o").arg(&ir))?;
    let mut clang = Command::new(CLANG);
    clang.args(["-O2", "-fPIC", "-Wno-override-module", "-c"]);
    run_ok(clang.arg(&ir).arg("-o").arg(&object))?;
    Ok(object)
}

fn slots(number: usize) -> usize {
    match number % 4 {
        0 => 2,
        2 => 1,
        _ => 0,
    }
}
