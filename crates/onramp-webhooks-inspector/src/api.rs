//! The JSON API below `api/`.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use onramp_webhooks::adapter::{PageRequest, PageResponse};
use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::identity::DedupKey;
use onramp_webhooks::inbox::{DeliveryId, Filter, Page, Record, contradicted};
use onramp_webhooks::masking::{Difference, differences};
use onramp_webhooks::traffic::Window;
use onramp_webhooks::{StoreError, StoreErrorKind};
use serde::Deserialize;
use serde_json::json;

use crate::access::Caller;
use crate::actions::{self, Actions};
use crate::builder::Settings;
use crate::inspector::{Shared, get, json_response, post};
use crate::problem::Problem;
use crate::query::{self, Wanted};
use crate::{blind, csrf, events, traffic, view};

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
    shared: &Arc<Shared>,
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
            Ok(json_response(&shared.overviews.get(&shared.settings).await?.json(shared, &caller)))
        }
        ["traffic"] => traffic(shared, &caller, request).await,
        ["endpoints"] => endpoints(shared, request).await,
        ["events"] => {
            get(request)?;
            csrf::check_source(request)?;
            events::open(shared, request, caller, now)
        }
        ["deliveries"] => deliveries(shared, &caller, request).await,
        ["deliveries", id] => {
            get(request)?;
            let record = show(shared, parse_id(id)?).await?;
            let history = shared.settings.inbox.history(record.id).await?;
            Ok(json_response(&view::whole(&record, &history, &shared.settings.providers, false)))
        }
        ["deliveries", id, "comparison"] => {
            get(request)?;
            compare(shared, parse_id(id)?).await
        }
        ["deliveries", id, "body"] => {
            get(request)?;
            download(shared, request, &caller, parse_id(id)?, now).await
        }
        ["deliveries", id, action] => {
            post(request)?;
            shared.operates(&caller)?;
            let actions = Actions { settings: &shared.settings, now, caller: &caller };
            let done = actions.run(action, parse_id(id)?, &request.body).await;
            shared.overviews.changed();
            Ok(json_response(&done?))
        }
        ["orders", endpoint, kind, id] => {
            get(request)?;
            let key = DedupKey::new(endpoint, kind, id, "");
            list(shared, &caller, Filter::all().order(key.subject()).limit(MOST_OF_ORDER).oldest_first()).await
        }
        ["find"] => {
            post(request)?;
            let Find { text } = actions::parse(&request.body)?;
            list(shared, &caller, Filter::all().about(text.trim()).limit(MOST_OF_ORDER)).await
        }
        _ => Err(Problem::not_found()),
    }
}

async fn traffic(shared: &Shared, caller: &Caller, request: &PageRequest) -> Result<PageResponse, Problem> {
    get(request)?;
    let window = traffic::window(request.query.as_deref())?;
    let report = shared.reports.get(&shared.settings, window).await?;
    Ok(json_response(&report.traffic(shared.operates(caller).is_ok())))
}

async fn endpoints(shared: &Shared, request: &PageRequest) -> Result<PageResponse, Problem> {
    get(request)?;
    let report = shared.reports.get(&shared.settings, Window::Day).await?;
    Ok(json_response(&report.endpoints()))
}

async fn deliveries(shared: &Shared, caller: &Caller, request: &PageRequest) -> Result<PageResponse, Problem> {
    get(request)?;
    match query::wanted(request.query.as_deref())? {
        Wanted::Page(filter) => list(shared, caller, *filter).await,
        Wanted::These(ids) => {
            let found = stream::iter(ids).map(|id| shared.settings.inbox.show(id)).buffered(AT_ONCE);
            let records: Vec<Option<Record>> = found.try_collect().await?;
            let data: Vec<_> = records.iter().flatten().map(|record| view::row(record, &shared.settings.providers)).collect();
            Ok(json_response(&json!({ "object": "list", "data": data, "next": null, "searched_to": null, "complete": true })))
        }
    }
}

async fn list(shared: &Shared, caller: &Caller, filter: Filter) -> Result<PageResponse, Problem> {
    let Settings { inbox, providers, .. } = &*shared.settings;
    let page = match shared.operates(caller) {
        Ok(()) => inbox.list(filter.with_bodies()).await?,
        Err(_) => blind::list(&**inbox, providers, filter).await?,
    };
    let Page { records, next, searched_to, .. } = page;
    let data: Vec<_> = records.iter().map(|record| view::row(record, providers)).collect();
    Ok(json_response(&json!({
        "object": "list",
        "data": data,
        "next": next.map(|next| next.to_string()),
        "searched_to": searched_to.map(view::time),
        "complete": next.is_none(),
    })))
}

/// Returns a conflict, the first delivery with its key, and the values in which they differ.
async fn compare(shared: &Shared, id: DeliveryId) -> Result<PageResponse, Problem> {
    let Settings { inbox, providers, .. } = &*shared.settings;
    let conflict = show(shared, id).await?;
    let first = contradicted(&**inbox, &conflict).await?;
    let first = first.ok_or_else(|| Problem::refused("This delivery contradicts none that is kept."))?;
    let found = match (&first.body, &conflict.body) {
        (Some(before), Some(after)) => differences(providers, &conflict.provider, before, after, false),
        _ => return Err(Problem::refused("One of the two bodies was removed.")),
    };
    let value = |it: Difference| json!({ "path": it.path, "first": it.first, "second": it.second });
    Ok(json_response(&json!({
        "object": "comparison",
        "first": view::row(&first, providers),
        "second": view::row(&conflict, providers),
        "differences": found.map(|found| found.into_iter().map(value).collect::<Vec<_>>()),
    })))
}

/// Returns the exact bytes of a body, as a file that no browser opens.
async fn download(
    shared: &Shared,
    request: &PageRequest,
    caller: &Caller,
    id: DeliveryId,
    now: Timestamp,
) -> Result<PageResponse, Problem> {
    shared.operates(caller)?;
    csrf::check_source(request)?;
    let body = show(shared, id).await?.body.ok_or_else(|| Problem::refused("The body was removed."))?;
    shared.settings.inbox.revealed(now, id, &caller.name).await?;
    tracing::info!(action = "download", delivery = %id, operator = caller.name, "an operator used the inspector");
    Ok(PageResponse::new(200, body)
        .header("content-type", "application/octet-stream")
        .header("content-disposition", format!("attachment; filename=\"delivery-{id}.bin\"")))
}

async fn show(shared: &Shared, id: DeliveryId) -> Result<Record, Problem> {
    let missing = || StoreError::new(StoreErrorKind::NotFound, "show a delivery");
    Ok(shared.settings.inbox.show(id).await?.ok_or_else(missing)?)
}

fn parse_id(id: &str) -> Result<DeliveryId, Problem> {
    id.parse().map_err(|_| Problem::not_found())
}
