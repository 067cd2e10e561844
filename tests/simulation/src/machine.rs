//! A machine: one process after another, and the disk that they leave behind.

use std::sync::{Arc, Mutex};

use onramp_webhooks::clock::Clock;
use onramp_webhooks::inbox::{Inbox, TransactionalInbox};
use onramp_webhooks::spill::{MemorySpill, SpillOptions, SpillStore};
use onramp_webhooks::worker::{Worker, WorkerBuilder};
use onramp_webhooks::{Kriptomat, Receiver, StoreError, Wert};
use onramp_webhooks_testkit::doubles::Double;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::check::Confirmation;
use crate::clock::WallClock;
use crate::inbox::Reached;
use crate::life::Life;
use crate::plan::millis;
use crate::posts::SECRET;
use crate::shop::{Shop, Transaction};
use crate::spill::{Disk, Moving};
use crate::world::{World, locked};

pub(crate) struct Machine {
    world: Arc<World>,
    store: Arc<dyn Inbox>,
    pub(crate) spill: Option<MemorySpill>,
    moving: Moving,
    process: Mutex<Option<Process>>,
}

/// A running process, as its clients see it.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) receiver: Receiver,
    pub(crate) life: Arc<Life>,
}

impl Machine {
    pub(crate) fn new(world: &Arc<World>, store: &Arc<dyn Inbox>) -> Self {
        Self {
            world: Arc::clone(world),
            store: Arc::clone(store),
            spill: world.plan.has_spill.then(MemorySpill::new),
            moving: Moving::default(),
            process: Mutex::default(),
        }
    }

    /// Returns the process that clients reach.
    pub(crate) fn process(&self) -> Option<Process> {
        locked(&self.process).clone()
    }

    /// Returns the number of deliveries in the spill.
    pub(crate) async fn spilled(&self) -> u64 {
        let Some(spill) = &self.spill else { return 0 };
        spill.counts().await.map_or(0, |counts| counts.waiting)
    }

    /// Starts processes and ends them. The last one runs on.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let life = Arc::new(Life::new(self.world.next_process()));
            match self.start(&life).await {
                Ok((receiver, worker)) => {
                    self.world.note(format_args!("process {} starts", life.number()));
                    *locked(&self.process) = Some(Process { receiver, life: Arc::clone(&life) });
                    self.live(&life, worker).await;
                    *locked(&self.process) = None;
                    life.crash();
                    self.world.model().ended(life.number());
                    self.world.note(format_args!("process {} has ended", life.number()));
                }
                Err(_) => life.crash(),
            }
            sleep(millis(if self.world.has_faults() { 5_000 } else { 500 })).await;
        }
    }

    /// Returns when the process has to end, or has ended.
    async fn live(&self, life: &Life, worker: Worker) {
        loop {
            let faults = self.world.plan.processes;
            tokio::select! {
                biased;
                () = life.ended() => return,
                () = sleep(millis(20_000)) => {}
            }
            if self.world.fails(faults.crash) {
                return;
            }
            if self.world.fails(faults.freeze) {
                let time = millis(60_000);
                self.world.note(format_args!("process {} freezes for {time:?}", life.number()));
                life.freeze(time);
            }
            if self.world.fails(faults.restart) {
                *locked(&self.process) = None;
                tokio::select! {
                    biased;
                    () = life.ended() => {}
                    () = worker.shutdown() => {}
                }
                return;
            }
        }
    }

    async fn start(&self, life: &Arc<Life>) -> Result<(Receiver, Worker), StoreError> {
        let (world, store, life) = (Arc::clone(&self.world), Arc::clone(&self.store), Arc::clone(life));
        let clock: Arc<dyn Clock> = Arc::new(WallClock { world: Arc::clone(&world), life: Arc::clone(&life) });
        let reached = Double(Reached { world, life: Arc::clone(&life), store, work: Notify::new() });
        let Some(spill) = &self.spill else { return Ok(self.open(Arc::new(reached), clock, &life)) };
        let (world, moving) = (Arc::clone(&self.world), Arc::clone(&self.moving));
        let disk = Double(Disk { world, life: Arc::clone(&life), spill: Arc::new(spill.clone()), moving });
        let inbox = SpillOptions::new(disk).clock(Arc::clone(&clock)).over(reached).await?;
        Ok(self.open(Arc::new(inbox), clock, &life))
    }

    fn open<I>(&self, inbox: Arc<I>, clock: Arc<dyn Clock>, life: &Arc<Life>) -> (Receiver, Worker)
    where
        I: TransactionalInbox<Transaction = Transaction>,
    {
        let receiver = Receiver::builder(Arc::clone(&inbox)).clock(clock);
        let receiver = receiver.endpoint(Wert::with_path_secret(SECRET)).endpoint(Kriptomat::production()).build();
        let receiver = receiver.unwrap_or_else(|error| unreachable!("{error}"));
        let shop = Shop { world: Arc::clone(&self.world), life: Arc::clone(life) };
        let worker = match self.world.plan.is_transactional {
            true => receiver.transactional_worker(inbox, shop),
            false => receiver.worker(shop),
        };
        let worker = self.set(worker).before(Confirmation { world: Arc::clone(&self.world), life: Arc::clone(life) }).spawn();
        (receiver, worker)
    }

    fn set(&self, worker: WorkerBuilder) -> WorkerBuilder {
        let settings = self.world.plan.worker;
        let worker = worker.concurrency(settings.concurrency).check_concurrency(settings.checks).batch(settings.batch);
        let worker = worker.lease(settings.lease).attempt_timeout(settings.attempt).poll(settings.poll).grace(settings.grace);
        worker.longest_park(settings.longest_park).retry(settings.retry)
    }
}

/// Returns one of the machines that can be reached, if any.
pub(crate) fn one_of(machines: &[Arc<Machine>]) -> Option<(usize, Process)> {
    let running: Vec<_> =
        machines.iter().enumerate().filter_map(|(number, machine)| Some((number, machine.process()?))).collect();
    fastrand::choice(running)
}
