//! Filters from the query of an address.

use std::str::FromStr;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::inbox::{DeadCause, DeliveryId, Filter};

use crate::problem::Problem;
use crate::view;

/// Page size of lists.
const PAGE: usize = 50;

/// Maximum page size of lists.
const LARGEST_PAGE: usize = 100;

/// A list that was asked for.
pub(crate) enum Wanted {
    /// A page of the deliveries that match.
    Page(Box<Filter>),
    /// These deliveries.
    These(Vec<DeliveryId>),
}

/// Reads the query of a list. Unknown parameters are errors, because a list with a condition left out misleads.
pub(crate) fn wanted(query: Option<&str>) -> Result<Wanted, Problem> {
    let mut filter = Filter::all().limit(PAGE);
    let (mut ids, mut has_conditions) = (Vec::new(), false);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        has_conditions = has_conditions || name != "id";
        filter = match &*name {
            "state" => value.split(',').try_fold(filter, |filter, state| Ok::<_, Problem>(filter.state(parse(state)?)))?,
            "endpoint" => filter.endpoint(value),
            "provider" => filter.provider(value.into_owned()),
            "type" => filter.event_type(value),
            "order" => filter.order(value),
            "error" => filter.error(value),
            "reason" => filter.cause(cause(&value)?),
            "since" => filter.since(moment(&value)?),
            "until" => filter.until(moment(&value)?),
            "resolved" => filter.resolved(parse(&value)?),
            "before" => filter.before(parse(&value)?),
            "after" => filter.after(parse(&value)?),
            "oldest_first" => {
                filter.oldest_first = parse(&value)?;
                filter
            }
            "limit" => filter.limit(parse::<usize>(&value)?.clamp(1, LARGEST_PAGE)),
            "id" => {
                ids.push(parse(&value)?);
                filter
            }
            _ => return Err(Problem::bad_request(format!("There is no parameter {name:?}."))),
        };
    }
    match ids.len() {
        1.. if has_conditions => Err(Problem::bad_request("The parameter \"id\" cannot be combined with others.")),
        0 => Ok(Wanted::Page(Box::new(filter))),
        1..=LARGEST_PAGE => Ok(Wanted::These(ids)),
        _ => Err(Problem::bad_request(format!("Ask for at most {LARGEST_PAGE} deliveries at once."))),
    }
}

fn parse<T: FromStr>(value: &str) -> Result<T, Problem> {
    value.parse().map_err(|_| Problem::bad_request(format!("The value {value:?} cannot be read.")))
}

fn moment(value: &str) -> Result<Timestamp, Problem> {
    parse::<jiff::Timestamp>(value).map(|moment| Timestamp::from_millis(moment.as_millisecond()))
}

/// Reads the short word for a cause: `exhausted`.
fn cause(value: &str) -> Result<DeadCause, Problem> {
    let known = DeadCause::ALL.into_iter().find(|cause| cause.code() == value);
    known.ok_or_else(|| Problem::bad_request(format!("There is no reason {value:?}.")))
}

/// Returns the query that [`wanted`] reads as the conditions of `filter`, as far as lists have them.
pub(crate) fn of(filter: &Filter) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let states = filter.states.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(",");
    let conditions = [
        ("state", Some(states).filter(|states| !states.is_empty())),
        ("endpoint", filter.endpoint.clone()),
        ("provider", filter.provider.as_ref().map(ToString::to_string)),
        ("type", filter.event_type.clone()),
        ("order", filter.order.clone()),
        ("reason", filter.cause.map(|cause| cause.code().to_owned())),
        ("error", filter.error.clone()),
        ("since", filter.since.map(view::time)),
        ("until", filter.until.map(view::time)),
        ("resolved", filter.resolved.map(|resolved| resolved.to_string())),
        ("oldest_first", filter.oldest_first.then(|| true.to_string())),
    ];
    for (name, value) in conditions {
        if let Some(value) = value {
            query.append_pair(name, &value);
        }
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    use onramp_webhooks::inbox::State;

    use super::*;

    #[test]
    fn a_filter_becomes_the_query_that_it_is_read_from() {
        let filter =
            Filter::all().state(State::Dead).state(State::Conflict).cause(DeadCause::RefusedByCheck).error("a&b=\u{202e}c");
        let filter = filter.endpoint("e").provider("p").event_type("t").order("e/order/1").resolved(false).oldest_first();
        let filter = filter.since(Timestamp::from_millis(1_001)).until(Timestamp::from_millis(2_002));
        let Ok(Wanted::Page(read)) = wanted(Some(&of(&filter))) else { panic!("a page") };
        assert_eq!(format!("{read:?}"), format!("{:?}", filter.limit(PAGE)));
    }

    #[test]
    fn a_condition_that_is_not_known_is_refused() {
        for query in ["a=1", "state=x", "id=x", "reason=unknown", "since=yesterday", "limit=-1", "resolved=maybe", "state="] {
            assert!(wanted(Some(query)).is_err(), "{query}");
        }
        assert!(wanted(Some("id=1&state=dead")).is_err() && wanted(Some("limit=1&id=1")).is_err());
        let many = (0..101).map(|id| format!("id={id}")).collect::<Vec<_>>().join("&");
        assert!(wanted(Some(&many)).is_err());
        assert!(matches!(wanted(Some("id=1&id=2")), Ok(Wanted::These(ids)) if ids.len() == 2));
    }

    #[test]
    fn a_page_is_never_larger_than_the_limit() {
        let Ok(Wanted::Page(filter)) = wanted(Some("limit=100000")) else { panic!("a page") };
        assert_eq!(filter.page_size(), LARGEST_PAGE);
    }
}
