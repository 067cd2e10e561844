//! The client of Kriptomat's API.

use onramp_webhooks::kriptomat::started::StartedPurchases;

use super::{Widget, WidgetRequest};
use crate::error::{ClientError, ClientErrorKind};
use crate::http::{ApiBuilder, Call, Connection, FromConnection};
use crate::json::misfit;

pub(super) const DOING: &str = "starting Kriptomat's widget";

const PRODUCTION: &str = "https://api.kriptomat.io";
const PATH: &str = "/widget/init";

/// Starts Kriptomat's widget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KriptomatApi {
    connection: Connection,
}

impl KriptomatApi {
    /// Kriptomat's production, at `api.kriptomat.io`.
    #[must_use]
    pub fn production(token: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(PRODUCTION, token)
    }

    /// Another address, such as that of a gateway, or `http://` of this very machine. `/widget/init` is added to it.
    #[must_use]
    pub fn at(base_url: impl Into<String>, token: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(base_url, token)
    }

    /// Starts a widget and writes down its `uuid` with what was asked for, before anybody can pay in it; so that
    /// [`KnownPurchases`](onramp_webhooks::kriptomat::started::KnownPurchases) knows its postback. The answer's `uuid` is there.
    ///
    /// Not cancel-safe: a call that is dropped may have started a widget and written it down, which nobody will pay in.
    ///
    /// # Errors
    /// As [`init`](Self::init); [`NotWrittenDown`](ClientErrorKind::NotWrittenDown) with the store's error as its source; and
    /// [`Misfit`](ClientErrorKind::Misfit) when the widget's address names no `uuid`.
    pub async fn start<S>(&self, request: &WidgetRequest, purchases: &S) -> Result<Widget, ClientError>
    where
        S: StartedPurchases + ?Sized,
    {
        let widget = self.init(request).await?;
        let uuid =
            widget.uuid.as_ref().ok_or_else(|| misfit(DOING, "data.url: no uuid, so that its postback could not be told"))?;
        let started = request.started(uuid, self.connection.clock().now());
        let not_written = |error| ClientError::new(ClientErrorKind::NotWrittenDown, DOING).because(error);
        purchases.start(started).await.map_err(not_written)?;
        Ok(widget)
    }

    /// Starts a widget: answers the address to send the customer to. See also [`start`](Self::start).
    ///
    /// Every call starts a widget of its own, so this is tried again only while no connection can be made. A call that is dropped may
    /// have started one, which nobody will pay in.
    ///
    /// # Errors
    /// [`Invalid`](crate::ClientErrorKind::Invalid) when the request breaks a documented rule, and every other kind but
    /// [`EndlessPages`](crate::ClientErrorKind::EndlessPages) and [`NotWrittenDown`](crate::ClientErrorKind::NotWrittenDown).
    pub async fn init(&self, request: &WidgetRequest) -> Result<Widget, ClientError> {
        let body = request.to_json(self.connection.secret())?;
        self.connection.send(&Call::post(DOING, PATH, body), Widget::read).await
    }
}

impl FromConnection for KriptomatApi {
    fn from_connection(connection: Connection) -> Result<Self, ClientError> {
        Ok(Self { connection })
    }
}
