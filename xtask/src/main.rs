//! Commands for developers of this repository and its CI: `cargo xtask help`.

mod bench;
mod ci;
mod coexist;
mod deny;
mod lint;
mod matrix;
mod package;
mod readmes;
mod services;
mod test;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use xshell::Shell;

/// Commands for developers of this repository and its CI.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Command {
    Bench(bench::Bench),
    Ci(ci::Ci),
    Coexist(coexist::Coexist),
    Deny(deny::Deny),
    Lint(lint::Lint),
    Matrix(matrix::Matrix),
    Package(package::Package),
    Readmes(readmes::Readmes),
    Test(test::Test),
    Tidy(tidy::Tidy),
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
        Command::Bench(bench) => bench.run(&sh),
        Command::Ci(ci) => ci.run(&sh),
        Command::Coexist(coexist) => coexist.run(&sh),
        Command::Deny(deny) => deny.run(&sh),
        Command::Lint(lint) => lint.run(&sh),
        Command::Matrix(matrix) => matrix.run(&sh),
        Command::Package(package) => package.run(&sh),
        Command::Readmes(readmes) => readmes.run(&sh),
        Command::Test(test) => test.run(&sh),
        Command::Tidy(tidy) => tidy.run(&sh),
    }
}
