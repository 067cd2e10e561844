//! The widget that Kriptomat's API returns.

use std::fmt;

use onramp_webhooks::kriptomat::PostbackId;
use reqwest::Url;

use super::api::OPERATION;
use crate::error::{ClientError, ClientErrorKind};
use crate::json::{Object, is_true, unreadable};

/// A started widget.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Widget {
    /// The `https` URL to send the customer to.
    pub url: String,
    /// The `uuid` in [`url`](Self::url), if there is exactly one. The postback is expected to carry it, although Kriptomat does not
    /// document that. [`start`](super::KriptomatApi::start) stores it before the customer can pay, so that a postback with an unknown
    /// `uuid` can be recognized.
    pub uuid: Option<PostbackId>,
}

impl Widget {
    pub(super) fn parse(body: &[u8]) -> Result<Self, ClientError> {
        let mut fields = Object::parse_body(OPERATION, body)?;
        match fields.take("status") {
            None => return Err(unreadable(OPERATION, "status: missing")),
            Some(status) if !is_true(&status) => {
                return Err(ClientError::new(ClientErrorKind::Refused, OPERATION).with_detail("status is not true"));
            }
            Some(_) => {}
        }
        let data = fields.take("data").ok_or_else(|| unreadable(OPERATION, "data: missing"))?;
        let mut data = Object::parse(&data).map_err(|reason| unreadable(OPERATION, format!("data: {reason}")))?;
        let url: String = data.take_valid("url").ok_or_else(|| unreadable(OPERATION, "data.url: not a string"))?;
        let parsed = Url::parse(&url).ok().filter(|url| url.scheme() == "https");
        let parsed = parsed.ok_or_else(|| unreadable(OPERATION, "data.url: not an https URL"))?;
        let mut uuids = parsed.query_pairs().filter(|(name, value)| name == "uuid" && !value.is_empty());
        let uuid = uuids.next().map(|(_, uuid)| PostbackId::from(&*uuid));
        // If there are two, it is unknown which of them the postback will carry.
        let uuid = uuid.filter(|_| uuids.next().is_none());
        Ok(Self { url, uuid })
    }
}

/// Leaves out the URL, which gives access to the payment and contains the customer's wallet.
impl fmt::Debug for Widget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Widget").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Widget, ClientErrorKind> {
        Widget::parse(body.as_bytes()).map_err(|error| error.kind())
    }

    fn with_url(url: &str) -> Result<Widget, ClientErrorKind> {
        parse(&format!(r#"{{"status":"true","data":{{"url":"{url}"}}}}"#))
    }

    #[test]
    fn the_uuid_is_found() {
        let url = "https://widget.kriptomat.io/?amount=35&uuid=c472856c-d248-4e53-ae49-1d2f088cb732";
        let widget = with_url(url).unwrap();
        assert_eq!(widget.url, url);
        assert_eq!(widget.uuid.unwrap().as_str(), "c472856c-d248-4e53-ae49-1d2f088cb732");
        for url in ["https://w.example/", "https://w.example/?uuid=", "https://w.example/?uuid=a&uuid=b"] {
            assert_eq!(with_url(url).unwrap().uuid, None);
        }
        assert!(parse(r#"{"status":true,"data":{"url":"https://w.example/?uuid=a","more":1}}"#).is_ok());
    }

    #[test]
    fn invalid_responses_are_rejected() {
        for (body, kind) in [
            (r#"{"status":"false","message":"no"}"#, ClientErrorKind::Refused),
            (r#"{"status":"error"}"#, ClientErrorKind::Refused),
            (r#"{"data":{"url":"https://w.example"}}"#, ClientErrorKind::Unreadable),
            (r#"{"status":"true"}"#, ClientErrorKind::Unreadable),
            (r#"{"status":"true","data":[]}"#, ClientErrorKind::Unreadable),
            (r#"{"status":"true","data":{"url":7}}"#, ClientErrorKind::Unreadable),
            (r#"{"status":"true","data":{"url":"http://w.example"}}"#, ClientErrorKind::Unreadable),
            (r#"{"status":"true","data":{"url":"javascript:alert(1)"}}"#, ClientErrorKind::Unreadable),
        ] {
            assert_eq!(parse(body), Err(kind), "{body}");
        }
    }

    #[test]
    fn debug_output_does_not_contain_the_url() {
        let widget = with_url("https://w.example/?to_address=hidden&uuid=u").unwrap();
        assert!(!format!("{widget:?}").contains("hidden"));
    }
}
