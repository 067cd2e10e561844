//! (j) Whether the time to refuse a wrong path secret tells how much of it is right.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::{Receiver, Wert};

use crate::Scale;
use crate::report::{median, print, thousands};

const SECRET: &str = "kf7wq2m9zt4x8c1vb6n3jh5gd0s-kf7w";

/// The number of comparisons in one measurement, because one takes less time than the clock can tell.
const TOGETHER: u32 = 16;

/// The share of measurements that are kept. The slowest were interrupted.
const KEPT: f64 = 0.9;

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let receiver = Receiver::builder(Arc::new(MemoryInbox::new())).endpoint(Wert::with_path_secret(SECRET)).build()?;
    let count = if scale.quick { 1_000 } else { 1_000_000 };
    let (first, last, middle) = (with_wrong(0), with_wrong(SECRET.len() - 1), with_wrong(SECRET.len() / 2));
    let pairs = [
        ("the same secret", [&last, &last]),
        ("first or last character wrong", [&first, &last]),
        ("middle or last character wrong", [&middle, &last]),
    ];
    let rows = pairs.map(|(name, paths)| {
        let [one, other] = measure(&receiver, paths, count);
        let t = welch(&one, &other);
        vec![name.to_owned(), format!("{:.2}", median(one)), format!("{:.2}", median(other)), format!("{t:.1}")]
    });
    print(
        &format!("(j) Nanoseconds to refuse a wrong path secret, {} measurements", thousands(f64::from(count))),
        &["compared", "median of one", "median of the other", "t"],
        rows.into(),
    );
    Ok(())
}

/// Returns the path of an endpoint with a secret one of whose characters is wrong.
fn with_wrong(at: usize) -> String {
    let secret: String = SECRET.chars().enumerate().map(|(nth, right)| if nth == at { '~' } else { right }).collect();
    format!("/wert/{secret}")
}

/// Returns the nanoseconds of comparisons with two paths, which are measured in random order.
fn measure(receiver: &Receiver, [one, other]: [&String; 2], count: u32) -> [Vec<f64>; 2] {
    let mut measured = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (path, times) = if fastrand::bool() { (one, &mut measured.0) } else { (other, &mut measured.1) };
        let path = black_box(path);
        let begun = Instant::now();
        for _ in 0..TOGETHER {
            black_box(receiver.serves(black_box(path)));
        }
        times.push(begun.elapsed().as_secs_f64() * 1e9 / f64::from(TOGETHER));
    }
    [fastest(measured.0), fastest(measured.1)]
}

fn fastest(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times.truncate((times.len() as f64 * KEPT) as usize);
    times
}

/// Returns Welch's t: how many standard errors lie between the means.
fn welch(one: &[f64], other: &[f64]) -> f64 {
    let moments = |times: &[f64]| {
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (times.len() as f64 - 1.0);
        (mean, variance / times.len() as f64)
    };
    let ((one, of_one), (other, of_other)) = (moments(one), moments(other));
    (one - other) / (of_one + of_other).sqrt()
}
