//! The files of the page, embedded, compressed once, and named by their hash.

use std::fmt;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use onramp_webhooks::adapter::{PageRequest, PageResponse};
use sha2::{Digest, Sha256};

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The name, the media type and the content of each file.
const FILES: [(&str, &str, &str); 12] = [
    ("inspector.css", "text/css; charset=utf-8", include_str!("../assets/inspector.css")),
    ("main.js", JAVASCRIPT, include_str!("../assets/main.js")),
    ("api.js", JAVASCRIPT, include_str!("../assets/api.js")),
    ("dom.js", JAVASCRIPT, include_str!("../assets/dom.js")),
    ("inbox.js", JAVASCRIPT, include_str!("../assets/inbox.js")),
    ("charts.js", JAVASCRIPT, include_str!("../assets/charts.js")),
    ("delivery.js", JAVASCRIPT, include_str!("../assets/delivery.js")),
    ("dialogs.js", JAVASCRIPT, include_str!("../assets/dialogs.js")),
    ("endpoints.js", JAVASCRIPT, include_str!("../assets/endpoints.js")),
    ("timeline.js", JAVASCRIPT, include_str!("../assets/timeline.js")),
    ("traffic.js", JAVASCRIPT, include_str!("../assets/traffic.js")),
    ("words.js", JAVASCRIPT, include_str!("../assets/words.js")),
];

const INDEX: &str = include_str!("../assets/index.html");

/// The place of the hash in the addresses of the main page.
const VERSION: &str = "VERSION";

/// A file, as it is and compressed.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    plain: Bytes,
    compressed: Option<Bytes>,
}

/// All files.
pub(crate) struct Assets {
    index: Bytes,
    /// The hash of all files, which is a folder in their addresses.
    version: String,
    files: Vec<Asset>,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let hash = FILES.iter().fold(Sha256::new(), |hash, (name, _, text)| hash.chain_update(name).chain_update(text));
        let version: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let files = FILES.map(|(name, media_type, text)| Asset {
            name,
            media_type,
            plain: Bytes::from_static(text.as_bytes()),
            compressed: compressed(text.as_bytes()),
        });
        Self { index: INDEX.replace(VERSION, &version).into(), version, files: files.into() }
    }

    /// Returns the main page, which contains no data.
    pub(crate) fn index(&self) -> PageResponse {
        PageResponse::new(200, self.index.clone()).header("content-type", "text/html; charset=utf-8")
    }

    /// Returns a file of this version.
    pub(crate) fn get(&self, version: &str, name: &str, request: &PageRequest) -> Option<PageResponse> {
        let file = self.files.iter().find(|file| file.name == name && version == self.version)?;
        let compressed = file.compressed.as_ref().filter(|_| accepts_gzip(request));
        let body = compressed.unwrap_or(&file.plain).clone();
        let response = PageResponse::new(200, body).header("content-type", file.media_type).header("vary", "accept-encoding");
        Some(if compressed.is_some() { response.header("content-encoding", "gzip") } else { response })
    }
}

/// Compresses a file; `None` if that is not possible, so that it is sent as it is.
fn compressed(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn accepts_gzip(request: &PageRequest) -> bool {
    let encodings =
        request.lines("accept-encoding").filter_map(|line| str::from_utf8(line).ok()).flat_map(|line| line.split(','));
    encodings.map(str::trim).any(|encoding| match encoding.split_once(';') {
        None => encoding.eq_ignore_ascii_case("gzip"),
        Some((name, weight)) => name.trim().eq_ignore_ascii_case("gzip") && !is_zero(weight),
    })
}

/// Returns whether a weight, such as `q=0.0`, excludes an encoding.
fn is_zero(weight: &str) -> bool {
    weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim_matches(['0', '.']).is_empty())
}

impl fmt::Debug for Assets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assets").field("version", &self.version).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maximum size of the page, compressed, in bytes.
    const BUDGET: usize = 60_000;

    #[test]
    fn the_page_is_small() {
        let assets = Assets::new();
        let files: usize = assets.files.iter().map(|file| file.compressed.as_ref().map_or(file.plain.len(), Bytes::len)).sum();
        let index = compressed(&assets.index).unwrap().len();
        assert!(files + index < BUDGET, "{} bytes", files + index);
    }

    /// Trusted Types stop these in a browser; this test stops them before.
    #[test]
    fn scripts_build_nodes_only() {
        for (name, _, text) in FILES {
            for forbidden in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser", "srcdoc"]
            {
                assert!(!text.contains(forbidden), "{name} uses {forbidden}");
            }
        }
        assert!(!INDEX.contains("<style") && !INDEX.contains("style=") && !INDEX.contains("<script>") && !INDEX.contains(" on"));
    }

    #[test]
    fn the_main_page_names_files_that_exist() {
        let assets = Assets::new();
        let index = str::from_utf8(&assets.index).unwrap();
        for address in index.split('"').filter(|text| text.starts_with("assets/")) {
            let name = address.rsplit('/').next().unwrap();
            assert!(address.contains(&assets.version) && FILES.iter().any(|(file, _, _)| *file == name), "{address}");
        }
    }
}
