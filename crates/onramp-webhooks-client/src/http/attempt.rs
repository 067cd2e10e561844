//! A single attempt, from connecting to the last byte of the response.

use std::time::Duration;

use reqwest::{Response, StatusCode};

use super::{Call, Connection, retry_after};
use crate::error::{ClientError, ClientErrorKind};

/// Number of characters of an error response that are kept.
const EXCERPT: usize = 1_024;

/// Time limit for reading an error response.
const EXCERPT_TIMEOUT: Duration = Duration::from_secs(1);

impl Connection {
    /// Makes one attempt within `timeout`, and returns the body of the response.
    pub(super) async fn attempt(&self, call: &Call, timeout: Duration) -> Result<Vec<u8>, ClientError> {
        let exchange = tokio::time::timeout(timeout, self.exchange(call)).await;
        exchange.unwrap_or_else(|_| Err(ClientError::new(ClientErrorKind::TimedOut, call.operation)))
    }

    async fn exchange(&self, call: &Call) -> Result<Vec<u8>, ClientError> {
        let response = self.http.execute(call.request(&self.base)).await.map_err(|error| transport_error(call, error))?;
        match response.status().is_success() {
            true => self.read_body(call, response).await,
            false => Err(self.status_error(call, response).await),
        }
    }

    async fn read_body(&self, call: &Call, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let max = self.limits.max_response_size;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport_error(call, error))? {
            if chunk.len() > max - body.len() {
                let detail = format!("more than {max} bytes");
                return Err(ClientError::new(ClientErrorKind::TooLarge, call.operation).with_detail(detail));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Adds the beginning of the response body to an error.
    pub(super) fn with_excerpt(&self, error: ClientError, body: &[u8]) -> ClientError {
        error.with_response_excerpt(self.secret.excerpt(body, EXCERPT))
    }

    async fn status_error(&self, call: &Call, response: Response) -> ClientError {
        let status = response.status();
        let retry_after = retry_after::parse(response.headers(), self.limits.clock.now());
        let error = ClientError::new(kind(status), call.operation).with_status(status.as_u16(), retry_after);
        match tokio::time::timeout(EXCERPT_TIMEOUT, read_prefix(response, self.secret.window(EXCERPT))).await {
            Ok(body) => self.with_excerpt(error, &body),
            Err(_) => error,
        }
    }
}

/// Reads at least the first `length` bytes of a body, or fewer if the body ends or breaks off earlier.
async fn read_prefix(mut response: Response, length: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < length {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body
}

const fn kind(status: StatusCode) -> ClientErrorKind {
    match status.as_u16() {
        300..=399 => ClientErrorKind::Redirected,
        401 => ClientErrorKind::Unauthorized,
        403 => ClientErrorKind::Forbidden,
        404 => ClientErrorKind::NotFound,
        408 => ClientErrorKind::TimedOut,
        429 => ClientErrorKind::RateLimited,
        500.. => ClientErrorKind::ProviderFailed,
        _ => ClientErrorKind::Refused,
    }
}

fn transport_error(call: &Call, error: reqwest::Error) -> ClientError {
    let kind = match () {
        () if error.is_builder() => ClientErrorKind::Invalid,
        () if error.is_connect() => ClientErrorKind::Unreachable,
        () if error.is_timeout() => ClientErrorKind::TimedOut,
        () => ClientErrorKind::Interrupted,
    };
    ClientError::new(kind, call.operation).with_source(error.without_url())
}
