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

/// Runs the benchmark and prints its table.
pub(crate) fn run(scale: Scale) -> anyhow::Result<()> {
    let receiver = Receiver::builder(Arc::new(MemoryInbox::new())).endpoint(Wert::with_path_secret(SECRET)).build()?;
    let count = if scale.quick { 1_000 } else { 1_000_000 };
    let (first, middle, last) = (with_wrong(0), with_wrong(SECRET.len() / 2), with_wrong(SECRET.len() - 1));
    let pairs = [("last, last", [&last.clone(), &last]), ("first, last", [&first, &last]), ("middle, last", [&middle, &last])];
    let rows = pairs.map(|(name, paths)| {
        let [one, other] = measure(&receiver, paths, count);
        let (one, other) = (median(one), median(other));
        vec![name.to_owned(), format!("{one:.2}"), format!("{other:.2}"), format!("{:.2}", (one - other).abs())]
    });
    print(
        &format!("(j) Nanoseconds to refuse a wrong path secret, {} measurements", thousands(f64::from(count))),
        &["wrong character", "median of one", "of the other", "difference"],
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
    [measured.0, measured.1]
}
