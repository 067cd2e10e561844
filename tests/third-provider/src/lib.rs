//! Acme Ramp, a made-up provider that signs its requests as [Standard Webhooks](https://www.standardwebhooks.com) specifies: an
//! HMAC-SHA256 over id, timestamp and body, in three headers.
//!
//! Everything here uses the public API of `onramp-webhooks`, as a shop with a provider of its own would.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::{
    Amount, CompletedPurchase, Currency, CustomerReference, DecodeError, Money, UnclearPurchase, WalletAddress,
};
use onramp_webhooks::identity::{Identity, OrderStage};
use onramp_webhooks::provider::{Acknowledgement, Endpoint, Facts, Provider, ProviderEvent, SignedRequest, VerifyError};
use serde::Deserialize;
use sha2::Sha256;

const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// Difference between the signed time and the time of arrival that is tolerated.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The provider, with the secret that signs its requests.
pub struct Acme {
    secret: Vec<u8>,
}

impl Acme {
    /// Creates an endpoint `acme` for requests that are signed with `secret`.
    #[must_use]
    pub fn with_secret(secret: &[u8]) -> Endpoint {
        Endpoint::open(Self { secret: secret.to_vec() })
    }

    /// Returns the headers of a signed request.
    #[must_use]
    pub fn sign(secret: &[u8], id: &str, at: Timestamp, body: &[u8]) -> [(&'static str, String); 3] {
        let timestamp = (at.as_millis() / 1_000).to_string();
        let signature = mac(secret, id, &timestamp, body).map(|mac| BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        [(ID, id.to_owned()), (TIMESTAMP, timestamp), (SIGNATURE, format!("v1,{}", signature.unwrap_or_default()))]
    }
}

impl fmt::Debug for Acme {
    /// Leaves out the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acme").finish_non_exhaustive()
    }
}

fn mac(secret: &[u8], id: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(id).chain_update(".").chain_update(timestamp).chain_update(".").chain_update(body))
}

impl Provider for Acme {
    type Event = AcmeEvent;

    const FACTS: Facts = Facts::new("acme")
        .acknowledgement(Acknowledgement::Readable)
        .retry_horizon(Duration::from_secs(24 * 3_600))
        .signed_headers(&[ID, TIMESTAMP, SIGNATURE]);

    fn verify(&self, request: &SignedRequest<'_>) -> Result<(), VerifyError> {
        let header = |name| request.header(name).ok_or(VerifyError::new("a signature header is missing"));
        let (id, timestamp, signatures) = (header(ID)?, header(TIMESTAMP)?, header(SIGNATURE)?);
        let seconds = timestamp.parse::<i64>().map_err(|_| VerifyError::new("the timestamp is not a number"))?;
        let signed_at = Timestamp::from_millis(seconds.saturating_mul(1_000));
        if request.received_at.since(signed_at).max(signed_at.since(request.received_at)) > TOLERANCE {
            return Err(VerifyError::new("the timestamp is too far from the time of arrival"));
        }
        let mac = mac(&self.secret, id, timestamp, request.body).ok_or(VerifyError::new("the secret cannot be used"))?;
        let matches = |signature: &str| {
            let signature = signature.strip_prefix("v1,").and_then(|signature| BASE64_STANDARD.decode(signature).ok());
            signature.is_some_and(|signature| mac.clone().verify_slice(&signature).is_ok())
        };
        // Several signatures are sent while the secret is rotated.
        signatures.split(' ').any(matches).then_some(()).ok_or(VerifyError::new("no signature matches"))
    }
}

/// An event of Acme Ramp.
#[derive(Debug)]
#[non_exhaustive]
pub enum AcmeEvent {
    /// A purchase is complete.
    Paid(Paid),
    /// A purchase was refunded.
    Refunded(Refunded),
    /// A type that this model does not have.
    Unknown,
}

/// The member that every event has.
#[derive(Deserialize)]
struct Head {
    event: String,
}

/// A refunded purchase.
#[derive(Debug, Deserialize)]
#[non_exhaustive]
pub struct Refunded {
    /// Acme's id of the purchase.
    pub purchase: String,
}

/// A completed purchase.
#[derive(Deserialize)]
#[non_exhaustive]
pub struct Paid {
    /// Acme's id of the purchase.
    pub purchase: String,
    /// The shop's customer.
    pub customer: Option<String>,
    /// The amount that was paid, in euro.
    pub euros: Amount,
    /// The amount that was bought.
    pub amount: Amount,
    /// The crypto that was bought.
    pub asset: Currency,
    /// The wallet that received the crypto.
    pub wallet: WalletAddress,
}

impl fmt::Debug for Paid {
    /// Leaves out the customer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paid").field("purchase", &self.purchase).finish_non_exhaustive()
    }
}

impl ProviderEvent for AcmeEvent {
    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        // In two steps, because serde buffers the content of a tagged enum, in which an exact `Amount` cannot be read.
        let head: Head = serde_json::from_slice(body)?;
        Ok(match head.event.as_str() {
            "paid" => Self::Paid(serde_json::from_slice(body)?),
            "refunded" => Self::Refunded(serde_json::from_slice(body)?),
            _ => Self::Unknown,
        })
    }

    fn type_name(&self) -> &str {
        self.type_label()
    }

    fn type_label(&self) -> &'static str {
        match self {
            Self::Paid(_) => "paid",
            Self::Refunded(_) => "refunded",
            Self::Unknown => "unknown",
        }
    }

    fn identity(&self) -> Identity {
        match self {
            Self::Paid(paid) => Identity::once("purchase", &paid.purchase).at(OrderStage::FINAL),
            Self::Refunded(refunded) => Identity::once("purchase", &refunded.purchase).at(OrderStage::FINAL),
            Self::Unknown => Identity::by_content("account", "").while_retried(),
        }
    }

    fn completed_purchase(&self) -> Result<Option<CompletedPurchase>, UnclearPurchase> {
        let Self::Paid(paid) = self else { return Ok(None) };
        let customer = CustomerReference::new(paid.customer.clone(), BTreeMap::new());
        let (fiat, crypto) = (Money::new(paid.euros.clone(), "EUR".into()), Money::new(paid.amount.clone(), paid.asset.clone()));
        let mut purchase = CompletedPurchase::new(customer, fiat, crypto);
        purchase.address = Some(paid.wallet.clone());
        purchase.order = Some(paid.purchase.as_str().into());
        Ok(Some(purchase))
    }
}
