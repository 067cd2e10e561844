//! One attempt, from connecting to the last byte.

use std::time::Duration;

use reqwest::{Response, StatusCode};

use super::{Call, Connection, retry_after};
use crate::error::{ClientError, ClientErrorKind};

/// As much of an answer that tells of a failure as is kept.
const EXCERPT: usize = 1_024;
/// As long as is waited for it.
const EXCERPT_TIME: Duration = Duration::from_secs(1);

impl Connection {
    /// One attempt, within `limit`.
    pub(super) async fn attempt(&self, call: &Call, limit: Duration) -> Result<Vec<u8>, ClientError> {
        let exchange = tokio::time::timeout(limit, self.exchange(call)).await;
        exchange.unwrap_or_else(|_| Err(ClientError::new(ClientErrorKind::TimedOut, call.doing)))
    }

    async fn exchange(&self, call: &Call) -> Result<Vec<u8>, ClientError> {
        let response = self.http.execute(call.request(&self.base)).await.map_err(|error| broken(call, error))?;
        if response.status().is_success() { self.read(call, response).await } else { Err(self.failure(call, response).await) }
    }

    async fn read(&self, call: &Call, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let largest = self.limits.largest_answer;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(call, error))? {
            if chunk.len() > largest - body.len() {
                let detail = format!("more than {largest} bytes");
                return Err(ClientError::new(ClientErrorKind::TooLarge, call.doing).detail(detail));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error with the beginning of the answer that it is about.
    pub(super) fn quote(&self, error: ClientError, answer: &[u8]) -> ClientError {
        error.with_answer(self.secret.excerpt(answer, EXCERPT))
    }

    async fn failure(&self, call: &Call, response: Response) -> ClientError {
        let status = response.status();
        let retry_after = retry_after::of(response.headers(), self.limits.clock.now());
        let error = ClientError::new(kind(status), call.doing).with_status(status.as_u16(), retry_after);
        match tokio::time::timeout(EXCERPT_TIME, beginning(response, self.secret.window(EXCERPT))).await {
            Ok(answer) => self.quote(error, &answer),
            Err(_) => error,
        }
    }
}

/// At least the first `length` bytes of a body, as far as it came.
async fn beginning(mut response: Response, length: usize) -> Vec<u8> {
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

fn broken(call: &Call, error: reqwest::Error) -> ClientError {
    let kind = match () {
        () if error.is_builder() => ClientErrorKind::Invalid,
        () if error.is_connect() => ClientErrorKind::Unreachable,
        () if error.is_timeout() => ClientErrorKind::TimedOut,
        () => ClientErrorKind::Interrupted,
    };
    ClientError::new(kind, call.doing).because(error.without_url())
}
