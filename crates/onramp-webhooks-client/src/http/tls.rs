//! TLS: rustls with ring, and the certificates that the machine trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// Made here and not left to reqwest, so that it depends on neither the process-wide provider of rustls nor on what other crates
/// switch on.
pub(super) fn config(encrypted: bool) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match encrypted {
        true => builder.with_platform_verifier()?,
        // A client for this machine needs no certificates, and a bare container may have none.
        false => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}
