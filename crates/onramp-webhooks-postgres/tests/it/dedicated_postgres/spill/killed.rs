//! A process that is killed while it spills and moves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use onramp_webhooks::inbox::State;
use onramp_webhooks::spill::SpillOptions;
use onramp_webhooks_sqlite::SqliteSpill;
use onramp_webhooks_testkit::doubles::Double;
use onramp_webhooks_testkit::events::WertOrder;
use tokio::task::JoinSet;

use super::host::{Host, server};
use super::telling::{MOVED, MOVING, SPILLED, SPILLING, Telling};
use crate::wire::Network;

/// The variable that gives a child process its server and its spill.
const CHILD: &str = "ONRAMP_TEST_SPILL_CHILD";

const NAME: &str = "dedicated_postgres::spill::killed::what_was_acknowledged_is_there_once_however_often_it_is_killed";

const KILLS: usize = 15;

/// The least number of kills that must hit each phase.
const HITS: usize = 5;

/// The child posts purchases, and prints the id of each that was acknowledged.
async fn receive(child: &str) {
    let (address, spill) = child.split_once(' ').unwrap();
    let options =
        SpillOptions::new(Double(Telling(SqliteSpill::open(spill).await.unwrap()))).patience(Duration::from_millis(200));
    let host = Arc::new(Host::with(address.parse::<SocketAddr>().unwrap(), options).await);
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

/// The progress of a child when it was killed.
#[derive(Default)]
struct Life {
    acknowledged: Vec<String>,
    spilling: usize,
    moving: bool,
}

impl Life {
    fn hear(&mut self, line: &str) {
        if let Some((_, id)) = line.split_once("acknowledged ") {
            self.acknowledged.push(id.to_owned());
        }
        match line {
            SPILLING => self.spilling += 1,
            SPILLED => self.spilling -= 1,
            MOVING => self.moving = true,
            MOVED => self.moving = false,
            _ => {}
        }
    }
}

/// One life of the child, which is killed once `enough` is so.
fn live(address: SocketAddr, spill: &Path, enough: impl Fn(&Life) -> bool) -> Life {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(CHILD, format!("{address} {}", spill.display()));
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut life = Life::default();
    while !enough(&life) {
        let Some(line) = lines.next() else { panic!("the child ended by itself") };
        life.hear(&line);
    }
    process.kill().unwrap();
    process.wait().unwrap();
    // Lines that were printed before the kill count, too.
    lines.for_each(|line| life.hear(&line));
    life
}

/// Every third is killed as it spills, every third as it moves, and the others at any time.
fn kill(kills: usize, address: SocketAddr, spill: &Path) -> Vec<String> {
    let (mut acknowledged, mut random) = (Vec::new(), Rng::with_seed(2));
    let (mut spilling, mut moving) = (0, 0);
    for number in 0..kills {
        let least = random.usize(1..150);
        let life = live(address, spill, |life| {
            let is_hit = match number % 3 {
                0 => true,
                1 => life.spilling > 0,
                _ => life.moving,
            };
            life.acknowledged.len() >= least && is_hit
        });
        spilling += usize::from(life.spilling > 0);
        moving += usize::from(life.moving);
        acknowledged.extend(life.acknowledged);
    }
    println!("of {kills} kills, {spilling} hit spilling and {moving} moving");
    assert!(spilling >= HITS && moving >= HITS, "of {kills} kills, {spilling} hit spilling and {moving} moving");
    acknowledged
}

async fn interrupt(network: Arc<Network>) {
    let mut random = Rng::with_seed(1);
    loop {
        tokio::time::sleep(Duration::from_millis(random.u64(50..300))).await;
        network.hold();
        tokio::time::sleep(Duration::from_millis(random.u64(50..600))).await;
        network.mend();
    }
}

#[test]
fn what_was_acknowledged_is_there_once_however_often_it_is_killed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(child) = std::env::var(CHILD) {
        return runtime.block_on(receive(&child));
    }
    let ((_server, address), folder) = (server(), tempfile::tempdir().unwrap());
    let spill = folder.path().join("spill.db");
    let network = Arc::new(runtime.block_on(Network::to(address)));
    let interrupting = runtime.spawn(interrupt(Arc::clone(&network)));
    let acknowledged = kill(KILLS, network.address(), &spill);
    interrupting.abort();
    network.mend();
    runtime.block_on(async {
        let host = Host::start(network.address(), &spill).await;
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
}
