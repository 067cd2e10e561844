//! (f) The inbox in PostgreSQL and its worker.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;
use onramp_webhooks::inbox::{Inbox, NewDelivery};
use onramp_webhooks::worker::WorkerBuilder;
use onramp_webhooks_postgres::{PostgresInbox, PostgresOptions};
use onramp_webhooks_services::Postgres;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::raw_sql;

use crate::Scale;
use crate::callers::{CallStats, call};
use crate::orders::Ids;
use crate::report::{median, print, thousands};
use crate::worker::{drain_with, fill};

/// The size of the connection pool that both candidates share.
const CONNECTIONS: u32 = 16;

/// The statement of a receiver that inserts each delivery separately, with one commit each.
const ONE_INSERT: &str = "INSERT INTO onramp_bench.one_insert (subject, discriminator, fingerprint, received_at, body)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";

const TABLE: &str = "CREATE TABLE onramp_bench.one_insert (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject TEXT NOT NULL, discriminator TEXT NOT NULL,
    fingerprint BYTEA NOT NULL, received_at BIGINT NOT NULL, body BYTEA NOT NULL, UNIQUE (subject, discriminator))";

/// Runs the benchmark and prints its tables.
pub(crate) fn run(scale: Scale, rows: u64) -> anyhow::Result<()> {
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let bench = Bench::open(&server.url, scale).await?;
        let measured = bench.measure(rows).await;
        bench.drop_schema().await?;
        measured
    })
}

/// The server in `DATABASE_URL`, or a temporary one.
pub(crate) struct Server {
    pub(crate) url: String,
    _temporary: Option<Postgres>,
}

impl Server {
    pub(crate) fn start() -> anyhow::Result<Self> {
        if let Some(url) = std::env::var("DATABASE_URL").ok().filter(|url| url.starts_with("postgres")) {
            return Ok(Self { url, _temporary: None });
        }
        let temporary = Postgres::start().context("starting a PostgreSQL server")?;
        Ok(Self { url: temporary.url(), _temporary: Some(temporary) })
    }
}

struct Bench {
    scale: Scale,
    pool: PgPool,
    inbox: Arc<PostgresInbox>,
    next: Arc<AtomicU64>,
}

impl Bench {
    async fn open(url: &str, scale: Scale) -> anyhow::Result<Self> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false).connect(url).await?;
        raw_sql("DROP SCHEMA IF EXISTS onramp_bench CASCADE").execute(&pool).await?;
        let inbox = Arc::new(PostgresOptions::new(pool.clone()).schema("onramp_bench").open().await?);
        raw_sql(TABLE).execute(&pool).await?;
        Ok(Self { scale, pool, inbox, next: Arc::default() })
    }

    async fn drop_schema(self) -> anyhow::Result<()> {
        raw_sql("DROP SCHEMA onramp_bench CASCADE").execute(&self.pool).await?;
        Ok(())
    }

    async fn measure(&self, rows: u64) -> anyhow::Result<()> {
        let sizes: &[u64] = if self.scale.quick { &[100] } else { &[1_000, rows] };
        let (mut inserted, mut drained) = (Vec::new(), Vec::new());
        for &size in sizes {
            self.grow_to(size).await?;
            drained.push(self.drained(size).await?);
            self.inserted(size, &mut inserted).await?;
        }
        print(
            "(f) Durable deliveries per second in PostgreSQL, and the p99 latency in ms",
            &["handled rows", "callers", "one INSERT each", "p99", "inbox", "p99", "ratio"],
            inserted,
        );
        print("(f) Deliveries per second through the worker", &["handled rows", "plain", "transactional"], drained);
        Ok(())
    }

    /// Grows the inbox to this number of handled rows, and the other table to the same size.
    async fn grow_to(&self, rows: u64) -> anyhow::Result<()> {
        let inbox: Arc<dyn Inbox> = Arc::clone(&self.inbox) as _;
        let existing = inbox.counts().await?.of(onramp_webhooks::inbox::State::Handled);
        let missing = rows.saturating_sub(existing);
        let first = self.take(missing);
        fill(&inbox, first, missing).await?;
        self.drain(missing, false).await?;
        let grow = "INSERT INTO onramp_bench.one_insert (subject, discriminator, fingerprint, received_at, body)
            SELECT 'wert/order/' || lpad(id::text, 26, '0'), 'order_complete', decode(repeat('00', 32), 'hex'), id, decode(repeat('7b', 319), 'hex')
            FROM generate_series($1::bigint, $2::bigint) AS id";
        sqlx::query(grow).bind(i64::try_from(existing + 1)?).bind(i64::try_from(rows)?).execute(&self.pool).await?;
        raw_sql("ANALYZE; CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }

    async fn inserted(&self, rows: u64, table: &mut Vec<Vec<String>>) -> anyhow::Result<()> {
        let callers: &[usize] = if self.scale.quick { &[1, 8] } else { &[1, 32, 128, 512] };
        for &callers in callers {
            let (mut one, mut inbox) = (Measured::new()?, Measured::new()?);
            for _ in 0..self.scale.rounds {
                one.add(self.one_insert_each(callers).await?)?;
                inbox.add(self.inbox(callers).await?)?;
                // Keeps the backlog out of the next round.
                self.drain_all().await?;
            }
            let ratio = median(inbox.rates.iter().zip(&one.rates).map(|(inbox, one)| inbox / one).collect());
            let mut row = vec![thousands(rows as f64), callers.to_string()];
            row.extend(one.cells());
            row.extend(inbox.cells());
            row.push(format!("{ratio:.1}"));
            table.push(row);
        }
        Ok(())
    }

    async fn inbox(&self, callers: usize) -> anyhow::Result<CallStats> {
        let inbox = Arc::clone(&self.inbox);
        let record = move |delivery| {
            let inbox = Arc::clone(&inbox);
            async move { Ok(inbox.record(delivery).await.map(drop)?) }
        };
        call(callers, Ids::Ordered, &self.next, self.scale.time, record).await
    }

    async fn one_insert_each(&self, callers: usize) -> anyhow::Result<CallStats> {
        let pool = self.pool.clone();
        let record = move |delivery| insert(pool.clone(), delivery);
        call(callers, Ids::Ordered, &self.next, self.scale.time, record).await
    }

    async fn drained(&self, rows: u64) -> anyhow::Result<Vec<String>> {
        let (plain, transactional) = if self.scale.quick { (200, 50) } else { (100_000, 20_000) };
        let (mut plain_rates, mut transactional_rates) = (Vec::new(), Vec::new());
        for _ in 0..self.scale.rounds {
            plain_rates.push(self.drain_rate(plain, false).await?);
            transactional_rates.push(self.drain_rate(transactional, true).await?);
        }
        let [plain, transactional] = [plain_rates, transactional_rates].map(|rates| thousands(median(rates)));
        Ok(vec![thousands(rows as f64), plain, transactional])
    }

    async fn drain_rate(&self, count: u64, is_transactional: bool) -> anyhow::Result<f64> {
        fill(&(Arc::clone(&self.inbox) as Arc<dyn Inbox>), self.take(count), count).await?;
        Ok(count as f64 / self.drain(count, is_transactional).await?.as_secs_f64())
    }

    async fn drain_all(&self) -> anyhow::Result<()> {
        let pending = self.inbox.counts().await?.of(onramp_webhooks::inbox::State::Pending);
        self.drain(pending, false).await.map(drop)
    }

    async fn drain(&self, count: u64, is_transactional: bool) -> anyhow::Result<Duration> {
        if count == 0 {
            return Ok(Duration::ZERO);
        }
        let inbox = Arc::clone(&self.inbox);
        drain_with(&(Arc::clone(&inbox) as Arc<dyn Inbox>), count, |handler| match is_transactional {
            true => WorkerBuilder::transactional(inbox, handler),
            false => WorkerBuilder::new(inbox, Arc::new(handler)),
        })
        .await
    }

    /// Reserves this number of order numbers, and returns the first.
    fn take(&self, count: u64) -> u64 {
        self.next.fetch_add(count, std::sync::atomic::Ordering::Relaxed)
    }
}

/// The measurements of several rounds.
struct Measured {
    rates: Vec<f64>,
    micros: Histogram<u64>,
}

impl Measured {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { rates: Vec::new(), micros: Histogram::new(3)? })
    }

    fn add(&mut self, stats: CallStats) -> anyhow::Result<()> {
        self.rates.push(stats.rate);
        Ok(self.micros.add(stats.micros)?)
    }

    fn cells(&self) -> [String; 2] {
        let p99 = self.micros.value_at_quantile(0.99) as f64 / 1_000.0;
        [thousands(median(self.rates.clone())), format!("{p99:.1}")]
    }
}

async fn insert(pool: PgPool, new: NewDelivery) -> anyhow::Result<()> {
    let key = new.key.context("a key")?;
    sqlx::query(ONE_INSERT)
        .bind(key.subject())
        .bind(key.discriminator())
        .bind(new.fingerprint.as_bytes().as_slice())
        .bind(new.received_at.as_millis())
        .bind(&*new.body)
        .execute(&pool)
        .await?;
    Ok(())
}
