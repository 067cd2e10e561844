//! The task that asks: whatever gathers while a request is under way goes into the next one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use onramp_webhooks::clock::Timestamp;
use onramp_webhooks::event::CompletedPurchase;
use tokio::sync::{mpsc, oneshot};

use crate::error::{ClientError, ClientErrorKind};
use crate::wert::query::LARGEST_PAGE;
use crate::wert::{Verdict, WertDataApi};

/// After so many failures about single orders in one batch, it is not the orders.
const NOT_THE_ORDERS: usize = 2;

/// A purchase, and who wants to know of it.
pub(super) struct Question {
    pub(super) purchase: CompletedPurchase,
    pub(super) answer: oneshot::Sender<Answer>,
}

pub(super) struct Answer {
    pub(super) verdict: Verdict,
    /// How long the provider is to be left alone.
    pub(super) alone_for: Duration,
}

/// Answers until nobody can ask any more.
///
/// After a failure, the provider is left alone as long as it wants, and at least for `breather`; who asks meanwhile hears of that failure.
/// Then one question has to find out whether it is back, and all others still hear of the failure, so that a provider that hangs holds up one
/// attempt, and not all that a worker can make.
pub(super) async fn answer(api: WertDataApi, breather: Duration, mut questions: mpsc::UnboundedReceiver<Question>) {
    let mut failure: Option<Failure> = None;
    while let Some(first) = questions.recv().await {
        // Lets those ask who are about to.
        tokio::task::yield_now().await;
        let mut batch = gather(first, &mut questions);
        if let Some(failure) = &failure {
            let rest = failure.counts_for(api.clock().now());
            let others = batch.split_off(if rest.is_some() { 0 } else { 1.min(batch.len()) });
            others.into_iter().for_each(|question| failure.is_told(question, rest.unwrap_or(breather)));
        }
        if batch.is_empty() {
            continue;
        }
        let (purchases, listeners): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Question { purchase, answer }| (purchase, answer)).unzip();
        let asking = verdicts(&api, &purchases);
        let verdicts = match &failure {
            None => asking.await,
            Some(failure) => failure.is_told_meanwhile(&mut questions, breather, asking).await,
        };
        failure = verdicts.iter().find_map(Failure::in_verdict).map(|error| Failure::new(error, api.clock().now(), breather));
        let alone_for = failure.as_ref().map_or(Duration::ZERO, |failure| failure.alone_for);
        for ((purchase, answer), verdict) in purchases.into_iter().zip(listeners).zip(verdicts) {
            Question { purchase, answer }.hears(verdict, alone_for);
        }
    }
}

/// The next batch: those who still listen.
fn gather(first: Question, questions: &mut mpsc::UnboundedReceiver<Question>) -> Vec<Question> {
    let waiting = std::iter::from_fn(|| questions.try_recv().ok());
    std::iter::once(first).chain(waiting).filter(|question| !question.answer.is_closed()).take(LARGEST_PAGE).collect()
}

/// What the provider says of a batch. One order of which no answer can be read does not keep the others from theirs: then each is asked about
/// alone.
async fn verdicts(api: &WertDataApi, purchases: &[CompletedPurchase]) -> Vec<Verdict> {
    let mut verdicts = api.confirm(purchases).await;
    let mut failures = 0;
    for (verdict, purchase) in verdicts.iter_mut().zip(purchases).filter(|_| purchases.len() > 1) {
        if !is_about_an_order(verdict) {
            continue;
        }
        if let Some(alone) = api.confirm(std::slice::from_ref(purchase)).await.pop() {
            failures += usize::from(matches!(alone, Verdict::ProviderAway(_)));
            *verdict = alone;
        }
        if failures == NOT_THE_ORDERS {
            break;
        }
    }
    verdicts
}

/// Whether there was an answer, and one order may be to blame for what was wrong with it.
fn is_about_an_order(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::ProviderAway(error) if is_of_order(error))
}

fn is_of_order(error: &ClientError) -> bool {
    use ClientErrorKind::{Contradiction, EndlessPages, Invalid, Misfit, Refused, TooLarge};
    matches!(error.kind(), Contradiction | EndlessPages | Invalid | Misfit | Refused | TooLarge)
}

impl Question {
    /// Whoever asked may have gone.
    fn hears(self, verdict: Verdict, alone_for: Duration) {
        let alone_for = if matches!(verdict, Verdict::ProviderAway(_)) { alone_for } else { Duration::ZERO };
        let _ = self.answer.send(Answer { verdict, alone_for });
    }
}

/// Why the provider is left alone, and until when.
struct Failure {
    error: Arc<ClientError>,
    at: Timestamp,
    alone_for: Duration,
}

impl Failure {
    fn in_verdict(verdict: &Verdict) -> Option<Arc<ClientError>> {
        match verdict {
            Verdict::ProviderAway(error) if !is_of_order(error) => Some(Arc::clone(error)),
            _ => None,
        }
    }

    fn new(error: Arc<ClientError>, at: Timestamp, breather: Duration) -> Self {
        let alone_for = error.retry_after().unwrap_or_default().max(breather);
        if error.is_transient() {
            tracing::warn!(%error, ?alone_for, "purchases cannot be confirmed; they wait");
        } else {
            tracing::error!(%error, ?alone_for, "purchases cannot be confirmed until somebody changes something; they wait");
        }
        Self { error, at, alone_for }
    }

    fn is_told(&self, question: Question, alone_for: Duration) {
        question.hears(Verdict::ProviderAway(Arc::clone(&self.error)), alone_for);
    }

    /// Waits for `asking`; who has a question meanwhile does not.
    async fn is_told_meanwhile<T>(
        &self,
        questions: &mut mpsc::UnboundedReceiver<Question>,
        alone_for: Duration,
        asking: impl Future<Output = T>,
    ) -> T {
        let mut asking = pin!(asking);
        loop {
            tokio::select! {
                biased;
                answer = &mut asking => return answer,
                Some(question) = questions.recv() => self.is_told(question, alone_for),
            }
        }
    }

    /// How much longer the provider is to be left alone; `None`: it may be asked. A clock that went back ends it.
    fn counts_for(&self, now: Timestamp) -> Option<Duration> {
        let rest = self.alone_for.saturating_sub(now.since(self.at));
        (now >= self.at && !rest.is_zero()).then_some(rest)
    }
}
