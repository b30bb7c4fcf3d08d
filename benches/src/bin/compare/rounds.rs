//! Rounds: both sides in turn, so that what else happens on the machine meets both.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::memory::Peak;

/// How often both sides are run.
pub(crate) const ROUNDS: usize = 5;

/// What one run came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Operations, or documents.
    pub(crate) operations: u64,
    /// How long they took.
    pub(crate) took: Duration,
}

impl Sample {
    /// Operations a second.
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    pub(crate) fn rate(self) -> f64 {
        self.operations as f64 / self.took.as_secs_f64()
    }
}

/// The figures of a row.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figures {
    /// The median of ours.
    pub(crate) ours: f64,
    /// The median of the peer's.
    pub(crate) peer: f64,
    /// The median, over the rounds, of how many times better we were. Above 1 we are better, whatever the unit.
    pub(crate) ratio: f64,
    /// Between the largest and the smallest ratio of a round, as a part of the median.
    pub(crate) spread: f64,
    /// What `ours` and `peer` count.
    pub(crate) unit: &'static str,
    /// By how much the memory of this process grew while we worked, at most.
    pub(crate) peak_mib: Option<f64>,
}

/// Operations a second.
pub(crate) const RATE: &str = "op/s";

/// Runs both sides in turn, five times each; who begins alternates.
pub(crate) fn compare(
    mut ours: impl FnMut() -> Result<Sample>,
    mut peer: impl FnMut() -> Result<Sample>,
) -> Result<Figures> {
    let (mut our_rates, mut peer_rates, mut peak) = (Vec::new(), Vec::new(), Peak::default());
    for round in 0..ROUNDS {
        let (our_rate, peer_rate);
        if round % 2 == 0 {
            our_rate = peak.during(&mut ours)?.rate();
            peer_rate = peer()?.rate();
        } else {
            peer_rate = peer()?.rate();
            our_rate = peak.during(&mut ours)?.rate();
        }
        eprintln!("    round {}: {our_rate:.0} / {peer_rate:.0}", round + 1);
        our_rates.push(our_rate);
        peer_rates.push(peer_rate);
    }
    let ratios = our_rates.iter().zip(&peer_rates).map(|(ours, peer)| ours / peer).collect();
    let (ratio, spread) = median_and_spread(ratios);
    let (ours, peer) = (median_and_spread(our_rates).0, median_and_spread(peer_rates).0);
    Ok(Figures { ours, peer, ratio, spread, unit: RATE, peak_mib: peak.mib() })
}

/// Runs ours alone, against a goal for the microseconds that an operation takes.
pub(crate) fn against_goal(goal_micros: f64, mut ours: impl FnMut() -> Result<Sample>) -> Result<Figures> {
    let (mut micros, mut peak) = (Vec::new(), Peak::default());
    for _ in 0..ROUNDS {
        micros.push(1e6 / peak.during(&mut ours)?.rate());
    }
    let (median, spread) = median_and_spread(micros);
    let unit = "us/op";
    Ok(Figures { ours: median, peer: goal_micros, ratio: goal_micros / median, spread, unit, peak_mib: peak.mib() })
}

/// The middle one, and how far apart the outermost are, as a part of it.
fn median_and_spread(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let median = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let range = values.last().zip(values.first()).map_or(f64::NAN, |(most, least)| most - least);
    (median, range / median)
}
