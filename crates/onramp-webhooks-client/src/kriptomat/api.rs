//! The client for Kriptomat's API.

use onramp_webhooks::purchases::PurchaseStore;

use super::{Widget, WidgetRequest};
use crate::error::{ClientError, ClientErrorKind};
use crate::http::{ApiBuilder, Call, Connection, FromConnection};
use crate::json::unreadable;

pub(super) const OPERATION: &str = "starting Kriptomat's widget";

const PRODUCTION: &str = "https://api.kriptomat.io";
const PATH: &str = "/widget/init";

/// A client for Kriptomat's API, which starts the widget. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KriptomatApi {
    connection: Connection,
}

impl KriptomatApi {
    /// Creates a builder for Kriptomat's production API at `api.kriptomat.io`.
    #[must_use]
    pub fn production(token: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(PRODUCTION, token)
    }

    /// Creates a builder for another base URL, such as a gateway or a loopback address with `http://`. `/widget/init` is appended to it.
    #[must_use]
    pub fn at(base_url: impl Into<String>, token: impl Into<String>) -> ApiBuilder<Self> {
        ApiBuilder::new(base_url, token)
    }

    /// Starts a widget and stores its purchase, so that
    /// [`KnownPurchases`](onramp_webhooks::purchases::KnownPurchases) recognizes the postback.
    ///
    /// The purchase is stored before the URL is returned, so that no customer can pay earlier. The returned widget always has a `uuid`.
    /// Not cancel-safe: a dropped call may leave a widget and a stored purchase that are never used.
    ///
    /// # Errors
    /// Fails as [`init`](Self::init) does. Returns [`NotStored`](ClientErrorKind::NotStored), with the store's error as its source, if the
    /// purchase cannot be stored, and [`Unreadable`](ClientErrorKind::Unreadable) if the widget's URL has no `uuid`.
    pub async fn start<S>(&self, request: &WidgetRequest, purchases: &S) -> Result<Widget, ClientError>
    where
        S: PurchaseStore + ?Sized,
    {
        let widget = self.init(request).await?;
        let uuid = widget
            .uuid
            .as_ref()
            .ok_or_else(|| unreadable(OPERATION, "data.url: no uuid, so its postback cannot be recognized"))?;
        let purchase = request.purchase(uuid, self.connection.clock().now());
        let not_stored = |error| ClientError::new(ClientErrorKind::NotStored, OPERATION).with_source(error);
        purchases.start(purchase).await.map_err(not_stored)?;
        Ok(widget)
    }

    /// Starts a widget and returns the URL to send the customer to. See [`start`](Self::start) to store its purchase as well.
    ///
    /// Every call starts a new widget, so it is retried only while no connection can be made. Not cancel-safe: a dropped call may leave a
    /// widget that is never used.
    ///
    /// # Errors
    /// Returns [`Invalid`](ClientErrorKind::Invalid) if the request breaks a rule of [`WidgetRequest`], and every other kind except
    /// [`EndlessPages`](ClientErrorKind::EndlessPages) and [`NotStored`](ClientErrorKind::NotStored).
    pub async fn init(&self, request: &WidgetRequest) -> Result<Widget, ClientError> {
        let body = request.to_json(self.connection.secret())?;
        self.connection.send(&Call::post(OPERATION, PATH, body), Widget::parse).await
    }
}

impl FromConnection for KriptomatApi {
    fn from_connection(connection: Connection) -> Result<Self, ClientError> {
        Ok(Self { connection })
    }
}
