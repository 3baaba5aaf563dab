//! The replication port's thread: it serves whoever has the cluster's key, whatever the node is just now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::Receiver;
use rialto_journal::cursor::Gate;
use rialto_journal::log::LogRing;
use rialto_journal::reader::PageSource;
use rialto_journal::recover::scan::{Base, EpochStart};
use rialto_replicator::gone::Gone;
use rialto_replicator::link::Listener;
use rialto_replicator::message::{Answer, Ask, Hello, Lead, Promise, Role, Welcome};
use rialto_replicator::primary::Event;
use rialto_replicator::ship::{Node, SeedSource, Ship};

use super::seed::Source;
use super::{Cluster, FAILURE_FENCED, Life};

/// Longest sleep between two looks at what the node is.
const SLEEP_MAX: Duration = Duration::from_millis(10);

/// What the port is asked to do by the node's other threads.
#[derive(Debug)]
pub enum PortOrder {
    /// To tell a standby to lead in this epoch.
    HandOver {
        /// The standby.
        standby: String,
        /// The epoch.
        epoch: u32,
    },
}

/// Serves until `stop` is set.
pub fn run(cluster: Arc<Cluster>, mut listener: Listener, orders: &Receiver<PortOrder>, stop: &AtomicBool) {
    let mut port = Port { cluster, shipping: None };
    while !stop.load(Ordering::Relaxed) {
        port.look();
        for PortOrder::HandOver { standby, epoch } in orders.try_iter() {
            if !listener.hand_over(&standby, epoch) {
                tracing::warn!(standby, "the node that was to take over is not connected");
            }
        }
        if let Err(error) = listener.poll(&mut port, SLEEP_MAX) {
            tracing::error!(%error, "the replication port failed: no standby can follow");
            return;
        }
    }
}

/// The node, as its replication port sees it.
struct Port {
    cluster: Arc<Cluster>,
    shipping: Option<Shipping>,
}

impl Port {
    /// Ships while the node leads.
    fn look(&mut self) {
        let leading = self.cluster.life().filter(|life| life.role() == Role::Primary);
        let is_same = match (&self.shipping, &leading) {
            (None, None) => true,
            (Some(shipping), Some(life)) => {
                Arc::ptr_eq(&shipping.life, life) && shipping.epoch == life.epoch()
            }
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            self.shipping = leading.map(|life| Shipping {
                cluster: Arc::clone(&self.cluster),
                epoch: life.epoch(),
                rows: life.epochs.rows(),
                life,
            });
        }
    }
}

impl Node for Port {
    fn answer(&mut self, ask: &Ask) -> Answer {
        if ask.hand_over
            && let Some(life) = self.cluster.life()
            && life.role() == Role::Primary
        {
            life.hand_over(&ask.node);
        }
        self.cluster.answer()
    }

    fn promise(&mut self, epoch: u32) -> Promise {
        let answer = self.cluster.answer();
        let made = match self.cluster.life() {
            None => Err("it is starting".to_owned()),
            Some(life) if life.role() == Role::Primary => Err(format!("it leads in epoch {}", life.epoch())),
            Some(life) => life.promise(epoch),
        };
        let promised_epoch = if made.is_ok() { epoch } else { answer.promised_epoch };
        let is_claimed = |life: Arc<Life>| life.role() != Role::Primary && life.holds_claim();
        let opens = made.is_err() && self.cluster.life().is_some_and(is_claimed);
        Promise {
            node: answer.node,
            epoch,
            made,
            opens,
            promised_epoch,
            end: answer.end,
            last_seq: answer.last_seq,
            synced_seq: answer.synced_seq,
        }
    }

    fn ship(&self) -> Option<&dyn Ship> {
        self.shipping.as_ref().map(|shipping| shipping as &dyn Ship)
    }

    fn event(&mut self, standby: &str, event: Event) {
        let Some(Shipping { life, .. }) = &self.shipping else { return };
        match event {
            Event::Welcomed(welcome) => match *welcome {
                Welcome::Stream { from, .. } => {
                    tracing::info!(standby, from, "a standby follows");
                    life.awaited.streams(standby);
                }
                Welcome::Truncate { .. } => tracing::info!(standby, "a standby has to cut its log back"),
                Welcome::Seed { seed, .. } => tracing::info!(standby, seq = seed.seq, "a standby is seeded"),
                Welcome::Reject(why) => tracing::warn!(standby, %why, "a standby is turned away"),
            },
            Event::Stale { epoch } => fence(life, epoch),
            Event::Acked(ack) => life.awaited.acked(standby, &ack),
            Event::EventHash { pages, hash } => {
                if life.event_hashes.at(pages).is_some_and(|mine| mine != hash) {
                    tracing::error!(standby, pages, "alarm: its events differ from this node's");
                    life.awaited.differs(standby);
                }
            }
            Event::Hello(_) | Event::Promised(_) | Event::Heartbeat(_) => {}
        }
    }

    fn gone(&mut self, standby: &str, _why: &Gone) {
        if let Some(Shipping { life, .. }) = &self.shipping {
            life.awaited.gone(standby);
        }
    }
}

/// A higher epoch was met: this node leads no longer. It finds out in its next life who does.
pub(super) fn fence(life: &Life, epoch: u32) {
    if life.cursors.failure().is_none() {
        tracing::error!(
            epoch,
            mine = life.epoch(),
            "a higher epoch was met: this node releases nothing more"
        );
    }
    life.cursors.set_gate(Gate::Shut);
    life.cursors.fail(FAILURE_FENCED);
    life.become_(Role::Fenced, life.epoch());
}

/// What a primary ships.
struct Shipping {
    cluster: Arc<Cluster>,
    life: Arc<Life>,
    epoch: u32,
    rows: Vec<EpochStart>,
}

impl Ship for Shipping {
    fn epoch(&self) -> u32 {
        self.epoch
    }

    fn lead(&self) -> Lead {
        Lead {
            node: self.cluster.me.clone(),
            fix: self.cluster.fix.clone(),
            epoch: self.epoch,
            cluster_id: self.life.cluster_id,
            version: rialto_protocol::VERSION,
            in_sync: self.life.state().map(|state| state.in_sync).unwrap_or_default(),
        }
    }

    fn epochs(&self) -> &[EpochStart] {
        &self.rows
    }

    fn ring(&self) -> &Arc<LogRing> {
        &self.life.commands
    }

    fn stored(&self) -> Box<dyn PageSource + Send> {
        Box::new(self.life.command_segments())
    }

    fn first_page(&self) -> u64 {
        // Of the very first page that is left, the one before it can no longer be compared.
        self.life.command_segments().range().map_or(0, |range| range.start + u64::from(range.start > 0))
    }

    fn base_at(&self, page_no: u64) -> Option<Base> {
        self.life.base_at(page_no)
    }

    fn committed_seq(&self) -> u64 {
        self.life.cursors.released()
    }

    fn state_version(&self) -> u64 {
        self.life.state_version()
    }

    fn state(&self) -> Vec<u8> {
        self.life.state().map(|state| state.to_bytes()).unwrap_or_default()
    }

    fn seed(&self, standby: &Hello) -> Option<Box<dyn SeedSource + Send>> {
        match Source::open(&self.life, &self.rows) {
            Ok(source) => source.map(|source| Box::new(source) as Box<dyn SeedSource + Send>),
            Err(error) => {
                tracing::error!(standby = standby.node, %error, "no seed for a standby");
                None
            }
        }
    }
}
