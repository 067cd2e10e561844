//! `cargo xtask tidy`

mod adapters;
mod core;
mod files;
mod manifests;
mod modules;

use std::path::Path;

use anyhow::ensure;
use clap::Args;
use xshell::Shell;

use self::files::Files;

/// Check the rules of the house that no compiler knows.
#[derive(Args)]
pub(crate) struct Tidy {}

impl Tidy {
    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        let broken = broken(&sh.current_dir(), &manifests::metadata(sh)?)?;
        for rule in &broken {
            println!("{rule}");
        }
        ensure!(broken.is_empty(), "the rules above are broken: {} times", broken.len());
        Ok(())
    }
}

/// What is not as it should be, one line each: `FILE: WHY`.
fn broken(root: &Path, metadata: &serde_json::Value) -> anyhow::Result<Vec<String>> {
    let files = Files::of(root)?;
    let mut broken = manifests::broken(metadata);
    broken.extend(modules::broken(&files));
    broken.extend(core::broken(&files));
    broken.extend(adapters::broken(&files));
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let sh = Shell::new().unwrap();
        sh.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let broken = broken(&sh.current_dir(), &manifests::metadata(&sh).unwrap()).unwrap();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
