//! `cargo xtask tidy`

mod adapters;
mod compilers;
mod core;
mod crates;
mod debug;
mod figures;
mod files;
mod floors;
mod foreign;
mod functions;
mod guide;
mod links;
mod manifests;
mod modules;
mod prose;
mod providers;
mod quickstarts;
mod stores;
mod tokens;

use anyhow::{bail, ensure};
use clap::Args;
use serde_json::Value;
use xshell::Shell;

use self::files::Files;
use self::quickstarts::Builds;
pub(crate) use self::quickstarts::builds;

/// Check rules of this repository that the compiler does not check.
#[derive(Args)]
pub(crate) struct Tidy {
    /// Check only these rules.
    rules: Vec<String>,
    /// Print the numbers of lines and functions of each folder instead.
    #[arg(long)]
    figures: bool,
}

/// Input of the rules.
struct House {
    files: Files,
    metadata: Value,
    resolution: Value,
    builds: Builds,
}

/// A rule's name, and the function that returns its violations, one line each: `FILE: VIOLATION`.
type Rule = (&'static str, fn(&House) -> Vec<String>);

const RULES: &[Rule] = &[
    ("manifests", |house| manifests::violations(&house.metadata)),
    ("modules", |house| modules::violations(&house.files)),
    ("core", |house| core::violations(&house.files)),
    ("floors", |house| floors::violations(&house.files)),
    ("providers", |house| providers::violations(&house.files)),
    ("adapters", |house| adapters::violations(&house.files)),
    ("stores", |house| stores::violations(&house.files)),
    ("debug", |house| debug::violations(&house.files)),
    ("functions", |house| functions::violations(&house.files)),
    ("quickstarts", |house| quickstarts::violations(&house.files, &house.builds)),
    ("compilers", |house| compilers::violations(&house.resolution)),
    ("crates", |house| crates::violations(&house.metadata, &house.builds)),
    ("foreign", |house| foreign::violations(&house.files, &house.metadata)),
    ("prose", |house| prose::violations(&house.files)),
    ("guide", |house| guide::violations(&house.files)),
    ("links", |house| links::violations(&house.files)),
];

impl Tidy {
    pub(crate) fn everything() -> Self {
        Self { rules: Vec::new(), figures: false }
    }

    pub(crate) fn run(self, sh: &Shell) -> anyhow::Result<()> {
        if self.figures {
            print!("{}", figures::table(&Files::read(&sh.current_dir())?));
            return Ok(());
        }
        let violations = violations(&House::read(sh)?, &selected(&self.rules)?);
        for violation in &violations {
            println!("{violation}");
        }
        ensure!(violations.is_empty(), "{} violations", violations.len());
        Ok(())
    }
}

impl House {
    fn read(sh: &Shell) -> anyhow::Result<Self> {
        let files = Files::read(&sh.current_dir())?;
        let (metadata, resolution) = (manifests::metadata(sh)?, compilers::resolution(sh)?);
        Ok(Self { files, metadata, resolution, builds: quickstarts::builds(sh)? })
    }
}

/// Returns the rules with these names, or all rules without names.
fn selected(names: &[String]) -> anyhow::Result<Vec<&'static Rule>> {
    if let Some(unknown) = names.iter().find(|name| RULES.iter().all(|(rule, _)| rule != name)) {
        let known: Vec<_> = RULES.iter().map(|(rule, _)| *rule).collect();
        bail!("there is no rule {unknown}; the rules are {}", known.join(", "));
    }
    let is_selected = |rule: &str| names.is_empty() || names.iter().any(|name| name == rule);
    Ok(RULES.iter().filter(|(rule, _)| is_selected(rule)).collect())
}

fn violations(house: &House, rules: &[&Rule]) -> Vec<String> {
    rules.iter().flat_map(|(name, rule)| rule(house).into_iter().map(move |violation| format!("{violation} ({name})"))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let sh = Shell::new().unwrap();
        sh.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        let violations = violations(&House::read(&sh).unwrap(), &selected(&[]).unwrap());
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }

    #[test]
    fn rules_are_selected_by_name() {
        let names = |names: &[&str]| -> Vec<_> {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            selected(&names).unwrap().into_iter().map(|(rule, _)| *rule).collect()
        };
        assert_eq!(names(&["prose", "floors"]), ["floors", "prose"]);
        assert_eq!(names(&[]).len(), RULES.len());
        assert!(selected(&["unknown".to_owned()]).is_err());
    }
}
