//! An API call before it is sent.

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};

use super::base_url::BaseUrl;

/// An API call without a base URL, which can be sent any number of times.
pub(crate) struct Call {
    pub(super) operation: &'static str,
    path: &'static str,
    query: Vec<(&'static str, String)>,
    header: Option<(&'static str, HeaderValue)>,
    /// Only calls that are not idempotent have a body.
    body: Option<Vec<u8>>,
}

impl Call {
    /// Creates a `GET` request, which is idempotent.
    pub(crate) fn get(operation: &'static str, path: &'static str, query: Vec<(&'static str, String)>) -> Self {
        Self { operation, path, query, header: None, body: None }
    }

    /// Creates a `POST` request, which is not idempotent.
    pub(crate) fn post(operation: &'static str, path: &'static str, json: Vec<u8>) -> Self {
        Self { operation, path, query: Vec::new(), header: None, body: Some(json) }
    }

    pub(crate) fn header(self, name: &'static str, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(super) const fn is_idempotent(&self) -> bool {
        self.body.is_none()
    }

    pub(super) fn request(&self, base: &BaseUrl) -> Request {
        let method = if self.is_idempotent() { Method::GET } else { Method::POST };
        let mut request = Request::new(method, self.url(base));
        if let Some((name, value)) = &self.header {
            request.headers_mut().insert(*name, value.clone());
        }
        if let Some(body) = &self.body {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(body.clone().into());
        }
        request
    }

    fn url(&self, base: &BaseUrl) -> Url {
        let mut url = base.join(self.path);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}
