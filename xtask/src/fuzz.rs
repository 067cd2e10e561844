//! `cargo xtask fuzz`

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Mutex;

use anyhow::{Context, bail, ensure};
use clap::Args;
use xshell::{Shell, cmd};

/// Run the fuzz targets in `tests/fuzz` with libFuzzer, and print a table of their executions and coverage.
///
/// Inputs that reach new code are kept in `target/fuzz/corpus`, so a run continues where the one before ended. An input that fails is kept
/// in `target/fuzz/failures`.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// Run only these targets.
    targets: Vec<String>,
    /// The time of the whole run in minutes, which the targets share.
    #[arg(long, conflicts_with = "seconds")]
    minutes: Option<u64>,
    /// The time of each target in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The number of targets that run at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Run one target once, with the input in this file.
    #[arg(long)]
    input: Option<PathBuf>,
}

const PACKAGE: &str = "onramp-webhooks-fuzz";

const FOLDER: &str = "target/fuzz";

/// Counters of branches and values of comparisons for libFuzzer, as cargo-fuzz sets them. No sanitizer, which would need a nightly compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Limits of one execution and of inputs: seconds, megabytes and bytes.
const LIMITS: [&str; 3] = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096"];

impl Fuzz {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let program = build(sh)?;
        let targets = selected(&program, self.targets)?;
        if let Some(input) = &self.input {
            let [target] = targets.as_slice() else { bail!("--input needs the name of one target") };
            let status = Command::new(&program).env("FUZZ_TARGET", target).arg(input).status()?;
            ensure!(status.success(), "{target} does not hold for {}", input.display());
            return Ok(());
        }
        let jobs = self.jobs.clamp(1, targets.len());
        let seconds = self.minutes.map_or(self.seconds, |minutes| minutes * 60 * jobs as u64 / targets.len() as u64).max(1);
        println!("{} targets, {seconds} s each, {jobs} at the same time", targets.len());
        println!("{:<14} {:>12} {:>9} {:>9} {:>9}", "target", "executions", "a second", "coverage", "corpus");
        let folder = sh.current_dir().join(FOLDER);
        let failures = run_all(&targets, jobs, |target| run_one(&program, &folder, target, seconds))?;
        ensure!(failures.is_empty(), "{}", failures.join("\n"));
        Ok(())
    }
}

/// Builds the program. A target is named so that only it has the flags, and not build scripts and macros.
fn build(sh: &Shell) -> anyhow::Result<PathBuf> {
    let version = cmd!(sh, "rustc --version --verbose").quiet().read()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not tell its host")?;
    let build =
        cmd!(sh, "cargo build --package {PACKAGE} --features libfuzzer --profile fuzz --target {host} --target-dir {FOLDER}");
    build.env("RUSTFLAGS", FLAGS).run()?;
    Ok(sh.current_dir().join(FOLDER).join(host).join("fuzz").join(PACKAGE))
}

/// Returns the targets with these names, or all targets of the program without names.
fn selected(program: &Path, names: Vec<String>) -> anyhow::Result<Vec<String>> {
    let output = Command::new(program).env_remove("FUZZ_TARGET").output().context("listing the targets")?;
    let known: Vec<_> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    ensure!(!known.is_empty(), "the program lists no targets");
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        bail!("there is no target {unknown}; the targets are {}", known.join(", "));
    }
    Ok(if names.is_empty() { known } else { names })
}

/// Runs targets, as many at the same time as there are jobs. Returns a message for each one that failed.
fn run_all(
    targets: &[String],
    jobs: usize,
    run: impl Fn(&str) -> anyhow::Result<Option<String>> + Sync,
) -> anyhow::Result<Vec<String>> {
    let next = Mutex::new(targets.iter());
    let take = || next.lock().ok()?.next();
    let work = || {
        let mut failures = Vec::new();
        while let Some(target) = take() {
            failures.extend(run(target).with_context(|| format!("running {target}"))?);
        }
        anyhow::Ok(failures)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let mut failures = Vec::new();
        for worker in workers {
            failures.extend(worker.join().unwrap_or_else(|_| bail!("a job panicked"))?);
        }
        Ok(failures)
    })
}

/// Runs a target, and prints its row of the table. Returns a message if it failed.
fn run_one(program: &Path, folder: &Path, target: &str, seconds: u64) -> anyhow::Result<Option<String>> {
    let (corpus, failures) = (folder.join("corpus").join(target), folder.join("failures").join(target));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&failures)?;
    let log = folder.join(format!("{target}.log"));
    let status = Command::new(program)
        .env("FUZZ_TARGET", target)
        .env("FUZZ_CORPUS", &corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", failures.display()))
        .arg("-print_final_stats=1")
        .args(LIMITS)
        .arg(&corpus)
        .stderr(File::create(&log)?)
        .status()?;
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let Outcome { executions, coverage, corpus } = Outcome::read(&output);
    println!("{target:<14} {executions:>12} {:>9} {coverage:>9} {corpus:>9}", executions / seconds);
    Ok(failure(target, status, &output, &log))
}

fn failure(target: &str, status: ExitStatus, output: &str, log: &Path) -> Option<String> {
    if status.success() {
        return None;
    }
    let input = output.split("Test unit written to ").nth(1).and_then(|rest| rest.lines().next());
    let log = log.display();
    Some(match input {
        Some(input) => format!("{target} failed, see {log}: cargo xtask fuzz {target} --input {input}"),
        None => format!("{target} ended with {status}, see {log}"),
    })
}

/// The figures of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    executions: u64,
    coverage: u64,
    /// The number of inputs.
    corpus: u64,
}

impl Outcome {
    /// Reads the last figures that libFuzzer has written.
    fn read(output: &str) -> Self {
        let number = |text: &str| text.split(|end: char| !end.is_ascii_digit()).next()?.parse().ok();
        let last = |before: &str| output.rsplit(before).next().filter(|rest| rest.len() < output.len()).and_then(number);
        let executions = last("stat::number_of_executed_units: ").or_else(|| last("\n#"));
        Self {
            executions: executions.unwrap_or_default(),
            coverage: last(" cov: ").unwrap_or_default(),
            corpus: last(" corp: ").unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_figures_count() {
        let output = "INFO: seed corpus: files: 26\n#27\tINITED cov: 9 ft: 12 corp: 3/40b exec/s: 0 rss: 30Mb\n\
                      #512\tpulse  cov: 1203 ft: 4000 corp: 41/12Kb lim: 4096 exec/s: 256 rss: 50Mb\n";
        assert_eq!(Outcome::read(output), Outcome { executions: 512, coverage: 1_203, corpus: 41 });
        let done = format!("{output}stat::number_of_executed_units: 600\nstat::peak_rss_mb: 50\n");
        assert_eq!(Outcome::read(&done).executions, 600);
        assert_eq!(Outcome::read(""), Outcome::default());
    }
}
