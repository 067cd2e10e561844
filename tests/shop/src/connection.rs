//! Responses, and connections that send any bytes.

pub use onramp_webhooks_testkit::adapter::{Connection, Response};
use reqwest::RequestBuilder;

/// Sends a request, and returns the response.
///
/// # Errors
/// Returns an error if no response arrived.
pub async fn answer_to(request: RequestBuilder) -> reqwest::Result<Response> {
    let response = request.send().await?;
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Ok(Response::new(response.status().as_u16(), headers, response.bytes().await?.to_vec()))
}
