//! The client of Kriptomat's API.

use super::{Widget, WidgetRequest};
use crate::error::ClientError;
use crate::http::{ApiBuilder, Call, Connection, FromConnection};

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

    /// Starts a widget: answers the address to send the customer to.
    ///
    /// Every call starts a widget of its own, so this is tried again only while no connection can be made. A call that is dropped may
    /// have started one, which nobody will pay in.
    ///
    /// # Errors
    /// [`Invalid`](crate::ClientErrorKind::Invalid) when the request breaks a documented rule, and every other kind but
    /// [`EndlessPages`](crate::ClientErrorKind::EndlessPages).
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
