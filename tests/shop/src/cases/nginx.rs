//! The shop behind nginx, with the configuration of the guide.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::connection::{Connection, Response, answer_to};
use crate::event::{order_complete, postback};
use crate::home::{Home, Subject};
use crate::shop::ShopProcess;
use crate::wait::until;

const CONFIGURATION: &str = include_str!("../../../../docs/deploy/nginx.conf");

/// nginx as a process. It is stopped when this value is dropped.
struct Nginx {
    child: Child,
    folder: TempDir,
    address: SocketAddr,
}

impl Nginx {
    async fn before(shop: &ShopProcess) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let configuration = folder.path().join("nginx.conf");
        std::fs::write(&configuration, whole(folder.path(), address, shop.address)).unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&configuration).arg("-e").arg(folder.path().join("error.log"));
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        let nginx = Self { child, folder, address };
        until("nginx listens", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        nginx
    }

    /// Sends a request from an address of this machine.
    async fn post(&self, from: &str, path: &str, forged: Option<&str>, body: impl Into<Vec<u8>>) -> Response {
        let from: IpAddr = from.parse().unwrap();
        let client = reqwest::Client::builder().local_address(from).no_proxy().build().unwrap();
        let request = client.post(format!("http://{}{path}", self.address)).body(body.into());
        let request = forged.into_iter().fold(request, |request, forged| request.header("x-forwarded-for", forged));
        answer_to(request).await.unwrap()
    }

    fn logs(&self) -> String {
        ["access.log", "error.log"].map(|log| std::fs::read_to_string(self.folder.path().join(log)).unwrap()).concat()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The main process stops its workers.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Returns the configuration of the guide with other addresses and without TLS, in that of a program that needs no rights.
fn whole(folder: &Path, listen: SocketAddr, shop: SocketAddr) -> String {
    let mut sites = String::new();
    for line in CONFIGURATION.lines().filter(|line| !line.trim_start().starts_with("ssl_")) {
        writeln!(sites, "{line}").unwrap();
    }
    let replace = |text: String, from: &str, to: String| {
        assert!(text.contains(from), "the configuration has no {from}");
        text.replace(from, &to)
    };
    let sites = replace(sites, "listen 443 ssl;", format!("listen {listen};"));
    let sites = replace(sites, "127.0.0.1:8080", shop.to_string());
    let folder = folder.display();
    format!(
        "daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log {folder}/access.log;\nclient_body_temp_path {folder}/body;\n\
         proxy_temp_path {folder}/proxy;\nfastcgi_temp_path {folder}/fastcgi;\nuwsgi_temp_path {folder}/uwsgi;\n\
         scgi_temp_path {folder}/scgi;\n{sites}}}\n"
    )
}

async fn started(subject: Subject) -> (Home, ShopProcess, Nginx) {
    let home = Home::of(subject);
    let shop = home.launch().env("KRIPTOMAT_ALLOW", "127.0.0.2").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let nginx = Nginx::before(&shop).await;
    (home, shop, nginx)
}

/// The allow-list sees the client of nginx, and believes no address that the client sends.
pub async fn behind_nginx_the_real_client_is_judged(subject: Subject) {
    let (home, _shop, nginx) = started(subject).await;
    nginx.post("127.0.0.2", "/webhooks/kriptomat", None, postback("1", "ada", "1")).await.assert_received();
    nginx.post("127.0.0.2", "/webhooks/kriptomat", Some("198.51.100.1"), postback("2", "ada", "1")).await.assert_received();
    nginx.post("127.0.0.3", "/webhooks/kriptomat", None, postback("3", "ada", "1")).await.assert_problem(403);
    nginx.post("127.0.0.3", "/webhooks/kriptomat", Some("127.0.0.2"), postback("4", "ada", "1")).await.assert_problem(403);
    assert_eq!(home.database().deliveries(), 2);
}

/// Wert gets 200 for a body over the limit of the receiver, and nothing but webhooks reaches the shop.
pub async fn behind_nginx_the_receiver_decides_about_bodies(subject: Subject) {
    let (_home, _shop, nginx) = started(subject).await;
    nginx.post("127.0.0.3", "/webhooks/wert/dev-secret", None, vec![b'x'; 3 << 20]).await.assert_received();
    nginx
        .post("127.0.0.3", "/webhooks/wert/a-wrong-secret-of-wert", None, order_complete("1", "ada", "1"))
        .await
        .assert_problem(404);
    assert_eq!(nginx.post("127.0.0.3", "/buy", None, "{}").await.status, 404);
    let logs = nginx.logs();
    assert!(logs.contains("/buy") && !logs.contains("secret"), "{logs}");
}

/// The receiver answers a body that stops before nginx gives it up, and before Wert does, after 5 s.
pub async fn behind_nginx_a_body_that_stops_is_answered(subject: Subject) {
    let (_home, _shop, nginx) = started(subject).await;
    let mut connection = Connection::open(nginx.address).await;
    let begun = Instant::now();
    connection.send("POST /webhooks/wert/dev-secret HTTP/1.1\r\nhost: shop\r\ncontent-length: 100\r\n\r\n{\"type\":").await;
    connection.answer().await.assert_problem(408);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Connections that nginx keeps open are of no use after a restart of the shop, and none of its events is lost.
pub async fn behind_nginx_a_stopped_shop_is_a_failure_that_is_sent_again(subject: Subject) {
    let (home, shop, nginx) = started(subject).await;
    nginx.post("127.0.0.3", "/webhooks/wert/dev-secret", None, order_complete("1", "ada", "1")).await.assert_received();
    let address = shop.address.to_string();
    drop(shop.stop().await);
    let away = nginx.post("127.0.0.3", "/webhooks/wert/dev-secret", None, order_complete("2", "ada", "1")).await;
    assert_eq!(away.status, 502);
    let again = home.launch().env("LISTEN", &address).env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    nginx.post("127.0.0.3", "/webhooks/wert/dev-secret", None, order_complete("2", "ada", "1")).await.assert_received();
    again.has_handled(1).await;
}
