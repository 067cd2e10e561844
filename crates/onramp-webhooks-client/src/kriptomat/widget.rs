//! A widget that was started.

use std::fmt;

use onramp_webhooks::event::PostbackId;
use reqwest::Url;

use super::api::DOING;
use crate::error::{ClientError, ClientErrorKind};
use crate::json::{Object, misfit, says_yes};

/// A widget that was started.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Widget {
    /// Where to send the customer. `https`.
    pub url: String,
    /// The `uuid` in [`url`](Self::url), which the postback will carry as far as anyone can tell: write it down before the customer
    /// pays, and a postback with another one is not yours.
    pub uuid: Option<PostbackId>,
}

impl Widget {
    pub(super) fn read(body: &[u8]) -> Result<Self, ClientError> {
        let mut fields = Object::of_body(DOING, body)?;
        match fields.take("status") {
            None => return Err(misfit(DOING, "status: missing")),
            Some(status) if !says_yes(&status) => {
                return Err(ClientError::new(ClientErrorKind::Refused, DOING).detail("status is not true"));
            }
            Some(_) => {}
        }
        let data = fields.take("data").ok_or_else(|| misfit(DOING, "data: missing"))?;
        let mut data = Object::read(&data).map_err(|why| misfit(DOING, format!("data: {why}")))?;
        let url: String = data.if_fits("url").ok_or_else(|| misfit(DOING, "data.url: not a string"))?;
        let parsed = Url::parse(&url).ok().filter(|url| url.scheme() == "https");
        let parsed = parsed.ok_or_else(|| misfit(DOING, "data.url: not an https URL"))?;
        let mut uuids = parsed.query_pairs().filter(|(name, value)| name == "uuid" && !value.is_empty());
        let uuid = uuids.next().map(|(_, uuid)| PostbackId::from(&*uuid));
        // With two of them nobody can tell which one the postback will carry.
        let uuid = uuid.filter(|_| uuids.next().is_none());
        Ok(Self { url, uuid })
    }
}

/// Leaves the address out: whoever has it can pay, and it names the customer's wallet.
impl fmt::Debug for Widget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Widget").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Widget, ClientErrorKind> {
        Widget::read(body.as_bytes()).map_err(|error| error.kind())
    }

    fn with_url(url: &str) -> Result<Widget, ClientErrorKind> {
        read(&format!(r#"{{"status":"true","data":{{"url":"{url}"}}}}"#))
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
        assert!(read(r#"{"status":true,"data":{"url":"https://w.example/?uuid=a","more":1}}"#).is_ok());
    }

    #[test]
    fn what_is_no_widget_is_told_apart() {
        for (body, kind) in [
            (r#"{"status":"false","message":"no"}"#, ClientErrorKind::Refused),
            (r#"{"status":"error"}"#, ClientErrorKind::Refused),
            (r#"{"data":{"url":"https://w.example"}}"#, ClientErrorKind::Misfit),
            (r#"{"status":"true"}"#, ClientErrorKind::Misfit),
            (r#"{"status":"true","data":[]}"#, ClientErrorKind::Misfit),
            (r#"{"status":"true","data":{"url":7}}"#, ClientErrorKind::Misfit),
            (r#"{"status":"true","data":{"url":"http://w.example"}}"#, ClientErrorKind::Misfit),
            (r#"{"status":"true","data":{"url":"javascript:alert(1)"}}"#, ClientErrorKind::Misfit),
        ] {
            assert_eq!(read(body), Err(kind), "{body}");
        }
    }

    #[test]
    fn the_address_does_not_show() {
        let widget = with_url("https://w.example/?to_address=hidden&uuid=u").unwrap();
        assert!(!format!("{widget:?}").contains("hidden"));
    }
}
