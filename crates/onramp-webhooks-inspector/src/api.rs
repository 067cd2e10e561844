//! The JSON API below `api/`.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use onramp_webhooks::adapter::{PageRequest, PageResponse};
use onramp_webhooks::attention::attention;
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeliveryId, Filter, Page, Record, State};
use onramp_webhooks::{StoreError, StoreErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::access::{Caller, Role};
use crate::actions::{self, Actions};
use crate::attention::items;
use crate::inspector::{Shared, get, json_response, post};
use crate::problem::Problem;
use crate::query::{self, Wanted};
use crate::{csrf, view};

/// Maximum number of the deliveries of an order that are shown.
const MOST_OF_ORDER: usize = 100;

/// The number of deliveries that are read at the same time.
const AT_ONCE: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Find {
    text: String,
}

/// Responds to a request below `api/`, if its sender may send it.
pub(crate) async fn respond(
    shared: &Shared,
    request: &PageRequest,
    route: &[&str],
    now: Timestamp,
) -> Result<PageResponse, Problem> {
    let caller = shared.guard.caller(request, now)?;
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        csrf::check(request, caller.by_bearer)?;
    }
    match route {
        ["overview"] => {
            get(request)?;
            overview(shared, &caller, now).await
        }
        ["deliveries"] => {
            get(request)?;
            deliveries(shared, request.query.as_deref()).await
        }
        ["deliveries", id] => {
            get(request)?;
            let record = show(shared, parse_id(id)?).await?;
            Ok(json_response(&view::whole(&record, &shared.providers, false)))
        }
        ["deliveries", id, "body"] => {
            get(request)?;
            download(shared, request, &caller, parse_id(id)?).await
        }
        ["deliveries", id, action] => {
            post(request)?;
            operates(shared, &caller)?;
            let actions = Actions { inbox: &*shared.inbox, providers: &shared.providers, now, caller: &caller };
            Ok(json_response(&actions.run(action, parse_id(id)?, &request.body).await?))
        }
        ["orders", endpoint, kind, id] => {
            get(request)?;
            let key = DedupKey::new(endpoint, kind, id, "");
            let filter = Filter::all().order(key.subject()).limit(MOST_OF_ORDER).oldest_first();
            list(shared, filter).await
        }
        ["find"] => {
            post(request)?;
            let Find { text } = actions::parse(&request.body)?;
            list(shared, Filter::all().about(text.trim()).limit(MOST_OF_ORDER)).await
        }
        _ => Err(Problem::not_found()),
    }
}

/// Checks that the sender may change deliveries and see personal data.
fn operates(shared: &Shared, caller: &Caller) -> Result<(), Problem> {
    match (shared.is_read_only, caller.role) {
        (false, Role::Operator) => Ok(()),
        (true, _) => Err(Problem::forbidden("This inspector only shows deliveries.")),
        (_, Role::Reader) => Err(Problem::forbidden("Readers see masked data and change nothing.")),
    }
}

async fn overview(shared: &Shared, caller: &Caller, now: Timestamp) -> Result<PageResponse, Problem> {
    let inbox = &*shared.inbox;
    let attention = attention(inbox, &shared.providers, now).await?;
    let counts = &attention.counts;
    let counted = State::ALL.into_iter().filter(|state| !matches!(state, State::Handled | State::Unknown));
    let counts: Value = counted.map(|state| (state.as_str().to_owned(), json!(counts.of(state).to_string()))).collect();
    let last = inbox.list(Filter::all().limit(1)).await?.records.into_iter().next();
    let last =
        last.map(|last| json!({ "id": last.id.to_string(), "endpoint": &*last.endpoint, "at": view::time(last.received_at) }));
    Ok(json_response(&json!({
        "object": "overview",
        "title": shared.title,
        "environment": shared.place,
        "as_of": view::time(now),
        "caller": { "name": caller.name, "operates": operates(shared, caller).is_ok() },
        "signs_out": shared.guard.has_login(),
        "counts": counts,
        "last": last,
        "oldest_due": attention.oldest_due.map(view::time),
        "attention": items(&attention),
    })))
}

async fn deliveries(shared: &Shared, query: Option<&str>) -> Result<PageResponse, Problem> {
    match query::wanted(query)? {
        Wanted::Page(filter) => list(shared, *filter).await,
        Wanted::These(ids) => {
            let found = stream::iter(ids).map(|id| shared.inbox.show(id)).buffered(AT_ONCE);
            let records: Vec<Option<Record>> = found.try_collect().await?;
            let data: Vec<_> = records.iter().flatten().map(|record| view::row(record, &shared.providers)).collect();
            Ok(json_response(&json!({ "object": "list", "data": data, "next": null, "searched_to": null, "complete": true })))
        }
    }
}

async fn list(shared: &Shared, filter: Filter) -> Result<PageResponse, Problem> {
    let Page { records, next, searched_to, .. } = shared.inbox.list(filter.with_bodies()).await?;
    let data: Vec<_> = records.iter().map(|record| view::row(record, &shared.providers)).collect();
    Ok(json_response(&json!({
        "object": "list",
        "data": data,
        "next": next.map(|next| next.to_string()),
        "searched_to": searched_to.map(view::time),
        "complete": next.is_none(),
    })))
}

/// Returns the exact bytes of a body, as a file that no browser opens.
async fn download(shared: &Shared, request: &PageRequest, caller: &Caller, id: DeliveryId) -> Result<PageResponse, Problem> {
    operates(shared, caller)?;
    csrf::check_source(request)?;
    let body = show(shared, id).await?.body.ok_or_else(|| Problem::refused("The body was removed."))?;
    tracing::info!(action = "download", delivery = %id, operator = caller.name, "an operator used the inspector");
    Ok(PageResponse::new(200, body)
        .header("content-type", "application/octet-stream")
        .header("content-disposition", format!("attachment; filename=\"delivery-{id}.bin\"")))
}

async fn show(shared: &Shared, id: DeliveryId) -> Result<Record, Problem> {
    let missing = || StoreError::new(StoreErrorKind::NotFound, "show a delivery");
    Ok(shared.inbox.show(id).await?.ok_or_else(missing)?)
}

fn parse_id(id: &str) -> Result<DeliveryId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}
