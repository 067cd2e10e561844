//! Log entries: each change once.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::harness::{HOUR, Harness};
use crate::faulty::InboxCall;

#[tokio::test(start_paused = true)]
async fn an_alarm_and_its_end_are_logged_once() {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let harness = Harness::new().await;
    harness.passes(24 * 8 + 1, |_| 1).await;
    assert_eq!(log.take(), [""; 0]);

    harness.passes(10, |_| 0).await;
    assert_eq!(log.take(), ["WARN wert silent https://partner.wert.io"]);
    harness.inbox.errors(InboxCall::Record, 30);
    harness.passes(10, |_| 3).await;
    assert_eq!(log.take(), ["WARN wert refusing https://partner.wert.io"]);
    harness.passes(10, |_| 3).await;
    assert_eq!(log.take(), ["INFO wert fine"]);

    harness.advance(HOUR * 100).await;
    assert_eq!(log.take().len(), 1);
    assert_eq!(harness.beside().await.wert.receiver.watch().len(), 3);
    assert_eq!(log.take(), ["WARN wert silent https://partner.wert.io"], "a new process says it, too");
}

/// A log entry of the watchdog: level, endpoint, verdict, and the page in the advice.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "endpoint" | "verdict" => self.0 += &format!(" {}", value.trim_matches('"')),
            "advice" if value.contains("https://partner.wert.io") => self.0 += " https://partner.wert.io",
            _ => {}
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().contains("watchdog")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
