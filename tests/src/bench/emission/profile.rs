//! What each shard took, from the trace of an emission on one thread.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The work of one emission, in seconds of CPU time and bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// What is done once, on one thread: reading, simplifying, annotating, partitioning, writing the module, the archive.
    pub serial: f64,
    pub shards: Vec<Shard>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shard {
    /// Reading the shard out of the module.
    pub extract: f64,
    /// Making the clones and taking the parts apart.
    pub split: f64,
    /// Optimising and emitting each part.
    pub parts: Vec<f64>,
    pub compose: f64,
    pub bitcode_bytes: u64,
    pub object_bytes: u64,
}

impl Shard {
    /// What a job elsewhere does.
    pub fn job(&self) -> f64 {
        self.split + self.parts.iter().sum::<f64>() + self.compose
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    trace_events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    name: String,
    ph: String,
    args: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    shard: Option<usize>,
    part: Option<String>,
    cpu_us: Option<f64>,
}

impl Profile {
    /// From a trace, the CPU time of its whole process, and the sizes of the shards' files.
    ///
    /// # Errors
    /// The trace is not one of an emission, or is of another one than the sizes are.
    pub fn new(trace: &[u8], cpu: f64, bitcode: &[u64], objects: &[u64]) -> Result<Profile> {
        let trace: Trace = serde_json::from_slice(trace).context("not a trace of jl-emit")?;
        let mut shards = vec![Shard::default(); bitcode.len()];
        let mut parts: BTreeMap<(usize, String), f64> = BTreeMap::new();
        for event in trace.trace_events.into_iter().filter(|e| e.ph == "X") {
            let Arguments { shard: Some(shard), part, cpu_us: Some(micros) } = event.args else { continue };
            let count = shards.len();
            let own = shards
                .get_mut(shard)
                .with_context(|| format!("the trace names shard {shard}, but there are {count}"))?;
            let seconds = micros * 1e-6;
            match (event.name.as_str(), part) {
                ("serialise", None) => own.extract += seconds,
                ("materialise", None) => own.split += seconds,
                ("compose", None) => own.compose += seconds,
                ("look" | "deserialise" | "optimise" | "emit", Some(part)) => {
                    *parts.entry((shard, part)).or_default() += seconds;
                }
                (stage, part) => {
                    anyhow::bail!("the trace has a stage {stage} of part {part:?} that is not expected")
                }
            }
        }
        for ((shard, _), seconds) in parts {
            shards[shard].parts.push(seconds);
        }
        ensure!(objects.len() == bitcode.len(), "{} objects of {} shards", objects.len(), bitcode.len());
        for (shard, (bitcode, object)) in shards.iter_mut().zip(bitcode.iter().zip(objects)) {
            (shard.bitcode_bytes, shard.object_bytes) = (*bitcode, *object);
        }
        let apart: f64 = shards.iter().map(|s| s.extract + s.job()).sum();
        ensure!(cpu > apart, "the shards took {apart} s of CPU time, the whole process {cpu} s");
        Ok(Profile { serial: cpu - apart, shards })
    }

    /// CPU seconds on one thread.
    pub fn total(&self) -> f64 {
        self.serial + self.parallel()
    }

    /// What is not [`Profile::serial`].
    pub fn parallel(&self) -> f64 {
        self.shards.iter().map(|s| s.extract + s.job()).sum()
    }

    /// The longest of all parts' jobs.
    pub fn longest_part(&self) -> f64 {
        self.shards.iter().flat_map(|s| &s.parts).copied().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up() {
        let trace = br#"{"displayTimeUnit":"ms","traceEvents":[
            {"name":"thread_name","ph":"M","args":{"name":"host"}},
            {"name":"annotate","ph":"X","args":{"cpu_us":500000}},
            {"name":"serialise","ph":"X","args":{"shard":0,"cpu_us":125000}},
            {"name":"materialise","ph":"X","args":{"shard":0,"cpu_us":250000}},
            {"name":"deserialise","ph":"X","args":{"shard":0,"part":"0","cpu_us":250000}},
            {"name":"emit","ph":"X","args":{"shard":0,"part":"0","cpu_us":750000}},
            {"name":"emit","ph":"X","args":{"shard":0,"part":"tables","cpu_us":125000}},
            {"name":"compose","ph":"X","args":{"shard":0,"cpu_us":125000}}]}"#;
        let profile = Profile::new(trace, 3.625, &[10], &[20]).unwrap();
        let shard = &profile.shards[0];
        assert_eq!((shard.extract, shard.split, shard.compose), (0.125, 0.25, 0.125));
        assert_eq!((shard.bitcode_bytes, shard.object_bytes), (10, 20));
        assert_eq!(shard.parts, [1.0, 0.125]);
        assert_eq!((profile.serial, profile.total()), (2.0, 3.625));
        assert!(Profile::new(trace, 3.625, &[], &[]).is_err());
        assert!(Profile::new(trace, 1.0, &[10], &[20]).is_err());
    }
}
