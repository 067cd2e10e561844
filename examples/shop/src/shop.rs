//! The shop behind its routes.

use std::error::Error;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use onramp_webhooks::Receiver;
use onramp_webhooks::allow_list::AllowList;
use onramp_webhooks_server::Server;
use serde_json::json;

use crate::Response;
use crate::buy::Widgets;
use crate::points::Points;
use crate::stop::Stop;

/// The shop behind a framework's routes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shop {
    pub(crate) receiver: Receiver,
    pub(crate) points: Points,
    pub(crate) widgets: Option<Widgets>,
    pub(crate) listener: Arc<Mutex<Option<TcpListener>>>,
    pub(crate) proxies: AllowList,
    pub(crate) stop: Stop,
}

impl Shop {
    /// Returns the receiver, to mount at `/webhooks`.
    #[must_use]
    pub fn receiver(&self) -> Receiver {
        self.receiver.clone()
    }

    /// Returns the bound listener, in non-blocking mode.
    ///
    /// # Errors
    /// Returns an error if the listener was already taken.
    pub fn listener(&self) -> std::io::Result<TcpListener> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        listener.ok_or_else(|| std::io::Error::other("the listener was already taken"))
    }

    /// Returns the proxies that begin each connection with a header of the PROXY protocol.
    #[must_use]
    pub fn proxy_protocol(&self) -> AllowList {
        self.proxies.clone()
    }

    /// Returns a server on the bound listener.
    ///
    /// # Errors
    /// Returns an error if the listener was already taken.
    pub fn server(&self) -> std::io::Result<Server> {
        let listener = tokio::net::TcpListener::from_std(self.listener()?)?;
        Ok(Server::new(listener).proxy_protocol(self.proxy_protocol()))
    }

    /// Returns a future that resolves when the server has to stop accepting connections.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.stop.clone().stopped()
    }

    /// Handles `GET /points/{customer}`.
    pub async fn points(&self, customer: String) -> Response {
        match self.points.of(&customer).await {
            Ok(points) => Response::json(200, &json!({ "customer": customer, "points": points })),
            Err(error) => unavailable(&error),
        }
    }

    /// Handles `POST /buy`, whose body is JSON such as `{"customer":"ada","fiat_amount":"35","asset":"eth"}`: starts a widget and returns
    /// its URL.
    ///
    /// Anyone who can reach this route can start widgets for any customer. A real shop puts it behind its own login, and takes the customer
    /// from there instead of from the body. The caller limits the body to [`LARGEST_REQUEST`](crate::LARGEST_REQUEST), and its time by
    /// [`in_time`](crate::in_time).
    pub async fn buy(&self, body: &[u8]) -> Response {
        match &self.widgets {
            Some(widgets) => widgets.buy(body).await,
            None => Response::json(404, &json!({ "error": "this shop starts no widgets: KRIPTOMAT_TOKEN is not set" })),
        }
    }

    /// Handles `GET /healthz`. The status is 200 if the inbox is writable, and the body contains the status of every endpoint.
    pub async fn health(&self) -> Response {
        Response::of_core(&self.receiver.health().await)
    }
}

fn unavailable(error: &(dyn Error + 'static)) -> Response {
    tracing::error!(error, "the points could not be read");
    Response::json(503, &json!({ "error": "the points could not be read" }))
}
