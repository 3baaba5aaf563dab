//! What the journal promises of its disk: crashes, failures and lies of a pretend one, and two backends of a real one.

#![expect(clippy::unwrap_used, reason = "what goes wrong in the setting up of a test ends the test")]

mod archive;
mod crash;
mod divergent;
mod failure;
mod generation;
mod node;
mod real;
mod seed;
mod segments;
mod snapshot;
