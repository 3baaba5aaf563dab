//! What a node says of its log when it asks to follow.

use std::thread;
use std::time::{Duration, Instant};

use rialto_journal::layout::{PAGE_BYTES, PAGE_HEADER_BYTES};
use rialto_journal::recover::scan::Base;
use rialto_replicator::message::{Hello, OpenPage, hash_of_records};

use super::Engine;

/// How long storage may take for the last closed pages.
const STORED_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// Who this node is and what it has; all closed pages are stored on return.
    pub(super) fn hello(&mut self) -> Result<Hello, String> {
        self.parts.follower.publish();
        let life = &self.parts.life;
        let end = self.end()?;
        let mut page = [0; PAGE_BYTES];
        let has_open = life.commands.copy_open_page(&mut page).map_err(|error| error.to_string())?;
        let offset = life.commands.end().offset();
        let open = has_open.then(|| OpenPage {
            epoch: self.parts.follower.epoch(),
            offset: u16::try_from(offset).unwrap_or(u16::MAX),
            last_seq: self.parts.follower.sequence().0,
            hash: hash_of_records(&page[PAGE_HEADER_BYTES..offset]),
        });
        Ok(Hello {
            cluster: self.parts.cluster.name.clone(),
            cluster_id: Some(life.cluster_id),
            node: self.parts.cluster.me.clone(),
            boot_id: life.boot_id,
            incarnation: life.generation,
            versions: (1, rialto_protocol::VERSION),
            promised_epoch: *life.promised.lock(),
            epochs: life.epochs.rows(),
            end,
            open,
            synced_page: life.commands.freed(),
        })
    }

    /// The base behind the last closed page.
    fn end(&self) -> Result<Base, String> {
        let Self { parts, .. } = self;
        let closed = parts.life.commands.closed_pages();
        let deadline = Instant::now() + STORED_MAX;
        loop {
            if let Some(base) = parts.life.base_at(closed) {
                return Ok(base);
            }
            if Instant::now() > deadline || parts.life.cursors.failure().is_some() {
                return Err("storage has not stored the last pages".to_owned());
            }
            parts.wiring.storage_bell.notify();
            thread::sleep(Duration::from_micros(200));
        }
    }
}
