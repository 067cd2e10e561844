//! Events that clients sent, and their acknowledgements.

use std::sync::Mutex;

use fastrand::Rng;

use crate::client::Client;
use crate::connection::Response;
use crate::event::{order_complete, postback};
use crate::home::Home;

/// The sent and the acknowledged events. Each event has its own customer.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    amount: String,
    acknowledged: bool,
}

/// An event to send.
#[derive(Clone, Debug)]
pub struct Event {
    /// The number of the event in the ledger.
    pub number: usize,
    path: &'static str,
    body: String,
}

impl Ledger {
    /// Creates a new event.
    pub fn new_event(&self, random: &mut Rng) -> Event {
        let mut entries = self.0.lock().unwrap();
        let amount = format!("{}.{:02}5", random.u32(1..5_000), random.u32(0..100));
        entries.push(Entry { amount: amount.clone(), acknowledged: false });
        Event::new(entries.len() - 1, &amount)
    }

    /// Repeats a random event that was sent before, acknowledged or not.
    pub fn again(&self, random: &mut Rng) -> Event {
        let sent = self.0.lock().unwrap().len();
        if sent == 0 {
            return self.new_event(random);
        }
        let number = random.usize(0..sent);
        Event::new(number, &self.0.lock().unwrap()[number].amount)
    }

    /// Marks an event as acknowledged.
    pub fn acknowledged(&self, number: usize) {
        self.0.lock().unwrap()[number].acknowledged = true;
    }

    /// Counts the acknowledged events.
    #[must_use]
    pub fn acknowledged_events(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|entry| entry.acknowledged).count()
    }

    /// Asserts that every acknowledged event was credited exactly once, or is a dead letter because the process was killed with it several
    /// times. An event without an acknowledgement may also have been credited.
    pub fn assert_kept(&self, home: &Home) {
        let (points, killed) = (home.database().points(), home.database().killed());
        let entries = self.0.lock().unwrap();
        let acknowledged = entries.iter().filter(|entry| entry.acknowledged).count();
        println!("{} events sent, {acknowledged} acknowledged, {} handled, {} killed", entries.len(), points.len(), killed.len());
        for (number, entry) in entries.iter().enumerate() {
            match points.get(&customer(number)) {
                Some(points) => assert_eq!(*points, entry.amount, "event {number}"),
                None => {
                    assert!(
                        !entry.acknowledged || killed.contains(&number.to_string()),
                        "event {number} was acknowledged and is lost"
                    );
                }
            }
        }
    }
}

impl Event {
    /// Sends the event as its provider does.
    ///
    /// # Errors
    /// Returns an error if the shop did not respond.
    pub async fn send(&self, shop: &Client) -> reqwest::Result<Response> {
        shop.try_post(self.path, self.body.clone()).await
    }

    fn new(number: usize, amount: &str) -> Self {
        let (id, customer) = (number.to_string(), customer(number));
        if number.is_multiple_of(3) {
            Self { number, path: "/webhooks/kriptomat", body: postback(&id, &customer, amount) }
        } else {
            Self { number, path: "/webhooks/wert/dev-secret", body: order_complete(&id, &customer, amount) }
        }
    }
}

fn customer(number: usize) -> String {
    format!("customer-{number}")
}
