//! Tests of masking.

use super::*;
use crate::provider::ProviderName;

const BODY: &str = r#"{"type":"order_complete","click_id":"customer-20418","order":{"id":"01A","base":"BTC","quote_amount":"250.00",
    "address":"bc1q5d182a80d71bcbecd5e8fd869ff169e19a6c3a","base_amount":{"type":"Ada"},"items":[1,["Lovelace"]]},
    "order.id":"secret1","note":"Ada \"L\" é\u001b[2J","age":37,"is_member":true,"ada@example.com":null,"phone":4917012345678}"#;

fn wert(body: &str) -> Masked {
    masked(&Providers::default(), &"wert".into(), body.as_bytes())
}

#[test]
fn only_listed_fields_are_shown() {
    let shown = wert(BODY);
    for visible in [r#""order_complete""#, r#""01A""#, r#""BTC""#, r#""250.00""#, r#""cu•••18""#, r#""bc•••3a""#, r#""49•••78""#]
    {
        assert!(shown.text().contains(visible), "{visible}: {}", shown.text());
    }
    for hidden in ["20418", "d182a", "Ada", "Lovelace", "secret1", "37", "true", "example", "1234", " 1\n"] {
        assert!(!shown.text().contains(hidden), "{hidden}: {}", shown.text());
    }
    assert_eq!(shown.text().matches(r#""•••""#).count(), 6, "{}", shown.text());
    assert!(serde_json::from_str::<serde_json::Value>(shown.text()).is_ok(), "{}", shown.text());
}

#[test]
fn every_documented_body_keeps_its_money_and_hides_its_customer() {
    let bodies = [
        ("wert", include_str!("../../fixtures/wert/order_complete.json"), "250.00"),
        ("wert", include_str!("../../fixtures/wert/order_failed.json"), "card_declined"),
        ("kriptomat", include_str!("../../fixtures/kriptomat/postback.bracket-keys.json"), "180.40"),
        ("kriptomat", include_str!("../../fixtures/kriptomat/postback.plain-keys.json"), "eth"),
        ("kriptomat", include_str!("../../fixtures/kriptomat/postback.object.json"), "93b7fcf2-32b2-4774-a0f2-b8c0d9db1c72"),
        ("kriptomat", include_str!("../../fixtures/kriptomat/postback.array.json"), "uuid"),
        ("kriptomat", include_str!("../../fixtures/kriptomat/postback.form.txt"), "0.0625"),
    ];
    for (provider, body, visible) in bodies {
        let shown = masked(&Providers::default(), &provider.into(), body.as_bytes());
        assert!(shown.text().contains(visible), "{body}: {}", shown.text());
        assert!(body.contains("shop-20418") && !shown.text().contains("shop-20418"), "{}", shown.text());
        assert_eq!(shown.scrub("no user shop-20418"), "no user •••");
        assert!(!shown.text().contains("invoice"), "{}", shown.text());
        let all = revealed(body.as_bytes());
        assert!(all.text().contains("shop-20418") && all.text().contains(visible));
        assert_eq!(all.scrub("no user shop-20418"), "no user shop-20418");
    }
}

#[test]
fn a_provider_that_is_not_known_has_no_public_fields() {
    let unknown: ProviderName = "later".into();
    let shown = masked(&Providers::default(), &unknown, br#"{"type":"order_complete","uuid":"U"}"#);
    assert_eq!(shown.text(), "{\n  \"type\": \"or•••te\",\n  \"uuid\": \"•••\"\n}");
}

#[test]
fn notes_are_scrubbed_of_masked_values() {
    let shown = wert(BODY);
    for (note, scrubbed) in [
        ("no user customer-20418.", "no user •••."),
        ("NO USER CUSTOMER-20418", "NO USER •••"),
        ("user=customer-20418customer-20418", "user=•••"),
        ("order 01A, 250.00 BTC of ada@example.com", "order 01A, 250.00 BTC of •••"),
        (r#"no "Ada \"L\" é"#, r#"no "••• \"L\" é"#),
        ("key 1 of 13 is 37, not 370", "key ••• of 13 is •••, not 370"),
        ("sent to bc1q5d182a80d71bcbecd5e8fd869ff169e19a6c3a", "sent to •••"),
        ("it is true, or null", "it is true, or null"),
        ("", ""),
    ] {
        assert_eq!(shown.scrub(note), scrubbed);
    }
    assert_eq!(wert(r#"{"note":"Ada \"L\""}"#).scrub(r#"no "Ada \"L\"" and no Ada "L""#), r#"no "•••" and no •••"#);
    assert_eq!(wert(r#"{"note":"ÄDA İ"}"#).scrub("äda İ, Ω"), "•••, Ω");
}

#[test]
fn repeated_and_nested_names_do_not_unmask() {
    for body in [
        r#"{"order":[{"id":"secret"}]}"#,
        r#"[{"type":"secret"}]"#,
        r#"{"order":{"order":{"id":"secret"}}}"#,
        r#"{"order":{"id":{"id":"secret"}}}"#,
        r#"{"order":{"id":["secret"]}}"#,
        r#"{"order.id":"secret"}"#,
        r#"{"Type":"secret"}"#,
        r#"{"click_id":"x","click_id":"secret"}"#,
        r#""secret""#,
        "type=%22&click_id=secret",
    ] {
        let shown = wert(body);
        assert!(!shown.text().contains("secret") && !shown.text().is_empty(), "{body}: {}", shown.text());
        assert_eq!(shown.scrub("a secret"), "a •••", "{body}");
    }
    let long = wert(&format!(r#"{{"type":"{}"}}"#, "x".repeat(129)));
    assert_eq!(long.text(), "{\n  \"type\": \"xx•••xx\"\n}");
}

#[test]
fn large_and_deep_bodies_are_bounded() {
    let deep = format!("{}\"secret\"{}", "[".repeat(1_000), "]".repeat(1_000));
    let shown = wert(&deep);
    assert!(!shown.text().contains("secret") && !shown.is_cut(), "{}", shown.text());

    let wide = format!("{}[{}]{}", "[".repeat(100), vec!["7"; 400_000].join(","), "]".repeat(100));
    let shown = wert(&wide);
    assert!(shown.is_cut() && shown.text().len() <= 256 << 10);

    let many: Vec<_> = (0..20_000).map(|number| format!("\"value-{number}\"")).collect();
    let shown = wert(&format!("[{}]", many.join(",")));
    assert_eq!(shown.scrub("value-19999 and more"), MASK, "a note is masked whole if values were not compared");
}

#[test]
fn what_is_no_json_is_not_shown() {
    for body in ["", "{", "{\"click_id\":\"secret\"", "secret", "\u{0}", "{\"a=b"] {
        assert_eq!(wert(body).text(), "", "{body}");
    }
    assert_eq!(masked(&Providers::default(), &"wert".into(), b"\xff\xfe").text(), "");
    assert!(wert("\u{feff}{\"type\":\"test\"}").text().contains("test"));
}

#[test]
fn the_note_of_a_body_without_fields_loses_every_word_of_it() {
    let shown = wert("<customer>Ada Lovelace, customer-20418</customer> not");
    assert_eq!(shown.scrub("no user customer-20418: ADA is not known, 3 of 20"), "no user •••-•••: ••• is ••• known, 3 of 20");
    assert_eq!(masked(&Providers::default(), &"wert".into(), b"\xff\xfea\0d\0a\0").scrub("no user ada"), MASK);
    assert_eq!(revealed(b"Ada").scrub("no user Ada"), "no user Ada");
    let words: String = (0..20_000).map(|number| format!("w{number} ")).collect();
    assert_eq!(wert(&words).scrub("w19999"), MASK);
}

#[test]
fn differences_name_the_members() {
    let first = r#"{"type":"order_complete","click_id":"customer-1","order":{"id":"A","quote_amount":"250.00"},"a":[1,{"b":2}],"gone":"Ada"}"#;
    let second = r#"{"order":{"quote_amount":"950.00","id":"A"},"type":"order_complete","click_id":"customer-2","a":[1,{"b":3}],"new":{}}"#;
    let found = |reveal| {
        let found = differences(&Providers::default(), &"wert".into(), first.as_bytes(), second.as_bytes(), reveal).unwrap();
        found.into_iter().map(|it| (it.path, it.first, it.second)).collect::<Vec<_>>()
    };
    let row = |path: &str, first: Option<&str>, second: Option<&str>| {
        (path.to_owned(), first.map(str::to_owned), second.map(str::to_owned))
    };
    let masked = Some(r#""•••""#);
    assert_eq!(
        found(false),
        [
            row("click_id", masked, masked),
            row("order.quote_amount", Some(r#""250.00""#), Some(r#""950.00""#)),
            row("a[1].b", masked, masked),
            row("gone", masked, None),
            row("new", None, Some("{}")),
        ]
    );
    assert_eq!(found(true)[0], row("click_id", Some(r#""customer-1""#), Some(r#""customer-2""#)));
    let same = differences(&Providers::default(), &"wert".into(), b"{\"a\":1,\"a\":2}", b" {\"a\":1, \"a\":2}", false);
    assert_eq!(same, Some(Vec::new()));
    let twice = differences(&Providers::default(), &"wert".into(), b"{\"a\":1,\"a\":2}", b"{\"a\":1}", true).unwrap();
    assert_eq!((twice[0].first.as_deref(), twice[0].second.as_deref()), (Some("1, 2"), Some("1")));
    assert_eq!(differences(&Providers::default(), &"wert".into(), b"{", b"{}", false), None);
    let many = format!("[{}]", vec!["1"; 20_000].join(","));
    assert_eq!(differences(&Providers::default(), &"wert".into(), many.as_bytes(), b"{}", false), None);
}
