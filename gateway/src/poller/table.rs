//! A gateway's connections, by place.

use std::net::SocketAddr;

use mio::net::TcpStream;
use slab::Slab;

use crate::gateway::Connections;
use crate::limits::CONNECTIONS_MAX;
use crate::session::Session;

/// Low bits of a connection's number: its place.
const PLACE_BITS: u32 = 12;
const _: () = assert!(CONNECTIONS_MAX <= 1 << PLACE_BITS);

#[expect(clippy::struct_excessive_bools, reason = "independent facts about one socket")]
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) session: Session,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// The client will send nothing more; it may still read.
    pub(super) ended: bool,
    /// The client's end is known, but what it sent before may not be read.
    pub(super) hung: bool,
    /// The connection is of no use any more.
    pub(super) broken: bool,
    /// We will send nothing more.
    pub(super) shut: bool,
    /// It is in the list of those with something to do.
    pub(super) listed: bool,
}

/// All connections, by place.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) connections: Slab<Connection>,
    /// Places of those with something to read, write, send again or end.
    pub(super) busy: Vec<usize>,
    /// Places of those that follow market data.
    pub(super) feeds: Vec<usize>,
}

impl Table {
    pub(super) fn list(&mut self, place: usize) {
        if let Some(connection) = self.connections.get_mut(place)
            && !connection.listed
        {
            connection.listed = true;
            self.busy.push(place);
        }
    }
}

/// The number of the connection at a place: no other of the last million has it.
pub(super) fn number(serial: u32, place: usize) -> u32 {
    (serial << PLACE_BITS) | u32::try_from(place).expect("below CONNECTIONS_MAX")
}

fn place(connection: u32) -> usize {
    usize::try_from(connection & ((1 << PLACE_BITS) - 1)).expect("twelve bits")
}

impl Connections for Table {
    fn session(&mut self, connection: u32) -> Option<&mut Session> {
        let found = self.connections.get_mut(place(connection))?;
        (found.session.connection() == connection).then_some(&mut found.session)
    }

    fn each(&mut self, with: &mut dyn FnMut(&mut Session)) {
        for (_, connection) in &mut self.connections {
            with(&mut connection.session);
        }
        for place in 0..self.connections.capacity() {
            self.list(place);
        }
    }

    fn each_feed(&mut self, with: &mut dyn FnMut(&mut Session)) {
        for at in 0..self.feeds.len() {
            let place = self.feeds[at];
            if let Some(connection) = self.connections.get_mut(place) {
                with(&mut connection.session);
            }
            self.list(place);
        }
    }

    fn touched(&mut self, connection: u32) {
        self.list(place(connection));
    }
}
