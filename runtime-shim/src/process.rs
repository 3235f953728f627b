//! What images and the preloaded shim of one process share: one CPU probe, one reading of the environment.
//!
//! Every image and the preloaded shim define [`SYMBOL`] with default visibility; by ordinary ELF
//! interposition all of them use the first one in the global scope. Where it was made local (a version
//! script, another namespace) each image has its own, and only the sharing is lost. All fields are
//! atomics and only ever gain information, so that it does not matter who comes first or at once.

use crate::environ::{Cap, Forced, Log, Settings};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use image_format::feature::{FEATURE_WORDS, FeatureSet};

/// The symbol's name; another layout gets another name.
pub const SYMBOL: &str = "__jl_process_v1";
pub const VERSION: u32 = 1;

/// The block behind [`SYMBOL`]. Fields may be added at the end: `size` says which are there.
#[repr(C)]
pub struct Process {
    pub version: u32,
    /// Of this block, in bytes.
    pub size: u32,
    /// [`SETTINGS_READY`] once the settings below are there.
    settings: AtomicU32,
    /// `PRELOADED`: who else fills, and who reports refusals.
    roles: AtomicU32,
    /// 0 [`Log::Off`], 1 [`Log::Stderr`], 2 [`Log::File`].
    log: AtomicU32,
    /// The forced target, or [`NOT_FORCED`] or [`MALFORMED`].
    forced: AtomicU32,
    /// 0 none, 1 `cap` holds it, 2 its name is unknown.
    cap_kind: AtomicU32,
    reserved: u32,
    cap: [AtomicU64; FEATURE_WORDS],
    /// The features of the host as far as `probed` says that they were asked for.
    host: [AtomicU64; FEATURE_WORDS],
    probed: [AtomicU64; FEATURE_WORDS],
}

const SETTINGS_READY: u32 = 1;
const PRELOADED: u32 = 1;
const NOT_FORCED: u32 = u32::MAX;
const MALFORMED: u32 = u32::MAX - 1;

/// Size of [`Process`] in bytes, as the assembly of the object has it.
pub const PROCESS_SIZE: usize = 8 * 4 + 3 * FEATURE_WORDS * 8;
const _: () = assert!(size_of::<Process>() == PROCESS_SIZE);

impl Default for Process {
    fn default() -> Process {
        Process::new()
    }
}

impl Process {
    /// A block in which nobody has said anything yet.
    pub const fn new() -> Process {
        Process {
            version: VERSION,
            size: PROCESS_SIZE as u32,
            settings: AtomicU32::new(0),
            roles: AtomicU32::new(0),
            log: AtomicU32::new(0),
            forced: AtomicU32::new(0),
            cap_kind: AtomicU32::new(0),
            reserved: 0,
            cap: [const { AtomicU64::new(0) }; FEATURE_WORDS],
            host: [const { AtomicU64::new(0) }; FEATURE_WORDS],
            probed: [const { AtomicU64::new(0) }; FEATURE_WORDS],
        }
    }

    /// Whether this code may use the block: another release's may be shorter.
    pub fn is_usable(&self) -> bool {
        self.version == VERSION && self.size as usize >= PROCESS_SIZE
    }

    /// The settings; `read` is called when nobody has read them yet.
    pub fn settings(&self, read: impl FnOnce() -> Settings) -> Settings {
        if self.settings.load(Ordering::Acquire) & SETTINGS_READY == 0 {
            let settings = read();
            self.store(&settings);
            return settings;
        }
        Settings {
            cap: match self.cap_kind.load(Ordering::Relaxed) {
                0 => Cap::None,
                1 => Cap::Model(load(&self.cap)),
                _ => Cap::Unknown,
            },
            forced: match self.forced.load(Ordering::Relaxed) {
                NOT_FORCED => Forced::No,
                target => u16::try_from(target).map_or(Forced::Malformed, Forced::Target),
            },
            log: match self.log.load(Ordering::Relaxed) {
                0 => Log::Off,
                1 => Log::Stderr,
                _ => Log::File,
            },
        }
    }

    fn store(&self, settings: &Settings) {
        let (kind, cap) = match settings.cap {
            Cap::None => (0, FeatureSet::EMPTY),
            Cap::Model(features) => (1, features),
            Cap::Unknown => (2, FeatureSet::EMPTY),
        };
        self.cap_kind.store(kind, Ordering::Relaxed);
        for (word, value) in self.cap.iter().zip(cap.0) {
            word.store(value, Ordering::Relaxed);
        }
        let forced = match settings.forced {
            Forced::No => NOT_FORCED,
            Forced::Target(target) => u32::from(target),
            Forced::Malformed => MALFORMED,
        };
        self.forced.store(forced, Ordering::Relaxed);
        let log = match settings.log {
            Log::Off => 0,
            Log::Stderr => 1,
            Log::File => 2,
        };
        self.log.store(log, Ordering::Relaxed);
        self.settings.store(SETTINGS_READY, Ordering::Release);
    }

    /// Those of `wanted` that the host has; `probe` is asked for what nobody has asked yet.
    pub fn host(&self, wanted: FeatureSet, probe: impl FnOnce(FeatureSet) -> FeatureSet) -> FeatureSet {
        // `probed` is written after `host` and read before it: what it says is there.
        let mut probed = FeatureSet::EMPTY;
        for (word, value) in probed.0.iter_mut().zip(&self.probed) {
            *word = value.load(Ordering::Acquire);
        }
        let missing = wanted.difference(probed);
        let mut host = load(&self.host);
        if !missing.is_empty() {
            let found = probe(missing);
            host = host.union(found);
            for (word, value) in self.host.iter().zip(found.0) {
                word.fetch_or(value, Ordering::Relaxed);
            }
            for (word, value) in self.probed.iter().zip(missing.0) {
                word.fetch_or(value, Ordering::Release);
            }
        }
        host.intersection(wanted)
    }

    /// Says that the preloaded shim is here: it turns a refused image into a failing dlopen.
    pub fn set_preloaded(&self) {
        self.roles.fetch_or(PRELOADED, Ordering::Release);
    }

    pub fn is_preloaded(&self) -> bool {
        self.roles.load(Ordering::Acquire) & PRELOADED != 0
    }
}

fn load(words: &[AtomicU64; FEATURE_WORDS]) -> FeatureSet {
    let mut set = FeatureSet::EMPTY;
    for (word, value) in set.0.iter_mut().zip(words) {
        *word = value.load(Ordering::Relaxed);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_once() {
        let process = Process::new();
        let wanted =
            Settings { cap: Cap::Model(FeatureSet([1, 2, 3, 4])), forced: Forced::Target(7), log: Log::File };
        assert_eq!(process.settings(|| wanted), wanted);
        assert_eq!(process.settings(|| unreachable!()), wanted);
        for forced in [Forced::No, Forced::Malformed] {
            let process = Process::new();
            let wanted = Settings { cap: Cap::Unknown, forced, log: Log::Stderr };
            process.settings(|| wanted);
            assert_eq!(process.settings(|| unreachable!()), wanted);
        }
    }

    #[test]
    fn only_what_is_new_is_probed() {
        let process = Process::new();
        let set = |word| FeatureSet([word, 0, 0, 0]);
        assert_eq!(process.host(set(0b11), |missing| missing.intersection(set(0b01))), set(0b01));
        let asked = |missing| {
            assert_eq!(missing, set(0b100));
            missing
        };
        assert_eq!(process.host(set(0b111), asked), set(0b101));
        assert_eq!(process.host(set(0b110), |_| unreachable!()), set(0b100));
    }
}
