//! Prometheus itself, with the alert rules of `docs/deploy`, reads the metrics of a receiver and its worker.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::{Delivery, Handler, HandlerError, Receiver, Wert, async_trait};
use onramp_webhooks_axum::routes;
use onramp_webhooks_testkit::events::WertOrder;
use serde_json::Value;
use tokio::net::TcpListener;

const SECRET: &str = "a-secret-of-the-test";

struct Shop;

#[async_trait]
impl Handler for Shop {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        if delivery.completed_purchase()?.is_some() { Err(HandlerError::permanent("no row for the customer")) } else { Ok(()) }
    }
}

/// A server that ends with its value.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    fn start(folder: &Path, target: SocketAddr) -> Self {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy/alerts.yml");
        let configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{:?}]\nscrape_configs: [{{ job_name: shop, \
             static_configs: [{{ targets: ['{target}'] }}] }}]\n",
            rules.canonicalize().unwrap()
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        // The port is free again before the server takes it.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut server = Command::new("prometheus");
        server
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        server.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: server.spawn().unwrap(), address }
    }

    /// Asks until `find` finds something in an answer.
    async fn until<T>(&mut self, path: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let url = format!("http://{}/api/v1/{path}", self.address);
        loop {
            assert!(self.child.try_wait().unwrap().is_none(), "Prometheus has ended");
            if let Ok(response) = reqwest::get(&url).await
                && let Ok(answer) = serde_json::from_slice(&response.bytes().await.unwrap())
                && let Some(found) = find(&answer)
            {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the first value of a query that is not zero.
    async fn value(&mut self, query: &str) -> String {
        let first = |answer: &Value| Some(answer.pointer("/data/result/0/value/1")?.as_str()?.to_owned());
        self.until(&format!("query?query={query}"), |answer| first(answer).filter(|value| value != "0")).await
    }
}

#[tokio::test]
async fn prometheus_reads_the_metrics_and_evaluates_the_rules() {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let buckets = PrometheusBuilder::new().set_buckets_for_metric(seconds, &[0.01, 0.1, 1.0, 2.0, 5.0]).unwrap();
    let metrics = buckets.install_recorder().unwrap();
    let receiver = Receiver::builder(Arc::new(MemoryInbox::new())).endpoint(Wert::with_path_secret(SECRET)).build().unwrap();
    let worker = receiver.worker(Shop).spawn();
    let app = Router::new().nest("/webhooks", routes(receiver)).route("/metrics", get(async move || metrics.render()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let folder = tempfile::tempdir().unwrap();
    let mut prometheus = Prometheus::start(folder.path(), address);
    prometheus
        .until("targets", |answer| answer.pointer("/data/activeTargets/0/health").filter(|health| *health == "up").map(drop))
        .await;
    for body in [WertOrder::new().payment_started(), WertOrder::new().complete()] {
        let post = reqwest::Client::new().post(format!("http://{address}/webhooks/wert/{SECRET}")).body(body);
        assert!(post.send().await.unwrap().status().is_success());
    }
    worker.idle().await;

    assert_eq!(prometheus.value("sum(onramp_webhooks_received_total{outcome=\"new\"})").await, "2");
    assert_eq!(prometheus.value("onramp_webhooks_dead_letters_total").await, "1");
    assert_eq!(prometheus.value("onramp_webhooks_ack_seconds_bucket{le=\"5\"}").await, "2");
    let rules = prometheus
        .until("rules", |answer| {
            let rules = answer.pointer("/data/groups/0/rules")?.as_array()?;
            rules.iter().all(|rule| rule["health"] != "unknown").then(|| rules.clone())
        })
        .await;
    assert!(rules.len() > 10);
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    worker.shutdown().await;
}
