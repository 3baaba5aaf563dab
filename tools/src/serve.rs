//! `rialto serve`: a node's threads and how they hang together.

pub mod archive;
pub mod aside;
mod asked;
pub mod begin;
pub mod cluster;
pub mod command;
pub mod current;
pub mod divergence;
pub mod files;
pub mod holds;
pub mod listen;
pub mod metrics;
pub mod node;
pub mod note;
pub mod operator;
pub mod parts;
pub mod retention;
mod rings;
pub mod room;
pub mod run;
pub mod seed;
pub mod show;
pub mod snapshots;
pub mod socket;
pub mod start;
mod threads;
pub mod view;
