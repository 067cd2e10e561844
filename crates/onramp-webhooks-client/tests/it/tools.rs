//! The clients under test, and their provider.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use onramp_webhooks::clock::{Clock, Timestamp};
use onramp_webhooks::worker::RetryPolicy;
use onramp_webhooks_client::kriptomat::WidgetRequest;
use onramp_webhooks_client::wert::{OrdersQuery, WertDataApi};
use onramp_webhooks_client::{ApiBuilder, ClientError, KriptomatApi};
use onramp_webhooks_testkit::events::WertOrder;
use onramp_webhooks_testkit::provider::FakeProvider;
use tokio::net::TcpSocket;

/// A clock that jumps to the end of each sleep and records the pauses.
#[derive(Clone, Debug)]
pub(crate) struct JumpingClock(Arc<Mutex<(Timestamp, Vec<Duration>)>>);

impl JumpingClock {
    pub(crate) fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new((now, Vec::new()))))
    }

    /// The pauses so far, in whole seconds: the random part of each is below one.
    pub(crate) fn pauses(&self) -> Vec<u64> {
        self.0.lock().unwrap().1.iter().map(Duration::as_secs).collect()
    }
}

#[async_trait]
impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().0
    }

    async fn sleep_until(&self, moment: Timestamp) {
        let (now, pauses) = &mut *self.0.lock().unwrap();
        pauses.push(moment.since(*now));
        *now = moment;
    }
}

/// 2026-10-21 07:28:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_792_567_680_000);

/// Never tries again.
pub(crate) fn once() -> RetryPolicy {
    RetryPolicy::new(1, Duration::ZERO, Duration::ZERO)
}

/// Three attempts, with pauses that no test notices.
pub(crate) fn thrice() -> RetryPolicy {
    RetryPolicy::new(3, Duration::from_millis(1), Duration::from_millis(1))
}

pub(crate) fn wert(provider: &FakeProvider) -> ApiBuilder<WertDataApi> {
    WertDataApi::at(provider.url(), FakeProvider::API_KEY).retry(once())
}

pub(crate) fn kriptomat(provider: &FakeProvider) -> ApiBuilder<KriptomatApi> {
    KriptomatApi::at(provider.url(), FakeProvider::TOKEN).retry(once())
}

/// A provider with so many orders, and their ids, the oldest first.
pub(crate) async fn provider_with(orders: usize) -> (FakeProvider, Vec<String>) {
    let provider = FakeProvider::start().await;
    let ids = (0..orders).map(|_| {
        let order = WertOrder::new();
        provider.add_order(&order, "success");
        order.id().unwrap().to_owned()
    });
    let ids = ids.collect();
    (provider, ids)
}

/// An address without a listener, reserved while the socket lives.
pub(crate) fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// Waits for what must come.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// The errors of a request to each API.
pub(crate) async fn errors(wert: &WertDataApi, kriptomat: &KriptomatApi) -> [ClientError; 2] {
    [wert.orders(&OrdersQuery::new()).await.unwrap_err(), kriptomat.init(&WidgetRequest::new()).await.unwrap_err()]
}

/// The ids that a walk finds, page by page.
pub(crate) async fn walk(wert: &WertDataApi, query: OrdersQuery) -> Result<Vec<Vec<String>>, ClientError> {
    let mut pager = wert.pager(query);
    let mut pages = Vec::new();
    while let Some(rows) = pager.next_page().await? {
        pages.push(rows.into_iter().map(|row| row.order_id.into()).collect());
    }
    Ok(pages)
}
