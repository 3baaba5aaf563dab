//! How many files a node may have open: each client is one. What the system allows is taken in full, and too little is
//! told at the start instead of when a client is turned away.

use rialto_gateway::limits::CONNECTIONS_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::{Code, failure};

/// What a node needs without any client: logs, rings, sockets, with room to spare.
const FILES_MIN: u64 = 64;

/// Makes room for the clients of this many gateways, as far as the system lets us.
pub fn make_room(gateways: u32) -> anyhow::Result<()> {
    let wanted = FILES_MIN + u64::from(gateways) * CONNECTIONS_MAX as u64;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    let mut open_max = limit.current.unwrap_or(u64::MAX);
    if open_max < allowed {
        setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum })?;
        open_max = allowed;
    }
    if open_max < FILES_MIN {
        let why =
            format!("ulimit -n {open_max}: a node needs {FILES_MIN} open files, and one for each client");
        return Err(failure(Code::Usage, why));
    }
    if open_max < wanted {
        let clients = open_max - FILES_MIN;
        tracing::warn!("ulimit -n {open_max}: about {clients} clients at once; {wanted} would be enough");
    }
    Ok(())
}
