//! `cargo xtask ci`

use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use xshell::Shell;

use crate::bench;
use crate::coexist::Coexist;
use crate::deny::Deny;
use crate::lint;
use crate::matrix::Matrix;
use crate::package::Package;
use crate::readmes::Readmes;
use crate::test::Test;
use crate::tidy::Tidy;

/// Run every check that a change must pass, until one fails.
#[derive(Args)]
pub(crate) struct Ci {}

type Check = fn(&Shell) -> anyhow::Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("format", lint::format),
    ("deny", |sh| Deny::offline().run(sh)),
    ("clippy", lint::clippy),
    ("documentation", lint::documentation),
    ("tidy", |sh| Tidy::everything().run(sh)),
    ("test", |sh| Test::everything().run(sh)),
    ("matrix", Matrix::complete),
    ("bench", bench::smoke),
    ("coexist", |sh| Coexist {}.run(sh)),
    ("readmes", |sh| Readmes {}.run(sh)),
    ("package", |sh| Package {}.run(sh)),
];

enum Outcome {
    Passed(Duration),
    Failed(Duration),
    DidNotRun,
}

impl Ci {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let mut failure = None;
        let mut rows = Vec::new();
        for (name, check) in CHECKS {
            let outcome = if failure.is_some() { Outcome::DidNotRun } else { timed(sh, *check, &mut failure) };
            rows.push((name, outcome));
        }
        println!();
        for (name, outcome) in rows {
            match outcome {
                Outcome::Passed(took) => println!("{name:<14} passed      {:>6.1} s", took.as_secs_f64()),
                Outcome::Failed(took) => println!("{name:<14} FAILED      {:>6.1} s", took.as_secs_f64()),
                Outcome::DidNotRun => println!("{name:<14} did not run"),
            }
        }
        if let Some(error) = failure {
            bail!(error);
        }
        Ok(())
    }
}

fn timed(sh: &Shell, check: Check, failure: &mut Option<anyhow::Error>) -> Outcome {
    let start = Instant::now();
    let result = check(sh);
    let took = start.elapsed();
    match result {
        Ok(()) => Outcome::Passed(took),
        Err(error) => {
            *failure = Some(error);
            Outcome::Failed(took)
        }
    }
}
