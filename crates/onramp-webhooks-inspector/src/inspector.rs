//! The page, and its addresses.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use onramp_webhooks::Inbox;
use onramp_webhooks::adapter::{Page, PageRequest, PageResponse};
use onramp_webhooks::clock::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::json;

use crate::access::{Caller, Guard, Role};
use crate::assets::Assets;
use crate::builder::Settings;
use crate::events::Streams;
use crate::overview::Overviews;
use crate::problem::Problem;
use crate::traffic::Reports;
use crate::{InspectorBuilder, actions, api, csrf, headers};

/// A page over an inbox, which an adapter mounts with its function `page`. Clones share the same page.
#[derive(Clone)]
pub struct Inspector {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) guard: Guard,
    pub(crate) overviews: Overviews,
    pub(crate) reports: Reports,
    pub(crate) streams: Streams,
    assets: Assets,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    token: String,
}

impl Shared {
    /// Checks that the sender may change deliveries and see personal data.
    pub(crate) fn operates(&self, caller: &Caller) -> Result<(), Problem> {
        match (self.settings.is_read_only, caller.role) {
            (false, Role::Operator) => Ok(()),
            (true, _) => Err(Problem::forbidden("This inspector only shows deliveries.")),
            (_, Role::Reader) => Err(Problem::forbidden("Readers see masked data and change nothing.")),
        }
    }
}

impl Inspector {
    /// Returns a builder. The inbox is that of a receiver ([`Receiver::inbox`](onramp_webhooks::Receiver::inbox)), or any other.
    pub fn builder(inbox: impl Inbox) -> InspectorBuilder {
        InspectorBuilder::new(Arc::new(inbox))
    }

    pub(crate) fn new(settings: Settings, guard: Guard) -> Self {
        let (overviews, reports) = (Overviews::default(), Reports::default());
        let (streams, assets) = (Streams::default(), Assets::new());
        Self { shared: Arc::new(Shared { settings: Arc::new(settings), guard, overviews, reports, streams, assets }) }
    }

    async fn route(&self, request: &PageRequest) -> Result<PageResponse, Problem> {
        let now = self.shared.settings.clock.now();
        let segments = segments(&request.path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [""] => get(request).map(|()| self.shared.assets.index()),
            ["assets", version, name] => {
                get(request)?;
                self.shared.assets.get(version, name, request).ok_or_else(Problem::not_found)
            }
            ["login"] => self.login(request, now),
            ["logout"] => self.logout(request),
            ["api", route @ ..] => api::respond(&self.shared, request, route, now).await,
            _ => Err(Problem::not_found()),
        }
    }

    fn login(&self, request: &PageRequest, now: Timestamp) -> Result<PageResponse, Problem> {
        post(request)?;
        csrf::check(request, false)?;
        let Login { token } = actions::parse(&request.body)?;
        let (role, cookie) = self.shared.guard.sign_in(request, &token, now)?;
        tracing::info!(role = role.as_str(), "signed in to the inspector");
        let body = json!({ "object": "session", "role": role.as_str() });
        Ok(json_response(&body).header("set-cookie", cookie))
    }

    fn logout(&self, request: &PageRequest) -> Result<PageResponse, Problem> {
        post(request)?;
        csrf::check(request, false)?;
        let body = json!({ "object": "session", "role": null });
        Ok(json_response(&body).header("set-cookie", self.shared.guard.sign_out(request)?))
    }
}

#[async_trait]
impl Page for Inspector {
    async fn respond(&self, request: PageRequest) -> PageResponse {
        let response = self.route(&request).await.unwrap_or_else(Problem::response);
        headers::protect(response, request.path.starts_with("/assets/"))
    }
}

impl fmt::Debug for Inspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspector")
            .field("inbox", &self.shared.settings.inbox)
            .field("guard", &self.shared.guard)
            .finish_non_exhaustive()
    }
}

/// Returns the decoded segments of a path.
fn segments(path: &str) -> Result<Vec<String>, Problem> {
    let encoded = path.strip_prefix('/').unwrap_or(path).split('/');
    let decoded = encoded.map(|segment| percent_decode_str(segment).decode_utf8().map(|segment| segment.into_owned()));
    decoded.collect::<Result<_, _>>().map_err(|_| Problem::not_found())
}

/// Checks that a request only reads.
pub(crate) fn get(request: &PageRequest) -> Result<(), Problem> {
    if matches!(request.method.as_str(), "GET" | "HEAD") { Ok(()) } else { Err(Problem::method("GET, HEAD")) }
}

/// Checks that a request may change something.
pub(crate) fn post(request: &PageRequest) -> Result<(), Problem> {
    if request.method == "POST" { Ok(()) } else { Err(Problem::method("POST")) }
}

pub(crate) fn json_response(body: &serde_json::Value) -> PageResponse {
    PageResponse::new(200, body.to_string()).header("content-type", "application/json")
}
