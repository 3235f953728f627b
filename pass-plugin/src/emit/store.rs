//! What was compiled before: the cache at its four levels.
//!
//! * *image*: the whole input, as the host read it -> the archive;
//! * *unit*: some functions of the module, and what they may inline -> the same, simplified;
//! * *shard*: a shard's bitcode, which says the targets of each function -> its object;
//! * *part*: a part's bitcode, which knows nothing of other targets -> its object. So a longer list of targets
//!   compiles only what is new.
//!
//! What the compiler warned about is not kept: it would warn once and never again.

use super::compile::Compiler;
use super::producer;
use super::settings::{EmitSettings, Level};
use image_format::cache::{Cache, Key, KeyBuilder, Kind};
use std::sync::{Arc, Mutex, PoisonError};

/// The cache, or nothing where there is none.
pub struct Store {
    cache: Option<Cache>,
    /// What compiles: this plugin and this LLVM.
    producer: Vec<u8>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Store {
    /// As the environment says (`JL_CACHE`, `JL_CACHE_DIR`, `JL_CACHE_SIZE`).
    pub fn from_environment() -> Store {
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let list = warnings.clone();
        let warn = Box::new(move |text: &str| {
            list.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_string());
        });
        let Some(producer) = producer::identity() else {
            return Store { cache: None, producer: Vec::new(), warnings };
        };
        Store { cache: Cache::from_environment(warn), producer, warnings }
    }

    /// None, for code that depends on more than the module says.
    pub fn none() -> Store {
        Store { cache: None, producer: Vec::new(), warnings: Arc::default() }
    }

    /// The warnings since the last call.
    pub fn warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn is_open(&self) -> bool {
        self.cache.is_some()
    }

    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        self.cache.as_ref()?.get(key)
    }

    pub fn put(&self, key: &Key, bytes: &[u8]) {
        if let Some(cache) = &self.cache {
            cache.put(key, bytes);
        }
    }

    /// `input` is the module's bitcode before anything was done to it; `packages` what decides about exports and imports.
    pub fn image(&self, input: &[u8], settings: &EmitSettings, packages: &[u8]) -> Key {
        // All that is decided outside of the module; a new setting must be named here.
        let EmitSettings { level, simplified, out: _, jobs: _, form, partition, rest } = settings;
        let environment = std::env::var("JULIA_CPU_TARGET").unwrap_or_default();
        let mut key = self.builder(Kind::Image);
        key.bytes("input", input).bytes("level", level.word()).bytes("form", form.word());
        key.number("simplified", u64::from(*simplified));
        key.number("shard weight", partition.shard_weight.unwrap_or(0));
        key.bytes("settings", rest).bytes("environment", environment);
        key.bytes("packages", packages);
        key.finish()
    }

    /// A shard says itself how it is to be compiled.
    pub fn shard(&self, bitcode: &[u8]) -> Key {
        self.builder(Kind::Shard).bytes("bitcode", bitcode).finish()
    }

    pub fn part(&self, bitcode: &[u8], compiler: &Compiler) -> Key {
        // The module's identity is for names that parts do not have yet.
        let Compiler { level, form, module: _ } = compiler;
        let mut key = self.builder(Kind::Part);
        key.bytes("bitcode", bitcode).bytes("level", level.word()).bytes("form", form.word());
        key.finish()
    }

    /// A unit's bitcode, what it may inline of others, and which of its functions others ask for.
    pub fn unit(&self, bitcode: &[u8], imports: &[&[u8]], level: Level, offered: &[String]) -> Key {
        let mut key = self.builder(Kind::Unit);
        key.bytes("bitcode", bitcode).list("imports", imports).list("offered", offered);
        key.bytes("level", level.word());
        key.finish()
    }

    fn builder(&self, kind: Kind) -> KeyBuilder {
        let mut key = KeyBuilder::new(kind);
        key.bytes("producer", &self.producer);
        key
    }
}
