//! When the database cannot be written: nothing is acknowledged that is not kept, and all is well again by itself.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::connection::Reply;
use crate::event::order_complete;
use crate::home::Home;
use crate::shop::{Launch, ShopProcess};
use crate::wait::{until, within};

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// Sends orders, each of one unit of fiat for a customer of its own number, and remembers which were acknowledged.
#[derive(Default)]
struct Orders {
    sent: usize,
    acknowledged: Vec<usize>,
}

impl Orders {
    async fn send(&mut self, shop: &ShopProcess) -> Reply {
        let order = self.sent;
        self.sent += 1;
        let begun = Instant::now();
        let reply = shop.wert(order_complete(&order.to_string(), &format!("customer-{order}"), "1")).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "Wert waits 5 s, and not {:?}", begun.elapsed());
        match reply.status {
            200 => self.acknowledged.push(order),
            _ => assert_not_recorded(&reply),
        }
        reply
    }

    /// All that was acknowledged is handled, and nothing twice.
    async fn assert_kept(&self, home: &Home) {
        home.database().settled().await;
        let points = home.database().points();
        for order in &self.acknowledged {
            assert_eq!(points.get(&format!("customer-{order}")).map(String::as_str), Some("1"), "order {order}");
        }
        assert!(points.values().all(|points| points == "1"), "{points:?}");
    }
}

fn assert_not_recorded(reply: &Reply) {
    reply.assert_problem(503);
    assert!(reply.header("retry-after").unwrap().parse::<u32>().is_ok());
}

async fn recovers(orders: &mut Orders, shop: &ShopProcess) {
    within(Duration::from_secs(10), "the shop records again", async || (orders.send(shop).await.status == 200).then_some(()))
        .await;
    until("the shop is healthy", async || shop.get("/healthz").await.status == 200).await;
}

/// Another process holds the file.
pub async fn a_locked_file_is_told_in_time_and_waited_for(binary: &str) {
    let home = Home::of(binary);
    let shop = home.start().await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    let other = home.database();
    other.execute("BEGIN EXCLUSIVE");
    assert_eq!(orders.send(&shop).await.status, 503);
    assert_eq!(shop.get("/healthz").await.status, 503);
    let (shop, begun) = (&shop, Instant::now());
    let at_once = (0..20).map(|order| async move { shop.wert(order_complete(&format!("at-once-{order}"), "many", "1")).await });
    for reply in join_all(at_once).await {
        assert_not_recorded(&reply);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    other.execute("COMMIT");
    recovers(&mut orders, shop).await;
    for order in 0..20 {
        shop.wert(order_complete(&format!("at-once-{order}"), "many", "1")).await.assert_received();
    }
    home.database().settled().await;
    assert_eq!(shop.points("many").await, "20");
    home.database().execute("DELETE FROM points WHERE customer = 'many'");
    orders.assert_kept(&home).await;
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut outputs = Vec::new();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs
}

/// No file of the shop can grow any more.
pub async fn a_full_disk_is_told_and_recovered_from(binary: &str) {
    let home = Home::of(binary);
    let shop = home.launch().with_file_size_errors().start().await;
    let mut orders = Orders::default();
    shop.limit_files(Some(600_000));
    let mut refused = 0;
    within(Duration::from_secs(30), "the disk is full", async || {
        refused += usize::from(orders.send(&shop).await.status == 503);
        (refused >= 20).then_some(())
    })
    .await;
    assert!(!orders.acknowledged.is_empty());
    assert_eq!(shop.get("/healthz").await.status, 503);
    shop.limit_files(None);
    recovers(&mut orders, &shop).await;
    orders.assert_kept(&home).await;
    let told = shop.stop().await.handled().len();
    assert!(told >= orders.acknowledged.len());
}

/// A volume that is not mounted for a while.
pub async fn a_folder_that_goes_away_is_told_and_found_again(binary: &str) {
    let home = Home::of(binary);
    let shop = home.start().await;
    let mut orders = Orders::default();
    assert_eq!(orders.send(&shop).await.status, 200);
    home.database().settled().await;
    let elsewhere = home.outer().join("elsewhere");
    std::fs::rename(home.folder(), &elsewhere).unwrap();
    assert_eq!(orders.send(&shop).await.status, 503);
    assert_eq!(shop.get("/healthz").await.status, 503);
    std::fs::rename(&elsewhere, home.folder()).unwrap();
    recovers(&mut orders, &shop).await;
    orders.assert_kept(&home).await;
}

/// What is acknowledged after that is in the file that is there now.
pub async fn a_deleted_file_is_made_anew(binary: &str) {
    for with_its_log in [false, true] {
        let home = Home::of(binary);
        let shop = home.start().await;
        shop.wert(order_complete("1", "ada", "1")).await.assert_received();
        home.database().settled().await;
        std::fs::remove_file(home.file()).unwrap();
        if with_its_log {
            for log in ["shop.db-wal", "shop.db-shm"] {
                std::fs::remove_file(home.folder().join(log)).unwrap();
            }
        }
        shop.wert(order_complete("2", "bob", "2")).await.assert_received();
        home.database().settled().await;
        assert_eq!(home.database().deliveries(), 1);
        assert_eq!((shop.points("ada").await, shop.points("bob").await), ("0".to_owned(), "2".to_owned()));
        let handled = shop.stop().await.handled();
        assert_eq!(handled.len(), 2);
        assert_eq!(home.database().points().len(), 1);
    }
}

/// The shop does not start, and says why.
pub async fn a_file_that_cannot_be_written_is_refused_at_the_start(binary: &str) {
    let home = Home::of(binary);
    home.start().await.stop().await;
    let bound = Bound::by_permissions(&home, binary);
    bound.forbid_writing();
    let ended = bound.launch().refused().await;
    bound.allow_writing();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot be written") && ended.stderr.contains("shop.db"), "{ended:?}");
    assert!(ended.stdout.is_empty(), "{ended:?}");
}

/// A volume that is mounted anew, for reading only, with the same content.
pub async fn a_file_that_turns_read_only_is_told_and_recovered_from(binary: &str) {
    let home = Home::of(binary);
    home.start().await.stop().await;
    let bound = Bound::by_permissions(&home, binary);
    bound.allow_writing();
    let shop = bound.launch().start().await;
    let mut orders = Orders::default();
    for _ in 0..3 {
        assert_eq!(orders.send(&shop).await.status, 200);
    }
    home.database().settled().await;
    home.database().execute("PRAGMA wal_checkpoint(TRUNCATE)");
    let before = home.outer().join("before");
    std::fs::rename(home.folder(), &before).unwrap();
    std::fs::create_dir(home.folder()).unwrap();
    std::fs::copy(before.join("shop.db"), home.file()).unwrap();
    bound.forbid_writing();
    assert_eq!(orders.send(&shop).await.status, 503);
    assert_eq!(shop.get("/healthz").await.status, 503);
    bound.allow_writing();
    recovers(&mut orders, &shop).await;
    orders.assert_kept(&home).await;
}

/// A shop that permissions bind: they do not bind root, so root runs the shop as somebody else.
struct Bound<'a> {
    home: &'a Home,
    binary: PathBuf,
}

impl<'a> Bound<'a> {
    /// That somebody may not reach the shop's binary where it is, and gets a copy.
    fn by_permissions(home: &'a Home, binary: &str) -> Self {
        let copy = home.outer().join("shop");
        std::fs::copy(binary, &copy).unwrap();
        set_mode(&copy, 0o755);
        set_mode(home.outer(), 0o755);
        Self { home, binary: copy }
    }

    fn launch(&self) -> Launch {
        let launch = self.home.launch_binary(&self.binary);
        if rustix::process::geteuid().is_root() { launch.as_user(NOBODY) } else { launch }
    }

    fn forbid_writing(&self) {
        self.set_modes(0o444, 0o555);
    }

    fn allow_writing(&self) {
        self.set_modes(0o666, 0o777);
    }

    fn set_modes(&self, files: u32, folder: u32) {
        for file in std::fs::read_dir(self.home.folder()).unwrap() {
            set_mode(&file.unwrap().path(), files);
        }
        set_mode(&self.home.folder(), folder);
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// Nobody's file is overwritten.
pub async fn a_file_that_is_no_database_is_refused_at_the_start(binary: &str) {
    let home = Home::of(binary);
    let letter = "Dear Ada, this is a letter and not a database. ".repeat(100);
    std::fs::write(home.file(), &letter).unwrap();
    let ended = home.launch().refused().await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(ended.stderr.contains("not a database"), "{ended:?}");
    assert_eq!(std::fs::read_to_string(home.file()).unwrap(), letter);
}

/// A pipe whose reader has gone.
pub async fn a_closed_standard_output_stops_nothing(binary: &str) {
    let home = Home::of(binary);
    let shop = home.launch().with_closing_output().start().await;
    let mut orders = Orders::default();
    for _ in 0..5 {
        assert_eq!(orders.send(&shop).await.status, 200);
    }
    orders.assert_kept(&home).await;
    shop.stop().await;
}
