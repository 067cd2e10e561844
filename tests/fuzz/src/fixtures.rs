//! The documented bodies of the providers.

use std::path::Path;

/// Returns the bodies of a provider in the sequence of their names.
pub(crate) fn bodies(provider: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/onramp-webhooks/fixtures").join(provider);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}
