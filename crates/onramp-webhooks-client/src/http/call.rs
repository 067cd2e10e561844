//! What is to be sent.

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};

use super::base_url::BaseUrl;

/// A request before it has an address, which can be sent any number of times.
pub(crate) struct Call {
    pub(super) doing: &'static str,
    path: &'static str,
    query: Vec<(&'static str, String)>,
    header: Option<(&'static str, HeaderValue)>,
    /// A call with a body starts something.
    body: Option<Vec<u8>>,
}

impl Call {
    /// Reads something: safe to repeat.
    pub(crate) fn get(doing: &'static str, path: &'static str, query: Vec<(&'static str, String)>) -> Self {
        Self { doing, path, query, header: None, body: None }
    }

    /// Starts something: not to be repeated.
    pub(crate) fn post(doing: &'static str, path: &'static str, json: Vec<u8>) -> Self {
        Self { doing, path, query: Vec::new(), header: None, body: Some(json) }
    }

    pub(crate) fn header(self, name: &'static str, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(super) const fn is_safe(&self) -> bool {
        self.body.is_none()
    }

    pub(super) fn request(&self, base: &BaseUrl) -> Request {
        let method = if self.is_safe() { Method::GET } else { Method::POST };
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
