//! `cargo xtask cold`

use std::time::Instant;

use xshell::{Shell, cmd};

use crate::tidy::builds;

/// The folder of the builds.
const TARGET: &str = "target/cold";

#[derive(clap::Args)]
/// Build each published package and each quickstart from nothing, and print the number of crates and the time.
pub(crate) struct Cold {
    /// The packages; without any, all.
    packages: Vec<String>,
}

impl Cold {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        cmd!(sh, "cargo fetch --locked").quiet().run()?;
        println!("| package | crates | debug, s | release, s |");
        println!("| --- | --- | --- | --- |");
        for (package, crates) in builds(sh)? {
            if self.packages.is_empty() || self.packages.contains(&package) {
                let debug = seconds(sh, &package, &[])?;
                let release = seconds(sh, &package, &["--release"])?;
                println!("| `{package}` | {crates} | {debug:.0} | {release:.0} |");
            }
        }
        Ok(sh.remove_path(TARGET)?)
    }
}

fn seconds(sh: &Shell, package: &str, profile: &[&str]) -> anyhow::Result<f64> {
    sh.remove_path(TARGET)?;
    let begun = Instant::now();
    cmd!(sh, "cargo build --locked --package {package} --target-dir {TARGET} {profile...}").quiet().ignore_stderr().run()?;
    Ok(begun.elapsed().as_secs_f64())
}
