//! Commands for developers of this repository and its CI: `cargo xtask help`.

mod api;
mod bench;
mod ci;
mod coexist;
mod cold;
mod day;
mod deny;
mod features;
mod first_hour;
mod fuzz;
mod guide;
mod lint;
mod matrix;
mod minimal;
mod package;
mod readmes;
mod services;
mod simulate;
mod soak;
mod test;
mod tidy;
mod unused;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use xshell::Shell;

/// Sets the debug information of builds outside of this workspace. With none, they share the dependencies that this workspace has built.
const DEBUG: &str = "CARGO_PROFILE_DEV_DEBUG";

/// Commands for developers of this repository and its CI.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Command {
    Api(api::Api),
    Bench(bench::Bench),
    Ci(ci::Ci),
    /// Build and run an application that uses both the SQLite inbox and sqlx's SQLite driver.
    ///
    /// Only one crate of a build may link the SQLite library, so both must accept the same version of `libsqlite3-sys`. The application
    /// is a separate workspace, because the lock file of this one would determine the version.
    Coexist,
    Cold(cold::Cold),
    Day(day::Day),
    Deny(deny::Deny),
    /// Check each feature of the published packages alone, with cargo-hack, and the program of the fuzz targets.
    Features,
    FirstHour(first_hour::FirstHour),
    Fuzz(fuzz::Fuzz),
    /// Build the guide in `docs` with mdBook, if it is installed, into `target/guide`.
    Guide,
    /// Check formatting, lints and documentation. Every warning is an error.
    Lint,
    Matrix(matrix::Matrix),
    /// Check the published packages with the oldest versions of their dependencies that the manifests allow.
    Minimal,
    /// Package the published crates, and build each from its package.
    Package,
    /// Build the examples of every README, and of the chapters of the guide, with the dependencies that they list.
    ///
    /// The first `toml` block of a document has to be enough to compile its `rust` blocks. Each document becomes a package below
    /// `target/readmes`, in which our crates replace those on crates.io. Packages are checked one at a time, because Cargo would unify
    /// their features.
    Readmes,
    Simulate(simulate::Simulate),
    Soak(soak::Soak),
    Test(test::Test),
    Tidy(tidy::Tidy),
    /// Check that every dependency is used, with cargo-shear.
    Unused,
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let sh = Shell::new()?;
    sh.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    match command {
        Command::Api(api) => api.run(&sh),
        Command::Bench(bench) => bench.run(&sh),
        Command::Ci(ci) => ci.run(&sh),
        Command::Coexist => coexist::run(&sh),
        Command::Cold(cold) => cold.run(&sh),
        Command::Day(day) => day.run(&sh),
        Command::Deny(deny) => deny.run(&sh),
        Command::Features => features::run(&sh),
        Command::FirstHour(first_hour) => first_hour.run(&sh),
        Command::Fuzz(fuzz) => fuzz.run(&sh),
        Command::Guide => guide::run(&sh),
        Command::Lint => lint::run(&sh),
        Command::Matrix(matrix) => matrix.run(&sh),
        Command::Minimal => minimal::run(&sh),
        Command::Package => package::run(&sh),
        Command::Readmes => readmes::run(&sh),
        Command::Simulate(simulate) => simulate.run(&sh),
        Command::Soak(soak) => soak.run(&sh),
        Command::Test(test) => test.run(&sh),
        Command::Tidy(tidy) => tidy.run(&sh),
        Command::Unused => unused::run(&sh),
    }
}
