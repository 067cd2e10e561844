//! An HTTP client of a shop.

use std::net::SocketAddr;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, RequestBuilder};

use crate::connection::{Response, answer_to};
use crate::wait::SOON;

/// An HTTP client with as many connections as it needs.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address of the shop.
    pub address: SocketAddr,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn of(address: SocketAddr) -> Self {
        // Do not use a proxy that is configured on the machine.
        Self { address, http: reqwest::Client::builder().no_proxy().timeout(SOON).build().unwrap() }
    }

    /// Returns a builder for a request.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.http.request(method.parse().unwrap(), format!("http://{}{path}", self.address))
    }

    /// Posts a JSON body.
    ///
    /// # Errors
    /// Returns an error if no response arrived.
    pub async fn try_post(&self, path: &str, body: impl Into<Body>) -> reqwest::Result<Response> {
        answer_to(self.request("POST", path).header(CONTENT_TYPE, "application/json").body(body)).await
    }

    /// Posts a JSON body. Panics if no response arrives.
    pub async fn post(&self, path: &str, body: impl Into<Body>) -> Response {
        self.try_post(path, body).await.unwrap()
    }

    /// Posts an event of Wert's.
    pub async fn wert(&self, body: impl Into<Body>) -> Response {
        self.post("/webhooks/wert/dev-secret", body).await
    }

    /// Posts an event of Kriptomat's.
    pub async fn kriptomat(&self, body: impl Into<Body>) -> Response {
        self.post("/webhooks/kriptomat", body).await
    }

    /// Gets a path.
    pub async fn get(&self, path: &str) -> Response {
        answer_to(self.request("GET", path)).await.unwrap()
    }

    /// Returns a customer's points.
    pub async fn points(&self, customer: &str) -> String {
        let reply = self.get(&format!("/points/{customer}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["points"].as_str().unwrap().to_owned()
    }
}
