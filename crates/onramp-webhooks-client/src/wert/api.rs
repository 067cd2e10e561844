//! The client of Wert's Data API.

use futures_core::Stream;
use futures_util::stream;
use onramp_webhooks::clock::Clock;
use reqwest::header::HeaderValue;

use super::{OrderRow, OrdersQuery, OrdersWalk, Page, Position};
use crate::error::{ClientError, ClientErrorKind};
use crate::http::{ApiBuilder, Call, Connection, FromConnection};

pub(super) const DOING: &str = "asking Wert for orders";

const PRODUCTION: &str = "https://partner.wert.io";
const SANDBOX: &str = "https://partner-sandbox.wert.io";
const PATH: &str = "/api/external/orders";

/// Asks Wert's Data API for orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WertDataApi {
    connection: Connection,
    key: HeaderValue,
}

impl WertDataApi {
    /// Wert's production, at `partner.wert.io`.
    #[must_use]
    pub fn production(api_key: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(PRODUCTION, api_key)
    }

    /// Wert's sandbox, at `partner-sandbox.wert.io`, which has keys of its own.
    #[must_use]
    pub fn sandbox(api_key: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(SANDBOX, api_key)
    }

    /// Another address, such as that of a gateway, or `http://` of this very machine. `/api/external/orders` is added to it.
    #[must_use]
    pub fn at(base_url: impl Into<String>, api_key: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(base_url, api_key)
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.connection.clock()
    }

    /// The first page of the orders that `query` asks for. Cancel-safe.
    ///
    /// # Errors
    /// [`Invalid`](ClientErrorKind::Invalid) when the query breaks a rule, and every other kind but
    /// [`EndlessPages`](ClientErrorKind::EndlessPages) and [`NotWrittenDown`](ClientErrorKind::NotWrittenDown).
    pub async fn orders(&self, query: &OrdersQuery) -> Result<Page, ClientError> {
        self.page(query, &Position::Start).await
    }

    /// The page of the orders that `query` asks for that begins at `position`; an empty one, without asking, after the last.
    /// Cancel-safe.
    ///
    /// # Errors
    /// As [`orders`](Self::orders).
    pub async fn page(&self, query: &OrdersQuery, position: &Position) -> Result<Page, ClientError> {
        if *position == Position::End {
            return Ok(Page::default());
        }
        let call = Call::get(DOING, PATH, query.parameters(DOING, position)?).header("x-api-key", self.key.clone());
        let page = self.connection.send(&call, |body| Page::read(DOING, body)).await?;
        match page.rows.iter().all(|row| query.terms.is_empty() || query.terms.iter().any(|term| row.is_found_by(term))) {
            true => Ok(page),
            false => Err(ClientError::new(ClientErrorKind::Contradiction, DOING).detail("an order that nobody searched for")),
        }
    }

    /// Walks over the pages of the orders that `query` asks for.
    #[must_use]
    pub fn walk(&self, query: OrdersQuery) -> OrdersWalk {
        OrdersWalk::new(self.clone(), query)
    }

    /// The orders that `query` asks for, one by one. Ends after the first error; a [walk](Self::walk) can go on.
    pub fn stream(&self, query: OrdersQuery) -> impl Stream<Item = Result<OrderRow, ClientError>> + Send + use<> {
        let start = (self.walk(query), Vec::new().into_iter());
        stream::try_unfold(start, |(mut walk, mut rows)| async move {
            loop {
                if let Some(row) = rows.next() {
                    return Ok(Some((row, (walk, rows))));
                }
                match walk.next_page().await? {
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
            let detail = "the key cannot be sent in a header; does it end with a new line?";
            ClientError::new(ClientErrorKind::Invalid, "setting up the client").detail(detail)
        })?;
        key.set_sensitive(true);
        Ok(Self { connection, key })
    }
}
