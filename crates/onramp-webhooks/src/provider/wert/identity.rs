//! Identity of Wert's events. The events have no id, so their identity depends on their type.

use super::{ClickId, Order, WertEvent, WertPayload};
use crate::event::fields::Fields;
use crate::event::{OrderId, TransactionId};
use crate::fingerprint::Fingerprint;
use crate::identity::{DedupKey, Identity, OrderStage};
use crate::json::Json;

const COMPLETE: &str = "order_complete";
const ORDER: &str = "order";
const TRANSACTION: &str = "transaction";

/// Returns the identity of an event.
pub(super) fn of(event: &WertEvent) -> Identity {
    if let WertPayload::Test = event.payload {
        return Identity::unique();
    }
    let click = event.click_id.as_ref().map_or("", ClickId::as_str);
    let by_click = || Identity::by_content("click", click).personal();
    if let Some((stage, order)) = stage(&event.payload) {
        // A click does not identify an order: one click of a customer can lead to several orders.
        let is_complete = matches!(event.payload, WertPayload::OrderComplete(_));
        let Some((kind, id)) = named(order) else {
            return if is_complete { by_click().conflicting_later() } else { by_click() };
        };
        return match event.payload {
            WertPayload::OrderComplete(_) => completion(kind, id, click).at(stage),
            _ => Identity::by_content(kind, id).at(stage),
        };
    }
    match unknown_order_id(event) {
        Some(id) => Identity::by_content("order", id).at(OrderStage::UNPLACED),
        None => by_click().while_retried(),
    }
}

/// Several orders may have been paid out in one transaction, so the click belongs to its identity.
fn completion(kind: &'static str, id: &str, click: &str) -> Identity {
    let identity = Identity::once(kind, id);
    if kind == TRANSACTION { identity.and(click) } else { identity }
}

/// Returns the keys that the `order_complete` of an order can have at `endpoint`: by its id, and by its transaction and click for
/// events without an id. An event that has neither has no such key.
#[must_use]
pub fn completion_keys(
    endpoint: &str,
    order: &OrderId,
    click: Option<&ClickId>,
    transaction: Option<&TransactionId>,
) -> Vec<DedupKey> {
    let names = [(ORDER, Some(order.as_str())), (TRANSACTION, transaction.map(TransactionId::as_str))];
    let names = names.into_iter().filter_map(|(kind, id)| Some((kind, id.filter(|id| !id.is_empty())?)));
    let click = click.map_or("", ClickId::as_str);
    // The fingerprint is no part of these keys.
    let none = Fingerprint::of(b"");
    names.filter_map(|(kind, id)| completion(kind, id, click).key(endpoint, COMPLETE, &none)).collect()
}

/// Returns the order of an `order_complete`, or of a conflict with one, by its key at `endpoint`. `None` if the event did not
/// contain the order's id.
#[must_use]
pub fn completed_order(endpoint: &str, key: &DedupKey) -> Option<OrderId> {
    let id = key.subject().strip_prefix(endpoint)?.strip_prefix("/order/")?;
    Some(OrderId::from(id))
}

/// Returns the order of an event about a payment, and the stage of the order.
const fn stage(payload: &WertPayload) -> Option<(OrderStage, &Order)> {
    match payload {
        WertPayload::PaymentStarted(order) => Some((OrderStage::STARTED, order)),
        WertPayload::TransferStarted(order) => Some((OrderStage::TRANSFERRING, order)),
        WertPayload::OrderComplete(order)
        | WertPayload::OrderFailed(order)
        | WertPayload::OrderCanceled(order)
        | WertPayload::TxSmartContractFailed(order) => Some((OrderStage::FINAL, order)),
        _ => None,
    }
}

fn named(order: &Order) -> Option<(&'static str, &str)> {
    let id = order.id.as_ref().map(|id| (ORDER, id.as_str()));
    let transaction = order.transaction_id.as_ref().map(|id| (TRANSACTION, id.as_str()));
    [id, transaction].into_iter().flatten().find(|(_, id)| !id.is_empty())
}

fn unknown_order_id(event: &WertEvent) -> Option<OrderId> {
    let WertPayload::Unknown(_) = event.payload else { return None };
    let json = Json::parse(event.extra.get("order")?.as_str())?;
    let mut order = Fields::read(json.root()).ok()?;
    order.if_fits("id").ok()?
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::provider::ProviderEvent;

    /// Returns the key, whether it counts for ever, and the stage, with the fingerprint abbreviated to `#` and hashes of clicks to `<C>`.
    fn identity(body: &str) -> Option<(String, bool, Option<OrderStage>)> {
        let (fingerprint, event) = (Fingerprint::of(body.as_bytes()), WertEvent::read(body.as_bytes()).unwrap());
        let identity = event.identity();
        let mut key = identity.key("wert", event.type_name(), &fingerprint)?.to_string().replace(&fingerprint.to_string(), "#");
        for click in ["C", ""] {
            let [_, hashed] = DedupKey::stored_ids(click);
            key = key.replace(&hashed, &format!("<{click}>"));
        }
        Some((key, identity.horizon(std::time::Duration::ZERO).is_none(), identity.stage()))
    }

    fn order_event(kind: &str, ids: Value) -> String {
        let mut order = json!({"base": "BTC", "base_amount": "1", "quote": "USD", "quote_amount": "1"});
        order.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        json!({"type": kind, "click_id": "C", "order": order}).to_string()
    }

    #[test]
    fn a_purchase_completes_once() {
        for (ids, key) in [
            (json!({"id": "O", "transaction_id": "T"}), "wert/order/O/order_complete"),
            (json!({"id": "O", "transaction_id": null}), "wert/order/O/order_complete"),
            (json!({"id": "", "transaction_id": "T"}), "wert/transaction/T/order_complete@<C>"),
            (json!({"transaction_id": "T"}), "wert/transaction/T/order_complete@<C>"),
            (json!({"id": null, "transaction_id": ""}), "wert/click/<C>/order_complete:#"),
            (json!({}), "wert/click/<C>/order_complete:#"),
        ] {
            let stage = (!key.contains("/click/")).then_some(OrderStage::FINAL);
            assert_eq!(identity(&order_event("order_complete", ids)), Some((key.into(), true, stage)));
        }
    }

    #[test]
    fn orders_that_were_paid_out_in_one_transaction_are_different_purchases() {
        let of = |click: &str| identity(&order_event("order_complete", json!({"transaction_id": "T"})).replace("\"C\"", click));
        assert_ne!(of("\"C\"").unwrap().0, of("\"D\"").unwrap().0);
    }

    #[test]
    fn only_a_purchase_without_any_id_conflicts_with_the_same_content_later() {
        let hour = std::time::Duration::from_secs(3_600);
        let within = |kind: &str, ids: Value| {
            let event = WertEvent::read(order_event(kind, ids).as_bytes()).unwrap();
            event.identity().duplicate_within(hour)
        };
        assert_eq!(within("order_complete", json!({})), Some(hour));
        assert_eq!(within("order_complete", json!({"id": "O"})), None);
        assert_eq!(within("order_complete", json!({"transaction_id": "T"})), None);
        assert_eq!(within("order_failed", json!({})), None);
    }

    #[test]
    fn an_id_may_be_a_number() {
        let numbers = order_event("order_complete", json!({"id": 7, "transaction_id": 8})).replace("\"C\"", "9");
        assert_eq!(identity(&numbers), identity(&numbers.replace('7', "\"7\"")));
        let event = WertEvent::read(numbers.as_bytes()).unwrap();
        let purchase = event.completed_purchase().unwrap().unwrap();
        assert_eq!((purchase.order, purchase.transaction), (Some("7".into()), Some("8".into())));
        assert_eq!(purchase.customer.primary(), Some("9"));
    }

    #[test]
    fn the_order_is_found_by_its_completion_key() {
        let keys = |transaction: Option<&str>| {
            let transaction = transaction.map(TransactionId::from);
            completion_keys("wert", &"O".into(), Some(&"C".into()), transaction.as_ref())
        };
        let event = WertEvent::read(order_event("order_complete", json!({"transaction_id": "T"})).as_bytes()).unwrap();
        let by_transaction = event.identity().key("wert", COMPLETE, &Fingerprint::of(b"{}")).unwrap();
        assert_eq!(keys(Some("T")), [DedupKey::new("wert", "order", "O", COMPLETE), by_transaction]);
        assert_eq!(keys(Some("")), keys(None));
        let order = |subject: &str| completed_order("wert", &DedupKey::from_parts(subject.into(), "order_complete".into()));
        assert_eq!(order("wert/order/O/1"), Some("O/1".into()));
        assert_eq!((order("wert/transaction/T"), order("wert/click/C"), order("wert2/order/O")), (None, None, None));
    }

    #[test]
    fn other_order_events_are_duplicates_if_their_content_is_equal() {
        for (kind, stage) in [
            ("payment_started", OrderStage::STARTED),
            ("transfer_started", OrderStage::TRANSFERRING),
            ("order_failed", OrderStage::FINAL),
            ("order_canceled", OrderStage::FINAL),
            ("tx_smart_contract_failed", OrderStage::FINAL),
        ] {
            for (ids, subject) in [
                (json!({"id": "O", "transaction_id": "T"}), "order/O"),
                (json!({"transaction_id": "T"}), "transaction/T"),
                (json!({"transaction_id": null}), "click/<C>"),
            ] {
                let key = format!("wert/{subject}/{kind}:#");
                let stage = (subject != "click/<C>").then_some(stage);
                assert_eq!(identity(&order_event(kind, ids)), Some((key, true, stage)));
            }
        }
    }

    #[test]
    fn keys_without_an_order_expire() {
        for kind in [
            "registration",
            "login",
            "logout",
            "card_added",
            "new_card_added",
            "verify_start",
            "verify_retry",
            "verify_failed",
            "verify_success",
            "new_type",
        ] {
            let key = format!("wert/click/<C>/{kind}:#");
            assert_eq!(identity(&json!({"type": kind, "click_id": "C"}).to_string()), Some((key, false, None)));
            let key = format!("wert/click/<>/{kind}:#");
            assert_eq!(identity(&json!({"type": kind, "click_id": ""}).to_string()), Some((key, false, None)));
        }
        let verified = order_event("verify_success", json!({"id": "O"}));
        assert_eq!(identity(&verified), Some(("wert/click/<C>/verify_success:#".into(), false, None)));
    }

    #[test]
    fn an_unknown_type_is_about_an_order_if_it_names_one() {
        for (order, subject, for_ever, stage) in [
            (json!({"id": "O"}), "order/O", true, Some(OrderStage::UNPLACED)),
            (json!({"id": ""}), "click/<C>", false, None),
            (json!({"id": 5}), "order/5", true, Some(OrderStage::UNPLACED)),
            (json!({"id": 5.5}), "click/<C>", false, None),
            (json!({"transaction_id": "T"}), "click/<C>", false, None),
            (json!("O"), "click/<C>", false, None),
            (json!(null), "click/<C>", false, None),
        ] {
            let body = json!({"type": "order_refunded", "click_id": "C", "order": order}).to_string();
            assert_eq!(identity(&body), Some((format!("wert/{subject}/order_refunded:#"), for_ever, stage)));
        }
    }

    #[test]
    fn a_test_is_never_a_duplicate() {
        for body in [include_str!("../../../fixtures/wert/test.json"), r#"{"type":"test","click_id":7,"order":"?"}"#] {
            assert_eq!(identity(body), None);
        }
    }

    #[test]
    fn long_and_unprintable_types_are_hashed() {
        let key = |kind: &str| identity(&json!({"type": kind, "click_id": "C"}).to_string()).unwrap().0;
        let (long, null) = (key(&"x".repeat(1 << 20)), key("a\u{0}"));
        assert!(long.len() < 100 && long.starts_with("wert/click/<C>/#sha256:"), "{long}");
        assert!(null.starts_with("wert/click/<C>/#sha256:"), "{null}");
        assert_ne!(key(&"x".repeat(65)), key(&"y".repeat(65)));
        assert_ne!(key("a b"), key("a  b"));
    }
}
