//! A process that is killed while it spills and moves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks::inbox::State;
use onramp_webhooks_testkit::events::WertOrder;
use tokio::task::JoinSet;

use crate::host::Host;
use crate::proxy::Proxy;
use crate::server::Server;

/// Tells a copy of this test binary that it is the child, with the server and the spill.
const CHILD: &str = "ONRAMP_TEST_SPILL_CHILD";

const NAME: &str = "killed::what_was_acknowledged_is_there_once_however_often_it_is_killed";

const KILLS: usize = 60;

/// The child posts purchases, and prints the id of each that was acknowledged.
async fn receive(child: &str) {
    let (address, spill) = child.split_once(' ').unwrap();
    let host = Arc::new(Host::start(address.parse::<SocketAddr>().unwrap(), spill.as_ref()).await);
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        let host = Arc::clone(&host);
        callers.spawn(async move {
            loop {
                let order = WertOrder::new();
                assert_eq!(host.post(order.complete()).await, 200);
                println!("acknowledged {}", order.id().unwrap());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    callers.join_next().await;
}

/// One life of the child, to its violent end; answers what it acknowledged.
fn live(address: SocketAddr, spill: &std::path::Path, least: usize) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(CHILD, format!("{address} {}", spill.display()));
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut ids = lines.filter_map(|line| line.split_once("acknowledged ").map(|(_, id)| id.to_owned()));
    let mut acknowledged: Vec<_> = ids.by_ref().take(least).collect();
    process.kill().unwrap();
    process.wait().unwrap();
    // What it had printed before it was killed was acknowledged, too.
    acknowledged.extend(ids);
    assert!(acknowledged.len() >= least, "the child ended by itself");
    acknowledged
}

#[test]
fn what_was_acknowledged_is_there_once_however_often_it_is_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(child) = std::env::var(CHILD) {
        return runtime.block_on(receive(&child));
    }
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let spill = folder.path().join("spill.db");
    let proxy = Arc::new(runtime.block_on(Proxy::to(server.address())));
    let network = runtime.spawn({
        let (proxy, mut random) = (Arc::clone(&proxy), Rng::with_seed(1));
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(random.u64(50..400))).await;
                proxy.cut();
                tokio::time::sleep(Duration::from_millis(random.u64(50..1_200))).await;
                proxy.mend();
            }
        }
    });
    let (mut acknowledged, mut random) = (Vec::new(), Rng::with_seed(2));
    for _ in 0..KILLS {
        acknowledged.extend(live(proxy.address(), &spill, random.usize(1..200)));
    }
    network.abort();
    proxy.mend();
    runtime.block_on(async {
        let host = Host::start(proxy.address(), &spill).await;
        let waited = host.inbox.status().await.unwrap().waiting;
        host.closes().await;
        let mut there: BTreeMap<String, u64> = BTreeMap::new();
        let mut again = 0;
        for record in host.kept().await {
            assert_eq!(record.state, State::Pending);
            let subject = record.key.unwrap().subject().to_owned();
            *there.entry(subject.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
            again += record.duplicates;
        }
        let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains_key(*id)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged events are gone", lost.len(), acknowledged.len());
        assert!(there.values().all(|times| *times == 1), "nothing is there twice");
        println!("{} acknowledged, {waited} waited at the end, {again} moved again", acknowledged.len());
    });
    drop(server);
}
