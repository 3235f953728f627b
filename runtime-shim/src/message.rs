//! The words of the log and of refusals.

use crate::decide::Refusal;
use crate::environ::{Cap, Forced, Settings, Variables};
use crate::imports::{Fault, Taken, Unusable};
use crate::text::Line;
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::layout::Dependency;
use image_format::specs::{SPECS_RAISED, Specs};

const PREFIX: &[u8] = image_format::log::PREFIX.as_bytes();

/// `julienne: PATH: target 1 (x86-64-v3): the best of 2 targets for this CPU`, as `image_format::log` reads it.
pub fn chosen(line: &mut Line, path: &[u8], specs: &Specs, target: usize, settings: &Settings) {
    line.text(PREFIX).text(or_unknown(path)).text(b": ");
    name_target(line, specs, target);
    line.text(b": ");
    match settings.forced {
        Forced::Target(_) => line.text(b"chosen by JL_LOAD_TARGET"),
        Forced::No | Forced::Malformed => {
            line.text(b"the best of ").decimal(specs.len()).text(b" targets for this CPU")
        }
    };
    if let Cap::Model(_) = settings.cap {
        line.text(b", capped by JL_LOAD_CPU");
    }
}

/// The slots could not be filled.
pub fn unopened(line: &mut Line, path: &[u8]) {
    line.text(PREFIX).text(or_unknown(path));
    line.text(b": mprotect of its slots failed: the baseline runs");
}

/// A function of another image was called in an image that was not filled.
pub fn unresolved(line: &mut Line, path: &[u8]) {
    line.text(PREFIX).text(or_unknown(path));
    line.text(b": a function of another image was called before it was found, or in an image that was refused: abort");
}

/// Functions of the image run that others could not give it: why not the dependency's.
pub fn without(line: &mut Line, path: &[u8], dependency: &Dependency, fault: Fault) {
    line.text(PREFIX).text(or_unknown(path)).text(b": ");
    line.text(b"runs its own copies of functions that it would take from ");
    name_dependency(line, dependency);
    fault_reason(line, dependency, fault);
}

/// What of an image is named when it is refused.
#[derive(Clone, Copy, Default)]
pub struct Subject<'a> {
    pub specs: Option<&'a Specs<'a>>,
    /// The one that the refusal is about.
    pub dependency: Option<&'a Dependency>,
}

/// As [`refused_reason`], behind our name and the file's.
pub fn refused(line: &mut Line, path: &[u8], subject: Subject, refusal: Refusal, variables: &Variables) {
    line.text(PREFIX).text(or_unknown(path)).text(b": ");
    refused_reason(line, subject, refusal, variables);
}

/// Why an image cannot run here, what it would need and what to do, without the end of the line.
pub fn refused_reason(line: &mut Line, subject: Subject, refusal: Refusal, variables: &Variables) {
    let Subject { specs, dependency } = subject;
    match refusal {
        Refusal::Damaged(what) => {
            line.text(b"the ").text(what.as_bytes());
            line.text(b" of this code image is damaged or from another release: build it again, or restore");
            line.text(b" the file (jl-load check says more)");
        }
        Refusal::Lacks { target, features } => {
            line.text(b"cannot run here: the CPU lacks ");
            name_features(line, features);
            line.text(b", which ");
            if let Some(specs) = specs {
                name_target(line, specs, target);
            }
            let raised = specs.is_some_and(|s| s.head().flags & SPECS_RAISED != 0);
            line.text(match target {
                0 if raised => b", the baseline of this image, raised by -march, needs".as_slice(),
                0 => b", the baseline of this image, needs",
                _ => b" needs",
            });
            if !variables.cpu.is_empty() {
                line.text(b" (JL_LOAD_CPU=")
                    .text(variables.cpu.as_slice())
                    .text(b" hides what the CPU has beyond it)");
            }
        }
        Refusal::NoSuchTarget { targets } => {
            line.text(b"JL_LOAD_TARGET=").text(variables.target.as_slice());
            line.text(b", but this image has targets 0 to ").decimal(targets.saturating_sub(1));
            line.text(b" only: choose one of them or unset it");
        }
        Refusal::MalformedTarget => {
            line.text(b"JL_LOAD_TARGET=").text(variables.target.as_slice());
            line.text(b" is not the number of a target (jl-load explain lists them)");
        }
        Refusal::UnknownCpu => {
            line.text(b"JL_LOAD_CPU=").text(variables.cpu.as_slice());
            line.text(b" is not a CPU that we know: give a model by LLVM's name, such as ");
            line.text(example_cpus()).text(b", or unset it (jl-load run --help)");
        }
        Refusal::Dependency(Unusable { index, fault }) => {
            line.text(b"cannot run here: it depends on ");
            match dependency {
                Some(dependency) => {
                    name_dependency(line, dependency);
                    fault_reason(line, dependency, fault);
                }
                None => {
                    line.text(b"dependency ").decimal(index as usize).text(b", which is not in its list: ");
                    line.text(REBUILD);
                }
            }
        }
        Refusal::Unopened => {
            line.text(
                b"cannot run here: the kernel does not let it fill its slots for what other images have ",
            );
            line.text(b"(mprotect failed)");
        }
    }
}

const REBUILD: &[u8] = b"restore the file or link it again (jl-load check says more)";

/// `libA.so (build id 0123)`.
fn name_dependency(line: &mut Line, dependency: &Dependency) {
    line.text(dependency.name()).text(b" (build id ");
    hexadecimal(line, dependency.build_id());
    line.text(b")");
}

/// What is wrong with a dependency, behind its name, and what to do.
fn fault_reason(line: &mut Line, dependency: &Dependency, fault: Fault) {
    let relink = |line: &mut Line| {
        line.text(b": build the image again, or fit it with jl-link --jl-relink=FILE --jl-dep=");
        line.text(dependency.name()).text(b" -o FILE");
    };
    match fault {
        Fault::Missing => line.text(b", which is not loaded: link it with that library again"),
        Fault::NoImage => {
            line.text(b", but what is loaded under this name is no code image of this release");
            line.text(b": build it with jl-cc --jl-package")
        }
        Fault::Damaged => line.text(b", and what is loaded under this name is damaged: ").text(REBUILD),
        Fault::Other { build_id, size } => {
            let found = build_id.get(..size as usize).unwrap_or(&build_id);
            if found == dependency.build_id() {
                line.text(b", but what is loaded has other content under the same build id");
            } else {
                line.text(b", but what is loaded has build id ");
                hexadecimal(line, found);
            }
            relink(line);
            line
        }
        Fault::Refused => line.text(b", which was refused itself"),
        Fault::Unready => {
            line.text(b", whose turn is not over: it depends on this image in turn, which must not be")
        }
        Fault::Unheld => {
            line.text(b", which the dynamic linker does not keep loaded: link it with that library again")
        }
        Fault::Nothing { what, number } => {
            line.text(match what {
                Taken::Import => b", but its import ".as_slice(),
                Taken::Reference => b", but its reference ",
            });
            line.decimal(number as usize);
            line.text(b" is to nothing there: its tables are damaged: ").text(REBUILD)
        }
    };
}

fn hexadecimal(line: &mut Line, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if bytes.is_empty() {
        line.text(b"none");
    }
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            line.push(DIGITS[usize::from(digit & 15)]);
        }
    }
}

fn example_cpus() -> &'static [u8] {
    match Arch::HOST {
        Arch::X86_64 => b"x86-64-v3 or haswell",
        Arch::Aarch64 => b"neoverse-n1 or a64fx",
    }
}

/// `target 1 (x86-64-v3)`.
fn name_target(line: &mut Line, specs: &Specs, target: usize) {
    line.text(b"target ").decimal(target).text(b" (");
    let name = specs.entry(target).and_then(|entry| specs.string(entry.name));
    line.text(name.unwrap_or(b"?")).text(b")");
}

fn name_features(line: &mut Line, features: FeatureSet) {
    for (i, id) in features.iter().enumerate() {
        line.text(if i == 0 { b"" } else { b", " });
        match Arch::HOST.feature_name_bytes(id) {
            Some(name) => line.text(name),
            None => line.text(b"feature ").decimal(usize::from(id.0)),
        };
    }
}

fn or_unknown(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"(a code image)" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;

    #[test]
    fn a_refusal_says_what_is_missing() {
        let (model, base, missing) = match Arch::HOST {
            Arch::X86_64 => ("x86-64-v3", "x86-64-v2", "avx2"),
            Arch::Aarch64 => ("neoverse-n1", "cortex-a53", "lse"),
        };
        let features = Arch::HOST.model(model).unwrap().difference(Arch::HOST.model(base).unwrap());
        let mut line = Line::EMPTY;
        let refusal = Refusal::Lacks { target: 0, features };
        refused(&mut line, b"/lib/x.so", Subject::default(), refusal, &Variables::EMPTY);
        let text = std::str::from_utf8(line.as_slice()).unwrap();
        assert!(text.starts_with("julienne: /lib/x.so: cannot run here: the CPU lacks "), "{text}");
        assert!(text.contains(missing) && text.ends_with("the baseline of this image, needs"), "{text}");
    }

    #[test]
    fn what_was_chosen_can_be_read_back() {
        let target = image_format::specs::TargetDescription {
            name: "x86-64-v2".into(),
            features: "".into(),
            tune: "generic".into(),
            flags: 0,
            base: 0,
            vector_bits: 128,
            required: FeatureSet::EMPTY,
            declared: FeatureSet::EMPTY,
        };
        let blob = image_format::specs::write(62, 0, &[target]);
        let specs = Specs::parse(&blob).unwrap();
        for forced in [Forced::No, Forced::Target(0)] {
            let settings = Settings { forced, cap: Cap::Model(FeatureSet::EMPTY), ..Settings::DEFAULT };
            let mut line = Line::EMPTY;
            chosen(&mut line, b"/lib/x.so", &specs, 0, &settings);
            let text = std::str::from_utf8(line.as_slice()).unwrap();
            let found = image_format::log::choice(text).unwrap();
            assert_eq!((found.path, found.target, found.name), ("/lib/x.so", 0, "x86-64-v2"));
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let mut variables = Variables::EMPTY;
        variables.cpu.text(b"i486");
        let mut line = Line::EMPTY;
        refused(&mut line, b"", Subject::default(), Refusal::UnknownCpu, &variables);
        let text = std::str::from_utf8(line.as_slice()).unwrap();
        assert!(text.starts_with("julienne: (a code image): JL_LOAD_CPU=i486 is not a CPU"), "{text}");
    }
}
