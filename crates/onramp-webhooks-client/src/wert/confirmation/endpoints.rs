//! The endpoints that a confirmation checks, each with the API of its account.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use onramp_webhooks::provider::Provider as _;
use onramp_webhooks::{Receiver, Wert};

use super::Confirmation;
use super::account::Account;
use crate::wert::WertDataApi;

/// Builder of a [`Confirmation`] for a receiver with several endpoints of Wert, or with one that has another name than `wert`.
///
/// ```
/// use onramp_webhooks::inbox::MemoryInbox;
/// use onramp_webhooks::{Receiver, Wert};
/// use onramp_webhooks_client::wert::{Confirmation, EndpointError, WertDataApi};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let receiver = Receiver::builder(MemoryInbox::new())
///     .endpoint(Wert::with_path_secret("s3cret-for-examples-1").named("shop-eu"))
///     .endpoint(Wert::with_path_secret("s3cret-for-examples-2").named("shop-us"))
///     .build()?;
/// let eu = WertDataApi::production("key-of-the-european-account").build()?;
/// let us = WertDataApi::production("key-of-the-american-account").build()?;
///
/// let misspelled = Confirmation::for_receiver(&receiver).endpoint("shop-eu", eu.clone()).endpoint("shop-uk", us.clone()).build();
/// assert_eq!(misspelled.unwrap_err(), EndpointError::Unknown("shop-uk".into()));
///
/// let confirmation = Confirmation::for_receiver(&receiver).endpoint("shop-eu", eu).endpoint("shop-us", us).build()?;
/// # let _ = confirmation;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConfirmationBuilder {
    /// The names of the receiver's endpoints, and whether Wert is their provider.
    receiver: BTreeMap<String, bool>,
    apis: Vec<(String, WertDataApi)>,
}

/// The error of building a [`Confirmation`] whose endpoints are not those of the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// The receiver has no endpoint with this name.
    Unknown(String),
    /// Another provider sends to this endpoint.
    NotWert(String),
    /// This endpoint of Wert has no API, so its purchases could not be confirmed.
    WithoutApi(String),
    /// This endpoint has two APIs.
    TwoApis(String),
    /// Two endpoints have the API of one account. One order at both would be confirmed and handled twice.
    SameAccount(String, String),
}

impl ConfirmationBuilder {
    pub(super) fn new(receiver: &Receiver) -> Self {
        let wert = Wert::FACTS.name();
        let endpoints = receiver.watch().into_iter().map(|status| (status.name.to_string(), status.provider == wert));
        Self { receiver: endpoints.collect(), apis: Vec::new() }
    }

    /// Confirms the purchases of an endpoint with `api`.
    #[must_use]
    pub fn endpoint(mut self, name: impl Into<String>, api: WertDataApi) -> Self {
        self.apis.push((name.into(), api));
        self
    }

    /// Builds the check.
    ///
    /// # Errors
    /// Returns an error unless each of the receiver's endpoints of Wert, and no other, has the API of an account of its own.
    pub fn build(self) -> Result<Confirmation, EndpointError> {
        let mut accounts = BTreeMap::new();
        for (name, api) in self.apis {
            match self.receiver.get(&name) {
                None => return Err(EndpointError::Unknown(name)),
                Some(false) => return Err(EndpointError::NotWert(name)),
                Some(true) => {}
            }
            if accounts.contains_key(&name) {
                return Err(EndpointError::TwoApis(name));
            }
            let same = accounts.iter().find(|(_, account): &(_, &Account)| account.api().has_same_account(&api));
            if let Some((other, _)) = same {
                return Err(EndpointError::SameAccount(String::clone(other), name));
            }
            accounts.insert(name, Account::new(api));
        }
        match self.receiver.into_iter().find(|(name, is_wert)| *is_wert && !accounts.contains_key(name)) {
            Some((name, _)) => Err(EndpointError::WithoutApi(name)),
            None => Ok(Confirmation::with(accounts)),
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "the receiver has no endpoint {name:?} whose purchases could be confirmed"),
            Self::NotWert(name) => write!(f, "the endpoint {name:?} does not receive from Wert"),
            Self::WithoutApi(name) => write!(f, "the endpoint {name:?} of Wert has no API that confirms its purchases"),
            Self::TwoApis(name) => write!(f, "the endpoint {name:?} has two APIs"),
            Self::SameAccount(one, other) => {
                write!(f, "the endpoints {one:?} and {other:?} have the same account, which would confirm an order at both")
            }
        }
    }
}

impl Error for EndpointError {}
