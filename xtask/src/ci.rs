//! `cargo xtask ci`

use std::time::Instant;

use anyhow::bail;
use clap::Args;
use xshell::Shell;

use crate::api::Api;
use crate::deny::Deny;
use crate::first_hour::FirstHour;
use crate::matrix::Matrix;
use crate::simulate::Simulate;
use crate::test::Test;
use crate::tidy::Tidy;
use crate::{bench, coexist, features, guide, lint, minimal, package, readmes, unused};

/// Run the checks that a change must pass, until one fails.
#[derive(Args)]
pub(crate) struct Ci {
    /// Run only these steps.
    steps: Vec<String>,
}

type Check = fn(&Shell) -> anyhow::Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("format", lint::format),
    ("deny", |sh| Deny::offline().run(sh)),
    ("unused", unused::run),
    ("clippy", lint::clippy),
    ("documentation", lint::documentation),
    ("tidy", |sh| Tidy::everything().run(sh)),
    ("features", features::run),
    ("minimal", minimal::run),
    ("api", |sh| Api::default().run(sh)),
    ("test", |sh| Test::everything().run(sh)),
    ("matrix", Matrix::complete),
    ("simulate", Simulate::some),
    ("bench", bench::smoke),
    ("coexist", coexist::run),
    ("readmes", readmes::run),
    ("guide", guide::run),
    ("first-hour", |sh| FirstHour::everywhere().run(sh)),
    ("package", package::run),
];

impl Ci {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        let mut table = String::new();
        for (name, check) in selected(&self.steps)? {
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
}

/// Returns the checks with these names in their sequence, or all checks without names.
fn selected(steps: &[String]) -> anyhow::Result<Vec<&'static (&'static str, Check)>> {
    if let Some(unknown) = steps.iter().find(|step| CHECKS.iter().all(|(name, _)| name != step)) {
        let known: Vec<_> = CHECKS.iter().map(|(name, _)| *name).collect();
        bail!("there is no step {unknown}; the steps are {}", known.join(", "));
    }
    let is_selected = |name: &str| steps.is_empty() || steps.iter().any(|step| step == name);
    Ok(CHECKS.iter().filter(|(name, _)| is_selected(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &[&str]) -> anyhow::Result<Vec<&'static str>> {
        let steps: Vec<_> = steps.iter().map(|step| (*step).to_owned()).collect();
        Ok(selected(&steps)?.into_iter().map(|(name, _)| *name).collect())
    }

    #[test]
    fn the_workflow_runs_every_step() {
        let workflow = include_str!("../../.github/workflows/ci.yml");
        let (_, steps) = workflow.split_once("        step:\n").unwrap();
        let steps: Vec<_> = steps.lines().map_while(|line| line.strip_prefix("          - ")).collect();
        assert_eq!(steps, names(&[]).unwrap());
    }

    #[test]
    fn steps_are_selected_by_name() {
        assert_eq!(names(&["package", "format"]).unwrap(), ["format", "package"]);
        assert_eq!(names(&[]).unwrap().len(), CHECKS.len());
        let error = names(&["unknown"]).unwrap_err().to_string();
        assert!(error.starts_with("there is no step unknown; the steps are format, "), "{error}");
    }
}
