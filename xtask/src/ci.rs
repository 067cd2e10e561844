//! `cargo xtask ci`

use std::time::Instant;

use xshell::Shell;

use crate::deny::Deny;
use crate::matrix::Matrix;
use crate::test::Test;
use crate::tidy::Tidy;
use crate::{bench, coexist, lint, package, readmes};

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
    ("coexist", coexist::run),
    ("readmes", readmes::run),
    ("package", package::run),
];

pub(crate) fn run(sh: &Shell) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    let mut table = String::new();
    for (name, check) in CHECKS {
        if outcome.is_err() {
            table += &format!("{name:<14} did not run\n");
            continue;
        }
        let start = Instant::now();
        outcome = check(sh);
        let (word, took) = (if outcome.is_ok() { "passed" } else { "FAILED" }, start.elapsed().as_secs_f64());
        table += &format!("{name:<14} {word:<11} {took:>6.1} s\n");
    }
    println!("\n{table}");
    outcome
}
