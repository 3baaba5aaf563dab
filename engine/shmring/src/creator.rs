//! Which process made a file in shared memory: a pid alone may be somebody else's by now, so its start time goes with it.

use std::{fs, io};

/// A process, told from all others of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Creator {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot: field 22 of `/proc/PID/stat` (proc(5)).
    pub start_ticks: u64,
}

impl Creator {
    /// The calling process.
    pub fn this_process() -> io::Result<Self> {
        let start_ticks = start_ticks(&fs::read_to_string("/proc/self/stat")?);
        let start_ticks = start_ticks.ok_or_else(|| io::Error::other("/proc/self/stat has no start time"))?;
        Ok(Self { pid: std::process::id(), start_ticks })
    }

    /// Whether this very process is still there (also as a zombie). For words in a message; whoever must be told of a death
    /// holds a pidfd or a lock.
    pub fn exists(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid));
        stat.is_ok_and(|stat| start_ticks(&stat) == Some(self.start_ticks))
    }
}

/// The second field is the program's name, which may contain anything, also spaces and parentheses.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start_time() {
        let this = Creator::this_process().unwrap();
        assert!(this.exists());
        assert!(!Creator { start_ticks: this.start_ticks + 1, ..this }.exists());
    }

    #[test]
    fn a_programs_name_cannot_forge_its_start_time() {
        let stat = "7 (a) R 1 2 (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 1";
        assert_eq!(start_ticks(stat), Some(4242));
        assert_eq!(start_ticks("7 no name"), None);
    }
}
