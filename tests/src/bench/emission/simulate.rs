//! How long an emission would take on more cores and more machines than there are: the queue's scheduling, on
//! measured times. Pure.

use super::profile::{Profile, Shard};

/// What other machines cost.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Of the link of the machine that distributes, in each direction.
    pub bytes_per_second: f64,
    /// Seconds until a job on this machine begins, as a process of its own, and ends.
    pub local_latency: f64,
    /// The same on another machine.
    pub remote_latency: f64,
}

/// 1 Gbit/s; a process starts in some milliseconds; a distributor's way to another machine and back takes ten times
/// that.
pub const NETWORK: Network = Network { bytes_per_second: 125e6, local_latency: 0.005, remote_latency: 0.05 };

/// Seconds on the threads of one machine: all shards are extracted before the first is taken apart, all taken apart
/// before the first part is compiled, all compiled before the first is composed, as `jl-emit` does it.
pub fn threads(profile: &Profile, cores: usize) -> f64 {
    let each = |time: fn(&Shard) -> f64| profile.shards.iter().map(time).collect::<Vec<f64>>();
    let parts = profile.shards.iter().flat_map(|s| s.parts.clone()).collect();
    let phases = [each(|s| s.extract), each(|s| s.split), parts, each(|s| s.compose)];
    profile.serial + phases.into_iter().map(|jobs| list_schedule(jobs, cores)).sum::<f64>()
}

/// The end of the last of `jobs`: the longest first, each on the core that is free first.
fn list_schedule(mut jobs: Vec<f64>, cores: usize) -> f64 {
    jobs.sort_by(|a, b| b.total_cmp(a));
    let mut free = vec![0.0; cores];
    for job in jobs {
        let first = first_free(&free);
        free[first] += job;
    }
    free.into_iter().fold(0.0, f64::max)
}

fn first_free(free: &[f64]) -> usize {
    (0..free.len()).min_by(|a, b| free[*a].total_cmp(&free[*b])).unwrap_or(0)
}

/// Seconds on several machines of so many cores each: the first one does what is serial and extracts the shards on its own
/// cores; then each shard is one job on one core of any machine. Inputs leave over the first machine's link one after the
/// other, and so do outputs come back.
pub fn machines(profile: &Profile, machines: usize, cores: usize, network: Network) -> f64 {
    let extract = list_schedule(profile.shards.iter().map(|s| s.extract).collect(), cores);
    let mut jobs: Vec<&Shard> = profile.shards.iter().collect();
    jobs.sort_by(|a, b| b.job().total_cmp(&a.job()));
    let mut free = vec![0.0; machines * cores];
    let mut uplink = 0.0;
    let mut local_end: f64 = 0.0;
    // The end on the other machine, and the bytes that come back.
    let mut remote: Vec<(f64, u64)> = Vec::new();
    for shard in jobs {
        // The first machine's cores come first in the list, so it is preferred where all are free.
        let first = first_free(&free);
        if first < cores {
            free[first] += network.local_latency + shard.job();
            local_end = local_end.max(free[first]);
        } else {
            uplink = free[first].max(uplink) + shard.bitcode_bytes as f64 / network.bytes_per_second;
            free[first] = uplink + network.remote_latency + shard.job();
            remote.push((free[first], shard.object_bytes));
        }
    }
    remote.sort_by(|a, b| a.0.total_cmp(&b.0));
    let back = remote
        .into_iter()
        .fold(0.0, |link: f64, (end, bytes)| link.max(end) + bytes as f64 / network.bytes_per_second);
    profile.serial + extract + local_end.max(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(parts: &[f64], bytes: u64) -> Shard {
        Shard {
            extract: 0.5,
            parts: parts.to_vec(),
            bitcode_bytes: bytes,
            object_bytes: bytes,
            ..Shard::default()
        }
    }

    #[test]
    fn one_core_takes_the_sum_and_many_the_longest() {
        let profile = Profile { serial: 2.0, shards: vec![shard(&[4.0, 1.0], 0), shard(&[3.0, 2.0], 0)] };
        assert_eq!(threads(&profile, 1), profile.total());
        assert_eq!(threads(&profile, 2), 2.0 + 0.5 + 5.0);
        assert_eq!(threads(&profile, 64), 2.0 + 0.5 + 4.0);
    }

    #[test]
    fn other_machines_cost_their_latency_and_the_link() {
        let network = Network { bytes_per_second: 100.0, local_latency: 0.0, remote_latency: 1.0 };
        let profile = Profile { serial: 2.0, shards: vec![shard(&[4.0], 100), shard(&[4.0], 100)] };
        assert_eq!(machines(&profile, 1, 1, network), profile.total());
        assert_eq!(machines(&profile, 1, 2, network), 2.0 + 0.5 + 4.0);
        // There, at work, and back.
        assert_eq!(machines(&profile, 2, 1, network), 2.0 + 1.0 + 1.0 + 1.0 + 4.0 + 1.0);
        // With nobody at home two inputs share the link.
        let three =
            Profile { serial: 0.0, shards: vec![shard(&[9.0], 100), shard(&[8.0], 100), shard(&[8.0], 100)] };
        assert_eq!(machines(&three, 3, 1, network), 1.5 + 2.0 + 1.0 + 8.0 + 1.0);
    }
}
