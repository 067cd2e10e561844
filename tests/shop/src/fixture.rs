//! The documented events.

use std::collections::BTreeMap;
use std::path::Path;

use onramp_webhooks::Event;
use onramp_webhooks::event::BigDecimal;
use onramp_webhooks::provider::{ProviderName, Providers};
use reqwest::header::CONTENT_TYPE;

use crate::connection::{Response, answer_to};
use crate::shop::ShopProcess;

/// A documented event.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The name of the file.
    pub name: String,
    /// The provider.
    pub provider: ProviderName,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

impl Fixture {
    /// Returns all events, in a fixed order.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Providers::default().names().flat_map(|provider| Self::of(&provider)).collect();
        assert!(all.len() > 20, "the fixtures are missing");
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn of(provider: &ProviderName) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/onramp-webhooks/fixtures").join(provider.as_str());
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let fixture = |file: std::path::PathBuf| Self {
            name: file.file_name().unwrap().to_str().unwrap().to_owned(),
            provider: provider.clone(),
            body: std::fs::read(file).unwrap(),
        };
        files.map(fixture).collect()
    }

    /// Returns whether this is the dashboard's test event, which is handled every time.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.name == "test.json"
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.event().type_name().to_owned()
    }

    /// Sends the event as its provider does.
    pub async fn send(&self, shop: &ShopProcess) -> Response {
        let path = match self.provider.as_str() {
            "kriptomat" => "/webhooks/kriptomat",
            _ => "/webhooks/wert/dev-secret",
        };
        let form = self.name.ends_with(".form.txt");
        let content_type = if form { "application/x-www-form-urlencoded" } else { "application/json" };
        let request = shop.request("POST", path).header(CONTENT_TYPE, content_type).body(self.body.clone());
        answer_to(request).await.unwrap()
    }

    fn event(&self) -> Event {
        Providers::default().read(&self.provider, &self.body).unwrap()
    }
}

/// Returns the points that all customers have after every fixture was handled.
#[must_use]
pub fn points() -> BTreeMap<String, String> {
    let mut points = BTreeMap::<String, BigDecimal>::new();
    for purchase in Fixture::all().iter().filter_map(|fixture| fixture.event().completed_purchase().unwrap()) {
        *points.entry(purchase.customer.primary().unwrap().to_owned()).or_default() += purchase.fiat.amount.to_decimal();
    }
    points.into_iter().map(|(customer, points)| (customer, points.normalized().to_plain_string())).collect()
}
