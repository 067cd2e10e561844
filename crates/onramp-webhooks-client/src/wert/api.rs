//! The client for Wert's Data API.

use futures_core::Stream;
use futures_util::stream;
use onramp_webhooks::clock::Clock;
use reqwest::header::HeaderValue;

use super::compare::CryptoCodes;
use super::pace::Pace;
use super::{OrderRow, OrdersPager, OrdersQuery, Page, Position};
use crate::error::{ClientError, ClientErrorKind};
use crate::http::{ApiBuilder, Call, Connection, FromConnection};

pub(super) const OPERATION: &str = "querying Wert's orders";

const PATH: &str = "/api/external/orders";

/// A client for Wert's Data API, which returns orders. Cheap to clone.
///
/// Clones share the rate of their requests: they make one at a time, in the order of the calls, so that neither a
/// [reconciliation](super::Reconciler) nor a [confirmation](super::Confirmation) can hold up the other. After a response with `retry-after`,
/// all of them fail without a request until that time has passed.
#[derive(Clone, Debug)]
pub struct WertDataApi {
    connection: Connection,
    key: HeaderValue,
    pub(super) codes: CryptoCodes,
    is_sandbox: bool,
    pace: Pace,
}

impl WertDataApi {
    /// The base URL of Wert's production API.
    pub const PRODUCTION_URL: &str = "https://partner.wert.io";

    /// The base URL of Wert's sandbox API.
    pub const SANDBOX_URL: &str = "https://partner-sandbox.wert.io";

    /// Creates a builder for Wert's production API at `partner.wert.io`.
    #[must_use]
    pub fn production(api_key: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(Self::PRODUCTION_URL, api_key)
    }

    /// Creates a builder for Wert's sandbox API at `partner-sandbox.wert.io`, which requires a sandbox key.
    #[must_use]
    pub fn sandbox(api_key: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(Self::SANDBOX_URL, api_key)
    }

    /// Creates a builder for another base URL, such as a gateway or a loopback address with `http://`. `/api/external/orders` is appended
    /// to it.
    #[must_use]
    pub fn at(base_url: impl Into<String>, api_key: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(base_url, api_key)
    }

    /// States that the orders of this API are test orders, for which nobody pays: for a [base URL](Self::at) that is a gateway to the
    /// sandbox.
    #[must_use]
    pub fn as_sandbox(mut self) -> Self {
        self.is_sandbox = true;
        self
    }

    /// Returns `true` if the orders of this API are test orders: if it is Wert's sandbox, or was declared [as one](Self::as_sandbox).
    #[must_use]
    pub fn is_sandbox(&self) -> bool {
        self.is_sandbox || self.connection.is_at(Self::SANDBOX_URL)
    }

    pub(super) fn has_same_account(&self, other: &Self) -> bool {
        self.connection.has_same_account(&other.connection)
    }

    /// Returns the same client, but with a single attempt for every request.
    pub(super) fn without_retries(&self) -> Self {
        Self { connection: self.connection.without_retries(), ..self.clone() }
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.connection.clock()
    }

    /// Returns the first page of the orders that match `query`. Cancel-safe.
    ///
    /// # Errors
    /// Returns [`Invalid`](ClientErrorKind::Invalid) if the query breaks a documented rule, and every other kind except
    /// [`EndlessPages`](ClientErrorKind::EndlessPages) and [`NotStored`](ClientErrorKind::NotStored).
    pub async fn orders(&self, query: &OrdersQuery) -> Result<Page, ClientError> {
        self.page(query, &Position::Start).await
    }

    /// Returns the page at `position` of the orders that match `query`. After the last page, returns an empty page without a
    /// request. Cancel-safe.
    ///
    /// # Errors
    /// Fails as [`orders`](Self::orders) does.
    pub async fn page(&self, query: &OrdersQuery, position: &Position) -> Result<Page, ClientError> {
        if *position == Position::End {
            return Ok(Page::default());
        }
        let call = Call::get(OPERATION, PATH, query.parameters(OPERATION, position)?).header("x-api-key", self.key.clone());
        let page = {
            let _turn = self.pace.turn().await;
            if let Some(error) = self.pace.paused(OPERATION, self.clock().now()) {
                return Err(error);
            }
            let page = self.connection.send(&call, |body| Page::parse(OPERATION, body)).await;
            page.inspect_err(|error| self.pace.note(error, self.clock().now()))?
        };
        match page.rows.iter().all(|row| query.terms.is_empty() || query.terms.iter().any(|term| row.matches(term))) {
            true => Ok(page),
            false => {
                Err(ClientError::new(ClientErrorKind::Contradiction, OPERATION)
                    .with_detail("an order that matches no search term"))
            }
        }
    }

    /// Returns a pager over the orders that match `query`.
    #[must_use]
    pub fn pager(&self, query: OrdersQuery) -> OrdersPager {
        OrdersPager::new(self.clone(), query)
    }

    /// Returns a stream of the orders that match `query`. It ends after the first error. A [pager](Self::pager) can continue after
    /// an error.
    pub fn stream(&self, query: OrdersQuery) -> impl Stream<Item = Result<OrderRow, ClientError>> + Send + use<> {
        let start = (self.pager(query), Vec::new().into_iter());
        stream::try_unfold(start, |(mut pager, mut rows)| async move {
            loop {
                if let Some(row) = rows.next() {
                    return Ok(Some((row, (pager, rows))));
                }
                match pager.next_page().await? {
                    Some(page) => rows = page.into_iter(),
                    None => return Ok(None),
                }
            }
        })
    }
}

impl FromConnection for WertDataApi {
    fn from_connection(connection: Connection) -> Result<Self, ClientError> {
        let mut key = HeaderValue::from_str(connection.secret().expose()).map_err(|_| {
            let detail = "the key cannot be sent in a header; does it end with a line break?";
            ClientError::new(ClientErrorKind::Invalid, "setting up the client").with_detail(detail)
        })?;
        key.set_sensitive(true);
        Ok(Self { connection, key, codes: CryptoCodes::default(), is_sandbox: false, pace: Pace::default() })
    }
}
