//! The program that libFuzzer runs: `cargo xtask fuzz`.
//!
//! `FUZZ_TARGET` names the target, and `FUZZ_CORPUS` the folder to which its seeds are written. Without a target, prints all names.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use onramp_webhooks_fuzz::{TARGETS, Target};

static TARGET: OnceLock<&Target> = OnceLock::new();

fuzz_target!(
    init: {
        let Ok(name) = std::env::var("FUZZ_TARGET") else {
            TARGETS.iter().for_each(|target| println!("{}", target.name));
            std::process::exit(0)
        };
        let Some(target) = Target::find(&name) else { panic!("there is no target {name:?}") };
        if let Some(corpus) = std::env::var_os("FUZZ_CORPUS").map(PathBuf::from) {
            for (number, seed) in (target.seeds)().into_iter().enumerate() {
                let path = corpus.join(format!("seed-{number:02}"));
                if let Err(error) = std::fs::write(&path, seed) {
                    panic!("writing {}: {error}", path.display());
                }
            }
        }
        let _ = TARGET.set(target);
    },
    |input: &[u8]| {
        if let Some(target) = TARGET.get() {
            (target.run)(input);
        }
    }
);
