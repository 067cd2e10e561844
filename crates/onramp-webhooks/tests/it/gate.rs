//! Paths and addresses that are let in.

use onramp_webhooks::client_ip::{ClientIp, ForwardingHeader};
use onramp_webhooks::inbox::MemoryInbox;
use onramp_webhooks::{Kriptomat, Wert};

use crate::tools::{Door, is_received, says};

#[tokio::test]
async fn a_path_is_the_name_and_the_secret() {
    let door = Door::with(Wert::with_path_secret("s3cret-for-examples"), "wert", MemoryInbox::new(), |builder| builder);
    for path in [
        "/wert/s3cret-for-examples",
        "/wert/s3cret-for-examples/",
        "wert/s3cret-for-examples",
        "/wert/s3cret-for-example%73",
        "/wert/s3cret%2Dfor%2dexamples/",
    ] {
        is_received(&door.send("POST", path, None, &[], door.purchase()).await);
    }
    let kept = door.kept().await.len();
    for path in [
        "",
        "/",
        "//",
        "/wert",
        "/wert/",
        "/wert//",
        "/wert/s3cret-for-examples//",
        "/wert//s3cret-for-examples",
        "//wert/s3cret-for-examples",
        "/wert/s3cret-for-examples/more",
        "/wert/more/s3cret-for-examples",
        "/wert/S3CRET-FOR-EXAMPLES",
        "/wert/s3cret-for-example",
        "/wert/s3cret-for-exampless",
        "/wert/s3cret-for-examples%00",
        "/wert/s3cret-for-examples%2F",
        "/wert/%",
        "/wert/s3cret-for-examples?x=1",
        "/Wert/s3cret-for-examples",
        "/%77ert/s3cret-for-examples",
        "/kriptomat/s3cret-for-examples",
        "/s3cret-for-examples/wert",
        "/s3cret-for-examples",
    ] {
        says(&door.send("POST", path, None, &[], door.purchase()).await, 404);
    }
    assert_eq!(door.kept().await.len(), kept, "nothing of it was recorded");
}

#[tokio::test]
async fn an_endpoint_without_a_secret_ends_with_its_name() {
    let door = Door::with(Wert::without_path_secret(), "wert", MemoryInbox::new(), |builder| builder);
    for path in ["/wert", "/wert/", "wert"] {
        is_received(&door.send("POST", path, None, &[], door.purchase()).await);
    }
    for path in ["/wert/anything", "/wert//", "/", ""] {
        says(&door.send("POST", path, None, &[], door.purchase()).await, 404);
    }
}

#[tokio::test]
async fn an_old_secret_counts_until_it_is_dropped() {
    let endpoint = Wert::with_path_secrets(["new-s3cret-for-examples", "old-s3cret-for-examples"]);
    let door = Door::with(endpoint, "wert", MemoryInbox::new(), |builder| builder);
    for path in ["/wert/old-s3cret-for-examples", "/wert/new-s3cret-for-examples"] {
        is_received(&door.send("POST", path, None, &[], door.purchase()).await);
    }
    says(&door.send("POST", "/wert/new-s3cret-for-examplesold-s3cret-for-examples", None, &[], door.purchase()).await, 404);
}

#[tokio::test]
async fn kriptomat_sends_from_its_documented_address() {
    let door = Door::with(Kriptomat::production(), "kriptomat", MemoryInbox::new(), |builder| builder);
    for peer in ["174.138.2.203", "::ffff:174.138.2.203"] {
        is_received(&door.send("POST", "/kriptomat", Some(peer), &[], door.purchase()).await);
    }
    let forged = [("x-forwarded-for", "174.138.2.203"), ("forwarded", "for=174.138.2.203"), ("x-real-ip", "174.138.2.203")];
    for peer in [Some("174.138.2.204"), Some("127.0.0.1"), Some("2001:db8::1"), None] {
        says(&door.send("POST", "/kriptomat", peer, &forged, door.purchase()).await, 403);
    }
    says(&door.send("GET", "/kriptomat", Some("127.0.0.1"), &[], "").await, 403);
    assert_eq!(door.kept().await.len(), 2);
}

#[tokio::test]
async fn only_declared_proxies_are_believed() {
    let client_ip = ClientIp::behind("10.0.0.0/8".parse().unwrap(), ForwardingHeader::XForwardedFor);
    let door = Door::with(Kriptomat::production(), "kriptomat", MemoryInbox::new(), |builder| builder.client_ip(client_ip));
    let status =
        async |peer, lines: &[(&str, &str)]| door.send("POST", "/kriptomat", peer, lines, door.purchase()).await.status();
    let proxy = Some("10.0.0.1");

    assert_eq!(status(proxy, &[("x-forwarded-for", "174.138.2.203")]).await, 200);
    assert_eq!(status(proxy, &[("X-Forwarded-For", "198.51.100.1, 174.138.2.203, 10.0.0.7")]).await, 200);
    assert_eq!(status(proxy, &[("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "174.138.2.203")]).await, 200);
    assert_eq!(
        status(Some("174.138.2.203"), &[("x-forwarded-for", "198.51.100.1")]).await,
        200,
        "no proxy: the header is nothing"
    );

    for denied in [
        &[("x-forwarded-for", "174.138.2.203, 198.51.100.1")][..],
        &[("x-forwarded-for", "174.138.2.203"), ("x-forwarded-for", "198.51.100.1")],
        &[("x-forwarded-for", "174.138.2.203, unknown")],
        &[("x-forwarded-for", "174.138.2.203,")],
        &[("x-forwarded-for", "10.0.0.2")],
        &[("forwarded", "for=174.138.2.203")],
        &[],
    ] {
        assert_eq!(status(proxy, denied).await, 403, "{denied:?}");
    }
    assert_eq!(status(Some("198.51.100.1"), &[("x-forwarded-for", "174.138.2.203")]).await, 403, "a proxy that nobody declared");
    assert_eq!(status(None, &[("x-forwarded-for", "174.138.2.203")]).await, 403, "no peer, no proxy");
}
