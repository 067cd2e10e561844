//! The shop behind its routes.

use std::error::Error;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use onramp_webhooks::Receiver;
use serde_json::json;

use crate::Answer;
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
    /// If it was taken before.
    pub fn listener(&self) -> std::io::Result<TcpListener> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        listener.ok_or_else(|| std::io::Error::other("the listener was taken before"))
    }

    /// Returns a future that resolves when the server has to stop accepting connections.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.stop.clone().stopped()
    }

    /// Answers `GET /points/{customer}`.
    pub async fn points(&self, customer: String) -> Answer {
        match self.points.of(&customer).await {
            Ok(points) => Answer::json(200, &json!({ "customer": customer, "points": points })),
            Err(error) => unavailable(&error),
        }
    }

    /// Answers `POST /buy`, whose body is JSON such as `{"customer":"ada","fiat_amount":"35","asset":"eth"}`: starts a widget and returns its
    /// address.
    pub async fn buy(&self, body: &[u8]) -> Answer {
        match &self.widgets {
            Some(widgets) => widgets.buy(body).await,
            None => Answer::json(404, &json!({ "error": "this shop starts no widgets: KRIPTOMAT_TOKEN is not set" })),
        }
    }

    /// Answers `GET /healthz`: 200 if the inbox can be written, with the status of every endpoint.
    pub async fn health(&self) -> Answer {
        Answer::of_core(&self.receiver.health().await)
    }
}

fn unavailable(error: &(dyn Error + 'static)) -> Answer {
    tracing::error!(error, "the points could not be read");
    Answer::json(503, &json!({ "error": "the points could not be read" }))
}
