//! Pages below a prefix.

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use futures_util::StreamExt;
use onramp_webhooks::adapter::{Page, PageBody, PageResponse, serve_page};

use crate::Reply;
use crate::request::{Lines, head, whole_head};

/// Returns a service that passes every request to `page`, such as the inspector of `onramp-webhooks-inspector`.
///
/// [Nest](axum::Router::nest_service) it below the prefix of the page: `.nest_service("/inspect", page(inspector))`. A nested
/// [router](axum::Router::nest) would not match the prefix with its slash.
///
/// ```
/// use axum::Router;
/// use onramp_webhooks_axum::core::adapter::{Page, PageRequest, PageResponse, async_trait};
/// use onramp_webhooks_axum::page;
///
/// #[derive(Debug)]
/// struct Greeting;
///
/// #[async_trait]
/// impl Page for Greeting {
///     async fn respond(&self, request: PageRequest) -> PageResponse {
///         PageResponse::new(200, format!("hello at {}", request.path))
///     }
/// }
///
/// let app: Router = Router::new().nest_service("/hello", page(Greeting));
/// ```
pub fn page(page: impl Page) -> MethodRouter {
    let page: Arc<dyn Page> = Arc::new(page);
    any(move |request: Request| show(&page, request))
}

fn show(page: &Arc<dyn Page>, request: Request) -> impl Future<Output = Response> + use<> {
    let (parts, body) = request.into_parts();
    let lines = Lines(&parts.headers);
    let served = serve_page(page, &head(&parts, &lines), whole_head(&parts, &lines).path, body.into_data_stream());
    async { served.await.map_or_else(|reply| Reply(reply).into_response(), response) }
}

/// Converts the response without changing it. A response that is not valid HTTP becomes a server error.
fn response(response: PageResponse) -> Response {
    let mut built = Response::builder().status(response.status);
    for (name, value) in response.headers {
        built = built.header(name, value);
    }
    let body = match response.body {
        PageBody::Whole(body) => Body::from(body),
        PageBody::Stream(stream) => Body::from_stream(stream.map(Ok::<_, std::convert::Infallible>)),
        _ => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    built.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
