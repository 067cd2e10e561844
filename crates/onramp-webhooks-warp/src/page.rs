//! Pages below a prefix.

use std::sync::Arc;

use futures_util::StreamExt;
use onramp_webhooks::adapter::{Page, PageBody, PageResponse, serve_page};
use warp::filters::BoxedFilter;
use warp::http::{self, StatusCode};
use warp::reply::Response;
use warp::{Filter, Reply as _};

use crate::Reply;
use crate::request::{Head, body, head, rest_of_path};

/// Returns a filter that passes every request to `page`, such as the inspector of `onramp-webhooks-inspector`.
///
/// Put it [behind](Filter::and) the path of the page: `warp::path("inspect").and(page(inspector))`.
///
/// ```
/// use onramp_webhooks_warp::core::adapter::{Page, PageRequest, PageResponse, async_trait};
/// use onramp_webhooks_warp::page;
/// use warp::Filter;
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
/// let app = warp::path("hello").and(page(Greeting));
/// # let _ = warp::service(app);
/// ```
pub fn page(page: impl Page) -> BoxedFilter<(Response,)> {
    let page: Arc<dyn Page> = Arc::new(page);
    let shown = rest_of_path().and(head()).and(body()).then(move |path: String, head: Head, body| {
        let served = serve_page(&page, &head.at(&path), head.whole().path, body);
        async { served.await.map_or_else(|reply| Reply(reply).into_response(), response) }
    });
    shown.boxed()
}

/// Converts the response without changing it. A response that is not valid HTTP becomes a server error.
fn response(response: PageResponse) -> Response {
    let mut built = http::Response::builder().status(response.status);
    for (name, value) in response.headers {
        built = built.header(name, value);
    }
    match response.body {
        PageBody::Whole(body) => built.body(body).into_response(),
        PageBody::Stream(stream) => match built.body(()) {
            Ok(head) => {
                let stream = stream.map(Ok::<_, std::convert::Infallible>);
                Response::from_parts(head.into_parts().0, warp::reply::stream(stream).into_response().into_body())
            }
            Err(error) => error.into_response(),
        },
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
