//! What a person types: the subcommands of `rialto`, as a library so that tests can drive each part.
//!
//! The exchange itself lives in the other crates; here are the command line, the configuration file, the readers
//! of public data sets and the line client.
pub mod admin;
pub mod bench;
pub mod cli;
pub mod client;
pub mod config;
pub mod coordinator;
pub mod dataset;
pub mod demo;
pub mod failure;
pub mod journal;
pub mod load;
pub mod operate;
pub mod promote;
pub mod replay;
pub mod request;
pub mod restore;
pub mod serve;
pub mod status;
pub mod supervisor;
pub mod twin;
pub mod venue;
