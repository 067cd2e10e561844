//! Pages below a prefix.

use std::future::Future;
use std::sync::Arc;

use actix_web::dev::HttpServiceFactory;
use actix_web::error::HttpError;
use actix_web::http::StatusCode;
use actix_web::rt::task::yield_now;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use onramp_webhooks::adapter::{Page, PageBody, PageResponse, serve_page};

use crate::Reply;
use crate::request::{Lines, rest, whole_head};

/// Returns a service that passes every request to `page`, such as the inspector of `onramp-webhooks-inspector`.
///
/// Add it to the [`scope`](web::scope) of the page: `web::scope("/inspect").service(page(inspector))`. The page is cloned for each worker,
/// so share one page with an [`Arc`].
///
/// ```
/// use actix_web::{App, web};
/// use onramp_webhooks_actix::core::adapter::{Page, PageRequest, PageResponse, async_trait};
/// use onramp_webhooks_actix::page;
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
/// let app = App::new().service(web::scope("/hello").service(page(Greeting)));
/// ```
#[must_use]
pub fn page(page: impl Page) -> impl HttpServiceFactory + 'static {
    let page: Arc<dyn Page> = Arc::new(page);
    web::scope("").default_service(web::to(move |request: HttpRequest, body: web::Payload| show(&page, &request, body)))
}

fn show(page: &Arc<dyn Page>, request: &HttpRequest, body: web::Payload) -> impl Future<Output = HttpResponse> + use<> {
    let lines = Lines(request.headers());
    let served = serve_page(page, &rest(request, &lines), whole_head(request, &lines).path, body);
    async {
        // As in the routes of a receiver, the body can be read only after the first poll.
        yield_now().await;
        served.await.map_or_else(|reply| Reply(reply).response(), response)
    }
}

/// Converts the response without changing it. A response that is not valid HTTP becomes a server error.
fn response(response: PageResponse) -> HttpResponse {
    let status = match StatusCode::from_u16(response.status) {
        Ok(status) => status,
        Err(error) => return HttpResponse::from_error(HttpError::from(error)),
    };
    let mut built = HttpResponse::build(status);
    for header in response.headers {
        built.append_header(header);
    }
    match response.body {
        PageBody::Whole(body) => built.body(body),
        PageBody::Stream(stream) => built.streaming(stream.map(Ok::<_, std::convert::Infallible>)),
        _ => HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
