//! Results of requests, added up.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use onramp_webhooks::Money;
use onramp_webhooks::inbox;

use super::latency::Latencies;
use crate::exit::CliError;

/// The result of a request that was not right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// A reply that the provider does not accept.
    Status(u16),
    /// No reply in time.
    Late,
    /// No connection.
    NoConnection(String),
    /// The connection broke off before the reply.
    BrokenOff(String),
}

impl Failure {
    /// Returns the next step, if the failure suggests one.
    pub(crate) const fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Status(403) => Some("allow the address of this machine: KRIPTOMAT_ALLOW=127.0.0.1, or onramp-webhooks listen"),
            Self::Status(404) => Some("check the path and the secret at its end"),
            Self::Status(301 | 302 | 303 | 307 | 308) => {
                Some("use the address that it redirects to: providers do not follow redirects")
            }
            Self::Status(503) => Some("look into the log of the receiver: it could not record the event"),
            _ => None,
        }
    }

    /// Returns the name for JSON.
    fn name(&self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Late => "late".to_owned(),
            Self::NoConnection(_) => "no_connection".to_owned(),
            Self::BrokenOff(_) => "broken_off".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "replied {status}"),
            Self::Late => f.write_str("no reply in time"),
            Self::NoConnection(error) => write!(f, "no connection: {error}"),
            Self::BrokenOff(error) => write!(f, "no reply: {error}"),
        }
    }
}

/// Results of requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The number of requests.
    pub(crate) sent: u64,
    /// The number of right replies.
    pub(crate) right: u64,
    /// The latencies of replies.
    pub(crate) latencies: Latencies,
    /// The purchases that the receiver knows now.
    pub(crate) known: inbox::Tally,
    /// The number of failures of each kind, with the first one of the kind.
    failures: BTreeMap<String, (u64, Failure)>,
    output: Option<CliError>,
}

impl Tally {
    pub(crate) fn add(&mut self, result: Result<(), Failure>, took: Duration, purchase: Option<Money>) {
        self.sent += 1;
        if !matches!(result, Err(Failure::Late | Failure::NoConnection(_) | Failure::BrokenOff(_))) {
            self.latencies.add(took);
        }
        match result {
            Ok(()) => {
                self.right += 1;
                if let Some(purchase) = purchase {
                    self.known.purchases += 1;
                    *self.known.paid.entry(purchase.currency.as_str().to_uppercase()).or_default() +=
                        purchase.amount.to_decimal();
                }
            }
            Err(failure) => self.failures.entry(failure.name()).or_insert((0, failure)).0 += 1,
        }
    }

    /// Adds the results of another sender.
    pub(crate) fn merge(&mut self, other: Self) {
        self.sent += other.sent;
        self.right += other.right;
        self.known.purchases += other.known.purchases;
        self.latencies.merge(&other.latencies);
        other.known.paid.into_iter().for_each(|(currency, sum)| *self.known.paid.entry(currency).or_default() += sum);
        for (name, (number, failure)) in other.failures {
            self.failures.entry(name).or_insert((0, failure)).0 += number;
        }
        self.output = self.output.take().or(other.output);
    }

    /// Keeps the error of a line that could not be written.
    pub(crate) fn output_failed(&mut self, error: CliError) {
        self.output = Some(error);
    }

    /// Returns the error of a line that could not be written.
    pub(crate) fn output_error(&mut self) -> Option<CliError> {
        self.output.take()
    }

    /// Returns the failures: their names in JSON, their numbers, and the first of each.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&str, u64, &Failure)> {
        self.failures.iter().map(|(name, (number, first))| (&**name, *number, first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_parts_add_up() {
        let money = |amount: &str| Money::new(amount.parse().unwrap(), "EUR".into());
        let mut all = Tally::default();
        for _ in 0..10 {
            let mut part = Tally::default();
            part.add(Ok(()), Duration::from_millis(2), Some(money("0.10")));
            part.add(Err(Failure::Status(503)), Duration::from_millis(4), Some(money("7")));
            part.add(Err(Failure::Late), Duration::from_secs(5), None);
            all.merge(part);
        }
        assert_eq!((all.sent, all.right, all.known.purchases), (30, 10, 10));
        assert_eq!(all.known.money().collect::<Vec<_>>(), ["1.00 EUR"]);
        let failures: Vec<_> = all.failures().map(|(name, number, _)| (name, number)).collect();
        assert_eq!(failures, [("503", 10), ("late", 10)]);
        assert_eq!(all.latencies.longest(), Duration::from_millis(4), "a reply that did not come has no latency");
    }
}
