//! The engine's thread of a node in a cluster: it seeks who leads, follows that node, or leads itself.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender};
use rialto_engine::clock::WallClock;
use rialto_engine::follow::Follower;
use rialto_engine::matcher::{Ended, Idle, Matcher};
use rialto_journal::cursor::Gate;
use rialto_journal::recover::divergent::Divergent;
use rialto_protocol::{Epoch, Sequence};
use rialto_replicator::link::{Question, Reply, ask};
use rialto_replicator::message::{Answer, Promise, Role};
use rialto_replicator::promote::Request;
use rialto_replicator::promote::restart::{Member, Restart, restart};
use rialto_replicator::state::ClusterState;
use rialto_shmring::Doorbell;

use super::keeper::{self, Lease};
use super::port::PortOrder;
use super::{Cluster, Life};
use crate::request::Promotion;
use crate::serve::begin::{matcher, open_epoch};
use crate::serve::run::{Again, End};
use crate::serve::start::{Plan, Wiring, lock_meta};
use skew::Skew;

mod follow;
mod hello;
mod promotion;
mod seeded;
mod skew;

/// Between two looks for a primary.
const SEEK: Duration = Duration::from_millis(50);
/// Between two times that it is said for what a start waits.
const SAY: Duration = Duration::from_secs(5);
/// How long a standby that takes over may take to acknowledge all.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);
/// How long an epoch's first records may take to be stored.
const STORE_MAX: Duration = Duration::from_secs(10);

/// What the engine is asked to do.
#[derive(Debug)]
pub enum Order {
    /// To lead, if the checks allow it.
    Promote {
        /// Who asks, and how.
        request: Request,
        /// Where the answer goes.
        reply: Sender<Promotion>,
    },
    /// To let this standby lead.
    HandOver {
        /// Its name.
        to: String,
    },
}

/// All that the engine needs, whatever it becomes.
pub(super) struct Parts {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// This life.
    pub life: Arc<Life>,
    /// The state and the logs.
    pub follower: Follower,
    /// What a matcher is connected to.
    pub wiring: Wiring,
    /// What the node is to be.
    pub plan: Plan,
    /// What is asked of it.
    pub orders: Receiver<Order>,
    /// How a matcher waits, and its bell.
    pub idle: (Idle, Arc<Doorbell>),
    /// What was cut off the log before this life, until it is known whether it came again.
    pub cut: Option<Divergent>,
    /// Told each time the node holds another lease, or none.
    pub leases: Arc<dyn Fn(Option<Lease>) + Send + Sync>,
}

/// What comes next.
enum Next {
    Follow(SocketAddr),
    Lead(Box<Lead>),
    End(End),
}

/// How an epoch is led.
struct Lead {
    state: ClusterState,
    lease: Option<Lease>,
    /// Who asked for it, to be told once it leads.
    reply: Option<(Sender<Promotion>, Promotion)>,
    since: Instant,
}

/// Runs until the node drains, fails, or has to begin again.
pub(super) fn run(parts: Parts) -> End {
    let skew = Skew::new(Instant::now());
    let mut engine = Engine { parts, said: None, deferred: None, planned: None, skew };
    loop {
        match engine.seek() {
            Next::Follow(address) => match engine.follow(address) {
                Some(Next::Lead(lead)) => return engine.lead(*lead),
                Some(Next::End(end)) => return end,
                Some(Next::Follow(_)) | None => {}
            },
            Next::Lead(lead) => return engine.lead(*lead),
            Next::End(end) => return end,
        }
    }
}

struct Engine {
    parts: Parts,
    /// What was last said of what the node waits for, and when.
    said: Option<(Vec<String>, Instant)>,
    /// Since when a member with a longer log was left the lead.
    deferred: Option<Instant>,
    /// Who waits for the primary to hand over, since when.
    planned: Option<(Sender<Promotion>, Instant)>,
    /// How far the primary's clock is.
    skew: Skew,
}

impl Engine {
    /// Looks for a primary until there is one, or until this node is it.
    fn seek(&mut self) -> Next {
        let life = Arc::clone(&self.parts.life);
        life.cursors.set_gate(Gate::Starting);
        self.parts.cluster.standing.set_primary(None);
        let since = Instant::now();
        loop {
            if let Some(end) = self.ended() {
                return Next::End(end);
            }
            let heard = self.parts.cluster.ask_others();
            // A primary without its lease releases nothing: it is not followed while this node may lead.
            if self.parts.cluster.lease_gone.load(Ordering::Acquire)
                && let Ok(Some(lead)) = self.automatic(&heard)
            {
                return Next::Lead(Box::new(lead));
            }
            if let Some(address) = self.primary_among(&heard).or_else(|| self.primary_below(&heard)) {
                return Next::Follow(address);
            }
            if life.role() != Role::Starting && since.elapsed() > Duration::from_millis(500) {
                life.become_(Role::Starting, life.epoch());
            }
            if let Some(order) = self.parts.orders.try_recv().ok()
                && let Some(lead) = self.ordered(order, &heard)
            {
                return Next::Lead(Box::new(lead));
            }
            match self.decide(&heard) {
                Ok(Some(lead)) => return Next::Lead(Box::new(lead)),
                Ok(None) => {}
                Err(waiting_for) => self.say(waiting_for),
            }
            thread::sleep(SEEK);
        }
    }

    /// What this life has to end for, if anything.
    fn ended(&self) -> Option<End> {
        let cursors = &self.parts.life.cursors;
        if cursors.failure().is_some() {
            return Some(End::Failed);
        }
        cursors.is_draining().then_some(End::Drained)
    }

    /// Where the node is that leads, if one that may be followed says that it does.
    fn primary_among(&self, heard: &[(SocketAddr, Answer)]) -> Option<SocketAddr> {
        let life = &self.parts.life;
        let bound = (*life.promised.lock()).max(self.parts.follower.epoch());
        let leads = |answer: &Answer| answer.role == Role::Primary && answer.epoch >= bound;
        let best = heard.iter().filter(|(_, answer)| leads(answer)).max_by_key(|(_, answer)| answer.epoch)?;
        Some(best.0)
    }

    /// A promise is no throne. Where the node is that leads, as the coordinator says too, in an epoch below one that was
    /// promised here: by HELLO it hears of that, and begins a higher one.
    fn primary_below(&self, heard: &[(SocketAddr, Answer)]) -> Option<SocketAddr> {
        let Parts { cluster, life, follower, .. } = &self.parts;
        let leads = |answer: &Answer| answer.role == Role::Primary && answer.epoch >= follower.epoch();
        let (address, answer) = heard.iter().find(|(_, answer)| leads(answer))?;
        if !cluster.coordinator.has_leases() {
            return None;
        }
        let view = cluster.coordinator.read().ok()?;
        let (state, holder) = (view.state()?, view.holder.as_ref()?);
        let is_it = |node: &str, epoch: u32| node == answer.node && epoch == answer.epoch;
        if !is_it(&state.primary, state.epoch) || !is_it(&holder.node, holder.epoch) {
            return None;
        }
        let promised = *life.promised.lock();
        tracing::warn!(promised, primary = answer.node, epoch = answer.epoch, "promised more than is led");
        Some(*address)
    }

    /// The cluster's state: the coordinator's, or without one the newest that is known here or to one that was heard.
    fn state(&self, heard: &[(SocketAddr, Answer)]) -> Result<Option<ClusterState>, String> {
        let Parts { cluster, life, .. } = &self.parts;
        if let Some(local) = &cluster.local {
            let told = heard.iter().filter_map(|(_, answer)| ClusterState::from_bytes(&answer.state).ok());
            for state in told {
                local.learn(&state).map_err(|error| error.to_string())?;
            }
        }
        let view = cluster.coordinator.read().map_err(|error| error.to_string())?;
        let newest = view.state().cloned();
        if let Some(state) = &newest {
            life.saw(state.clone());
        }
        Ok(newest)
    }

    /// Whether this node leads without being asked to. An error names what it waits for.
    fn decide(&mut self, heard: &[(SocketAddr, Answer)]) -> Result<Option<Lead>, Vec<String>> {
        let one = |why: String| vec![why];
        let Some(state) = self.state(heard).map_err(one)? else { return self.found(heard).map_err(one) };
        let me = self.parts.cluster.me.clone();
        let has_leases = self.parts.cluster.coordinator.has_leases();
        let members: Vec<Member> = heard.iter().map(|(_, answer)| member_of(answer, &state)).collect();
        let own = self.own();
        if has_leases && state.primary != me {
            // As after a death: the lease says so, and the checks.
            return self.automatic(heard).map_err(one);
        }
        match restart(&state, &own, &members) {
            Restart::Lead { loss } if state.primary == me || is_asked_for(&state, &own, heard) => {
                self.take_lead(&state, heard, loss).map_err(one)
            }
            Restart::Lead { .. } => Err(one(state.primary)),
            Restart::Wait(names) if has_leases => self.automatic(heard).map_err(|_| names),
            Restart::Wait(names) => Err(names),
            Restart::HandOver(name) | Restart::Follow(name) => Err(one(name)),
            Restart::Lost(name) => Err(one(format!(
                "an operator: no copy that was counted is left; the longest log is {name}'s: \
                 rialto promote {name} --force --accept-loss"
            ))),
            Restart::Outside => Err(one("a primary".to_owned())),
        }
    }

    /// Nobody knows of a cluster: this node founds it, if it is empty and was not told to join one.
    fn found(&mut self, heard: &[(SocketAddr, Answer)]) -> Result<Option<Lead>, String> {
        let Parts { cluster, life, follower, .. } = &self.parts;
        let has_leases = cluster.coordinator.has_leases();
        if !cluster.join.is_empty() && follower.sequence() == Sequence(0) {
            return Err("a member of the cluster to join".to_owned());
        }
        if follower.sequence() > Sequence(0) && has_leases {
            return Err("the coordinator knows no such cluster, and this node has its journal: \
                        was the coordinator set back?"
                .to_owned());
        }
        if let Some((address, _)) = heard.iter().find(|(_, answer)| answer.cluster_id.is_some()) {
            return Err(format!("there is a cluster at {address}: start this node with --join {address}"));
        }
        if follower.sequence() > Sequence(0) && lock_meta(&life.meta).get().lost_unsynced {
            return Err(format!(
                "a primary, or an operator: this node was restored, and others may have more: \
                 rialto promote {} --force --accept-loss",
                cluster.me
            ));
        }
        self.begin_cluster(false).map(Some)
    }

    /// A cluster of which nobody knows more than this node's journal.
    fn begin_cluster(&mut self, loss: bool) -> Result<Lead, String> {
        let Parts { cluster, life, follower, plan, .. } = &self.parts;
        let policy = super::ack_policy_of(plan.policy);
        let mut state =
            ClusterState::founded(&cluster.me, policy, cluster.strict).map_err(|why| why.to_string())?;
        let promised = *life.promised.lock();
        state.epoch = promised.max(follower.epoch()) + 1;
        state.loss = loss;
        life.promise(state.epoch)?;
        self.swap(state, (None, false)).map_err(|unopened| unopened.why)
    }

    fn own(&self) -> Member {
        let Parts { cluster, life, follower, .. } = &self.parts;
        Member {
            name: cluster.me.clone(),
            epoch: follower.epoch(),
            sequence: follower.sequence().0,
            counted: *life.counted.lock(),
        }
    }

    /// Says on stderr, now and then, for what the node waits.
    fn say(&mut self, waiting_for: Vec<String>) {
        let is_new = self.said.as_ref().is_none_or(|(said, at)| *said != waiting_for || at.elapsed() > SAY);
        if is_new {
            eprintln!("{}", serde_json::json!({ "ready": false, "waiting_for": waiting_for }));
            self.said = Some((waiting_for, Instant::now()));
        }
    }

    /// Leads: opens the epoch, and matches until this life ends.
    fn lead(self, lead: Lead) -> End {
        let Parts { cluster, life, follower, wiring, plan, orders, idle, leases, cut: _ } = self.parts;
        let Lead { state, lease, reply, since } = lead;
        let planned = self.planned.map(|(reply, _)| reply);
        let is_planned = planned.is_some();
        let reply = reply.or_else(|| planned.map(|reply| (reply, promoted(&cluster.me, state.epoch))));
        let epoch = Epoch(state.epoch);
        let bell = Arc::clone(&wiring.storage_bell);
        life.awaited.begin(state.in_sync_but(&cluster.me).map(str::to_owned));
        life.cursors.set_policy(state.policy.into());
        let deadline = lease.map_or(rialto_journal::cursor::NO_DEADLINE, |lease| lease.tenure.deadline_ns());
        life.cursors.set_deadline(deadline);
        leases(lease);
        let mut matcher = matcher(follower.into_parts(), wiring, epoch);
        let stored = &mut |sequence: Sequence| wait_stored(&life, &bell, sequence);
        if let Err(error) = open_epoch(&mut matcher, &plan, (epoch, state.loss), stored) {
            tracing::error!(%error, "the epoch could not be opened");
            return End::Failed;
        }
        note_whole(&life);
        life.cursors.set_gate(Gate::Open);
        cluster.standing.set_primary(Some(cluster.fix.clone()));
        life.become_(Role::Primary, epoch.0);
        cluster.port_bell.ring();
        life.readers.wake();
        tracing::info!(epoch = epoch.0, ms = since.elapsed().as_millis(), "this node leads");
        if let Some((reply, mut promotion)) = reply {
            if is_planned {
                promotion.gap_ms = u64::try_from(since.elapsed().as_millis()).ok();
            }
            reply.try_send(promotion).ok();
        }
        let leading = Leading { cluster, life, orders };
        let end = leading.run(&mut matcher, idle);
        leases(None);
        end
    }
}

fn promoted(node: &str, epoch: u32) -> Promotion {
    Promotion { promoted: Some(node.to_owned()), epoch: Some(epoch), ..Promotion::default() }
}

/// Whether the node that led last is there, waits, and has less than this one: then this one is to lead.
fn is_asked_for(state: &ClusterState, own: &Member, heard: &[(SocketAddr, Answer)]) -> bool {
    let last = heard.iter().find(|(_, answer)| answer.node == state.primary);
    last.is_some_and(|(_, answer)| {
        answer.role == Role::Starting && (answer.log_epoch, answer.last_seq) < (own.epoch, own.sequence)
    })
}

fn member_of(answer: &Answer, state: &ClusterState) -> Member {
    use rialto_replicator::promote::copy::CountedCopy;
    Member {
        name: answer.node.clone(),
        epoch: answer.log_epoch,
        sequence: answer.last_seq,
        counted: CountedCopy {
            policy: state.policy,
            led: state.primary == answer.node,
            power_lost: !answer.is_whole,
            memory_found: answer.is_whole,
        },
    }
}

/// All that this node acknowledged before is here, or is in what it leads with now.
fn note_whole(life: &Life) {
    let mut counted = life.counted.lock();
    (counted.power_lost, counted.memory_found) = (false, true);
    drop(counted);
    if let Err(error) = lock_meta(&life.meta).update(|meta| meta.lost_unsynced = false) {
        tracing::error!(%error, "node.meta could not be written");
    }
}

fn wait_stored(life: &Life, bell: &Doorbell, sequence: Sequence) -> anyhow::Result<()> {
    let deadline = Instant::now() + STORE_MAX;
    while life.cursors.synced() < sequence.0 {
        anyhow::ensure!(life.cursors.failure().is_none(), "the journal failed");
        anyhow::ensure!(Instant::now() < deadline, "the disk takes too long");
        bell.notify();
        thread::sleep(Duration::from_micros(100));
    }
    Ok(())
}

/// A primary at work.
struct Leading {
    cluster: Arc<Cluster>,
    life: Arc<Life>,
    orders: Receiver<Order>,
}

impl Leading {
    fn run(&self, matcher: &mut Matcher<WallClock>, (idle, bell): (Idle, Arc<Doorbell>)) -> End {
        loop {
            match matcher.run(idle, &bell) {
                Ended::Drained => return End::Drained,
                Ended::Failed => return End::Failed,
                Ended::Paused => {}
            }
            self.life.cursors.set_paused(false);
            for order in self.orders.try_iter() {
                match order {
                    Order::Promote { reply, .. } => {
                        reply.try_send(promoted(&self.cluster.me, self.life.epoch())).ok();
                    }
                    Order::HandOver { to } => {
                        if let Some(end) = self.hand_over(matcher, &to) {
                            return end;
                        }
                    }
                }
            }
        }
    }

    /// Lets a standby in sync lead, once it has everything; `None`: it did not get there in time, and all goes on.
    fn hand_over(&self, matcher: &mut Matcher<WallClock>, to: &str) -> Option<End> {
        let Self { cluster, life, .. } = self;
        let state = life.state()?;
        if !state.is_in_sync(to) {
            tracing::warn!(to, "asked to hand over to a node that is not in sync");
            return None;
        }
        let heard = cluster.ask_others();
        let fix = heard.into_iter().find(|(_, answer)| answer.node == to).map(|(_, answer)| answer.fix);
        matcher.settle();
        let last = matcher.sequence().0;
        let has_all = || {
            let rows = life.awaited.rows();
            rows.iter().any(|(name, row)| name == to && row.streams && row.ack.applied >= last)
        };
        let is_over = || has_all() && life.cursors.released() >= last;
        let deadline = Instant::now() + HAND_OVER_MAX;
        while !is_over() {
            if Instant::now() > deadline || life.cursors.failure().is_some() {
                tracing::warn!(to, "it did not acknowledge all in time: this node goes on leading");
                return None;
            }
            thread::sleep(Duration::from_micros(100));
        }
        life.handing_over.store(true, Ordering::Release);
        cluster.standing.set_primary(fix);
        life.cursors.set_gate(Gate::Standby);
        life.readers.wake();
        let epoch = state.epoch + 1;
        tracing::info!(to, epoch, "handing over");
        cluster.port_orders.send(PortOrder::HandOver { standby: to.to_owned(), epoch }).ok();
        cluster.port_bell.ring();
        // The order goes out on this connection: it stays until the other has taken the lead, or time is up.
        let deadline = Instant::now() + HAND_OVER_MAX;
        while Instant::now() < deadline {
            let leads = cluster.ask_others().into_iter().any(|(_, answer)| {
                answer.node == to && (answer.role == Role::Primary || answer.promised_epoch >= epoch)
            });
            if leads {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        Some(End::Again(Again::Fenced))
    }
}

impl Engine {
    /// Asks a member to promise an epoch; what it says, if it says anything.
    fn fence(&self, address: SocketAddr, epoch: u32) -> Option<Promise> {
        let question = Question::Promise { epoch };
        match ask(address, &self.parts.cluster.credentials, &question, Duration::from_millis(300)) {
            Ok(Reply::Promise(promise)) => Some(promise),
            Ok(Reply::Status(_)) => None,
            Err(error) => {
                tracing::debug!(%error, "no promise");
                None
            }
        }
    }
}

/// The addresses of a host.
fn addresses(text: &str) -> Vec<SocketAddr> {
    text.to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}
