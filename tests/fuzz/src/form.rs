//! Form bodies: another encoding or order of the same fields is the same event, and so is a JSON object with these fields.

use std::collections::BTreeMap;

use onramp_webhooks::KriptomatPostback;
use onramp_webhooks::provider::ProviderEvent;

use crate::fixtures;
use crate::respell::json;

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input.strip_prefix("\u{feff}".as_bytes()).unwrap_or(input)) else { return };
    let event = KriptomatPostback::read(input).ok();
    if json(input).is_some() {
        return;
    }
    let pairs: Vec<(String, String)> = form_urlencoded::parse(text.trim_ascii().as_bytes()).into_owned().collect();
    let by_name: BTreeMap<_, _> = pairs.iter().cloned().collect();
    let are_unique = by_name.len() == pairs.len();
    if let Some(event) = &event {
        assert!(are_unique, "a repeated field is not read");
        for pairs in [pairs.clone(), pairs.iter().rev().cloned().collect()] {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            assert_eq!(KriptomatPostback::read(form.as_bytes()).as_ref(), Ok(event), "{form}");
        }
        let object = serde_json::to_string(&by_name).unwrap();
        assert_eq!(KriptomatPostback::read(object.as_bytes()).as_ref(), Ok(event), "{object}");
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<_> = fixtures::bodies("kriptomat").into_iter().filter(|body| json(body).is_none()).collect();
    seeds.push(
        b"uuid=U&amount=0.50&asset_type=eth&fiat_amount=9.10&to_address=0x1&additional_fields%5B0%5D=A+b&network=".to_vec(),
    );
    seeds.push(b"uuid=U&amount=1e-3&asset_type=e%C3%A9&fiat_amount=1&to_address=%22&0=A&x&=y\r\n".to_vec());
    seeds
}
