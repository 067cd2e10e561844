//! A fake provider with an API: Wert's Data API and Kriptomat's `widget/init` on a real socket, with correct or scripted responses.
//!
//! ```
//! use onramp_webhooks_testkit::events::WertOrder;
//! use onramp_webhooks_testkit::provider::{Answer, FakeProvider};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let provider = FakeProvider::start().await;
//! provider.add_order(&WertOrder::new(), "success");
//! provider.answer_next(Answer::status(429).header("retry-after", "2"));
//! assert!(provider.url().starts_with("http://127.0.0.1:"));
//! // … send requests with `FakeProvider::API_KEY`: the first response is the 429, the next ones are correct …
//! assert!(provider.requests().is_empty());
//! # }
//! ```

mod answer;
mod kriptomat;
mod seen;
mod serve;
mod state;
#[cfg(test)]
mod tests;
mod wert;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::answer::{Answer, Lie};
pub use self::seen::Seen;
use self::state::State;
pub use self::wert::{OrderSeries, Paging, WertRow};
use crate::events::WertOrder;

/// A provider that listens on a free port of this machine until it is dropped.
pub struct FakeProvider {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl FakeProvider {
    /// The key that the Data API requires in `x-api-key`.
    pub const API_KEY: &str = "wert-sbox-0123456789ab";

    /// The token that `widget/init` requires in the body.
    pub const TOKEN: &str = "6a7d2e91d4cff64939450c74001da4f2";

    /// Starts a provider that has no orders and responds correctly.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let state = Arc::<State>::default();
        let server = tokio::spawn(serve::serve(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    /// Returns the base URL, `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds an order to the Data API, created after all others. `status` is the API's name for the state of the order, such as `success`.
    pub fn add_order(&self, order: &WertOrder, status: &str) {
        self.state.change(|script| script.wert.add_order(order, status));
    }

    /// Adds an order that was created and changed at the given times, in UTC and in Wert's format:
    /// `2026-01-31 12:30:00`.
    pub fn add_order_of(&self, time: &str, order: &WertOrder, status: &str) {
        self.state.change(|script| script.wert.add_order_of(time, order, status));
    }

    /// Adds a row to the Data API without changing it: a [`WertRow`] or any JSON.
    pub fn add_row(&self, row: impl Into<Value>) {
        self.state.change(|script| script.wert.add(row.into()));
    }

    /// Replaces the row of the same order, or adds it if there is none.
    pub fn set_row(&self, row: WertRow) {
        self.state.change(|script| script.wert.set(row.into()));
    }

    /// Sets the orders that the Data API has before all others.
    pub fn set_series(&self, series: OrderSeries) {
        self.state.change(|script| script.wert.set_series(series));
    }

    /// Removes all orders.
    pub fn forget_orders(&self) {
        self.state.change(|script| script.wert.clear());
    }

    /// Sets the pagination of the Data API. The default is a cursor.
    pub fn page_by(&self, paging: Paging) {
        self.state.change(|script| script.wert.paging = paging);
    }

    /// Queues a response for the next request. Further calls queue responses for later requests.
    pub fn answer_next(&self, answer: Answer) {
        self.state.change(|script| script.next.push_back(answer));
    }

    /// Sets the response to every query of the Data API that searches for `term`, alone or among others, before any other response. It replaces an
    /// earlier one for this term.
    pub fn answer_about(&self, term: &str, answer: Answer) {
        self.state.change(|script| {
            script.about.retain(|(other, _)| other != term);
            script.about.push((term.to_owned(), answer));
        });
    }

    /// Sets the response to every request without a response that [`answer_next`](Self::answer_next) queued.
    pub fn answer_always(&self, answer: Answer) {
        self.state.change(|script| script.always = answer);
    }

    /// Returns all requests so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.state.change(|script| script.seen.clone())
    }
}

impl fmt::Debug for FakeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeProvider").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Stops the server and closes every connection.
impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}
