//! Interleaved runs and what is computed from them.

use super::progress::Progress;
use anyhow::Result;

/// Runs every variant once a round, each round in another order, so that drift of the machine and what a
/// neighbour leaves in the caches fall on all alike. Returns the results by variant, in order of rounds.
pub fn interleave<V, T>(
    what: &str,
    rounds: usize,
    variants: &[V],
    mut run: impl FnMut(&V) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut results: Vec<Vec<T>> = variants.iter().map(|_| Vec::new()).collect();
    let progress = Progress::new(rounds);
    for round in 0..rounds {
        progress.step(&format!("{what}: round {} of {rounds}", round + 1));
        for i in shuffled(variants.len(), round) {
            results[i].push(run(&variants[i])?);
        }
    }
    Ok(results)
}

/// The numbers below `n` in an order that depends on `round` only.
fn shuffled(n: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    // Knuth's linear congruential generator (MMIX), after a few steps away from the small seed.
    let mut state = (round as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for i in (1..n).rev() {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        order.swap(i, (state >> 33) as usize % (i + 1));
    }
    order
}

/// A median with the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub low: f64,
    pub median: f64,
    pub high: f64,
}

/// Panics on no values: every measurement has at least one round.
pub fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |fraction: f64| {
        let position = fraction * (sorted.len() - 1) as f64;
        let (below, above) = (sorted[position.floor() as usize], sorted[position.ceil() as usize]);
        below + (above - below) * position.fract()
    };
    Spread { low: at(0.25), median: at(0.5), high: at(0.75) }
}

pub fn median(values: &[f64]) -> f64 {
    spread(values).median
}

/// The spread of `f(a, b)` over the pairs of one round.
pub fn paired(a: &[f64], b: &[f64], f: impl Fn(f64, f64) -> f64) -> Spread {
    spread(&a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>())
}

impl Spread {
    /// As `median (low-high)`.
    pub fn show(&self, digits: usize) -> String {
        let Spread { low, median, high } = self;
        format!("{median:.digits$} ({low:.digits$}..{high:.digits$})")
    }

    pub fn scaled(self, factor: f64) -> Spread {
        Spread { low: self.low * factor, median: self.median * factor, high: self.high * factor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_runs_in_every_round_and_not_always_first() {
        let orders: Vec<Vec<usize>> = (0..20).map(|round| shuffled(2, round)).collect();
        let first = orders.iter().filter(|o| **o == [0, 1]).count();
        assert!((5..=15).contains(&first), "{orders:?}");
        assert!(orders.iter().all(|o| o.contains(&0) && o.contains(&1)));
    }

    #[test]
    fn quartiles() {
        assert_eq!(spread(&[4.0, 1.0, 3.0, 2.0, 5.0]), Spread { low: 2.0, median: 3.0, high: 4.0 });
        assert_eq!(spread(&[1.0, 2.0]).median, 1.5);
        assert_eq!(paired(&[2.0, 9.0, 4.0], &[1.0, 3.0, 2.0], |a, b| a / b).median, 2.0);
    }
}
