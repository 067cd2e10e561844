//! Sums over deliveries: their number, the money of their completed purchases, and their times.

use std::collections::BTreeMap;

use bigdecimal::BigDecimal;

use super::{Filter, Inbox, Record};
use crate::clock::Timestamp;
use crate::delivery::DeliveryId;
use crate::error::StoreError;
use crate::event::{Currency, Money};
use crate::provider::Providers;

/// Maximum length of the name of a group of errors, in characters.
const LONGEST_ERROR: usize = 200;

/// The number of deliveries, the money of their completed purchases, and their times.
///
/// ```
/// use onramp_webhooks::clock::Timestamp;
/// use onramp_webhooks::inbox::{Filter, Inbox, MemoryInbox, NewDelivery, State, tally};
/// use onramp_webhooks::provider::Providers;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let inbox = MemoryInbox::new();
/// let body = include_bytes!("../../fixtures/wert/order_complete.json").as_slice();
/// for second in 0..2 {
///     inbox.record(NewDelivery::new("wert", "wert", Timestamp::from_millis(second), body.into())).await?;
/// }
/// let filter = Filter::all().state(State::Pending);
/// let found = tally(&inbox, &Providers::default(), filter, 1_000, |record| record.endpoint.to_string()).await?;
/// assert_eq!((found.total.deliveries, found.total.purchases), (2, 2));
/// assert_eq!(found.total.money().collect::<Vec<_>>(), ["500.00 USD"]);
/// assert_eq!(found.groups["wert"].deliveries, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// The number of deliveries.
    pub deliveries: u64,
    /// The number of completed purchases among them.
    pub purchases: u64,
    /// The money that was paid for the completed purchases, exactly, by currency.
    pub paid: BTreeMap<String, BigDecimal>,
    /// The number of deliveries whose purchase is not known: the body was removed or cannot be read, or the event does not say which side
    /// was paid.
    pub unclear: u64,
    /// The first time of arrival.
    pub first: Option<Timestamp>,
    /// The last time of arrival.
    pub last: Option<Timestamp>,
    /// The newest of the deliveries, as an example.
    pub newest: Option<DeliveryId>,
}

impl Tally {
    /// Adds a delivery with its body.
    pub fn add(&mut self, record: &Record, providers: &Providers) {
        self.deliveries += 1;
        self.first = self.first.map_or(Some(record.received_at), |first| Some(first.min(record.received_at)));
        self.last = self.last.max(Some(record.received_at));
        self.newest = self.newest.max(Some(record.id));
        let event = record.body.as_ref().and_then(|body| providers.read(&record.provider, body).ok());
        match event.map(|event| event.completed_purchase()) {
            Some(Ok(Some(purchase))) => {
                self.purchases += 1;
                self.pay(&purchase.fiat);
            }
            Some(Ok(None)) => {}
            Some(Err(_)) | None => self.unclear += 1,
        }
    }

    /// Adds the deliveries of another tally.
    pub(crate) fn merge(&mut self, other: Self) {
        self.deliveries += other.deliveries;
        self.purchases += other.purchases;
        self.unclear += other.unclear;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        self.newest = self.newest.max(other.newest);
        for (currency, amount) in other.paid {
            *self.paid.entry(currency).or_default() += amount;
        }
    }

    /// Leaves out the money, for deliveries whose purchases are not those of the shop.
    pub(crate) fn without_purchases(mut self) -> Self {
        (self.purchases, self.unclear, self.paid) = (0, 0, BTreeMap::new());
        self
    }

    fn pay(&mut self, Money { amount, currency, .. }: &Money) {
        let sum = self.paid.entry(currency.as_str().to_uppercase()).or_default();
        *sum += amount.to_decimal();
    }

    /// Returns the sum of each currency in words, such as `3262.00 USD`, with at least the decimals of the currency.
    pub fn money(&self) -> impl Iterator<Item = String> + '_ {
        self.paid.iter().map(|(code, sum)| {
            let decimals = Currency::from(code.as_str()).decimals().map_or(0, i64::from);
            let scale = sum.fractional_digit_count().max(decimals);
            format!("{} {code}", sum.with_scale(scale).to_plain_string())
        })
    }
}

/// The sums over the deliveries of a filter, see [`tally`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tallies {
    /// The sums over all deliveries.
    pub total: Tally,
    /// The sums over the deliveries of each group.
    pub groups: BTreeMap<String, Tally>,
    /// The delivery after which others may match, see [`Page::next`](super::Page::next); `None` if all were added.
    pub next: Option<DeliveryId>,
    /// The arrival of that delivery.
    pub searched_to: Option<Timestamp>,
}

/// Adds up deliveries that match `filter`, in its sequence, and those of each group. Reads page after page until `most` or more were added.
/// `group` names the group of a delivery; [`error_group`] is one way to do so.
///
/// # Errors
/// Returns an error if the inbox cannot be read.
pub async fn tally(
    inbox: &dyn Inbox,
    providers: &Providers,
    filter: Filter,
    most: u64,
    group: impl Fn(&Record) -> String + Send,
) -> Result<Tallies, StoreError> {
    let mut tallies = Tallies::default();
    let mut next = Some(filter.with_bodies());
    while let Some(filter) = next {
        let page = inbox.list(filter.clone()).await?;
        for record in &page.records {
            tallies.total.add(record, providers);
            tallies.groups.entry(group(record)).or_default().add(record, providers);
        }
        (tallies.next, tallies.searched_to) = (page.next, page.searched_to);
        next = filter.following(&page).filter(|_| tallies.total.deliveries < most);
    }
    Ok(tallies)
}

/// Returns the note of a delivery without numbers, ids and quoted text, so that notes of one cause are equal; empty without a note.
///
/// ```
/// use onramp_webhooks::inbox::error_group;
///
/// let note = "insert into points: no user 4711 in \"EU (west)\", trace 01HBE0YY5SMKXXA4ZCM952HS90";
/// assert_eq!(error_group(Some(note)), "insert into points: no user … in …, trace …");
/// ```
#[must_use]
pub fn error_group(note: Option<&str>) -> String {
    let (mut group, mut rest) = (String::new(), note.unwrap_or_default());
    while let Some(first) = rest.chars().next() {
        let end = if let Some(quoted) = quoted(rest) {
            group.push('…');
            quoted
        } else if first.is_alphanumeric() {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && !"-_".contains(letter)).unwrap_or(rest.len());
            let word = rest.get(..end).unwrap_or_default();
            group.push_str(if word.contains(|letter: char| letter.is_ascii_digit()) { "…" } else { word });
            end
        } else {
            group.push(first);
            first.len_utf8()
        };
        rest = rest.get(end..).unwrap_or_default();
    }
    group.chars().take(LONGEST_ERROR).collect()
}

/// Returns the length of a quotation with which a text begins.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|first| "\"'`".contains(*first))?;
    let inside = text.get(1..)?;
    inside.find(quote).map(|end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_cause_are_one_group() {
        let group = |note| error_group(Some(note));
        assert_eq!(group("timeout after 30 s"), group("timeout after 31 s"));
        assert_eq!(group("no user 'Ada'"), group("no user 'Bob O\"Neill'"));
        assert_eq!(group("key a1-b2_c3 is taken"), "key … is taken");
        assert_eq!(group("it's late"), "it's late", "an apostrophe alone quotes nothing");
        assert_eq!(group("größer als 12,5 €"), "größer als …,… €");
        assert_ne!(group("timeout"), group("refused"));
        assert_eq!(error_group(None), "");
        assert_eq!(error_group(Some(&"x ".repeat(1_000))).chars().count(), LONGEST_ERROR);
    }

    #[test]
    fn sums_are_exact_and_have_the_decimals_of_their_currency() {
        let mut tally = Tally::default();
        for (amount, currency) in
            [("0.1", "USD"), ("0.2", "usd"), ("377", "EUR"), ("100", "JPY"), ("1e-20", "XTS"), ("99999999999999999999.99", "GBP")]
        {
            tally.pay(&Money::new(amount.parse().unwrap(), currency.into()));
        }
        let money: Vec<_> = tally.money().collect();
        assert_eq!(money, ["377.00 EUR", "99999999999999999999.99 GBP", "100 JPY", "0.30 USD", "0.00000000000000000001 XTS"]);
    }
}
