//! `rialto coordinator`: what a cluster keeps outside its nodes.

use anyhow::Context;
use clap::{Args, Subcommand};
use rialto_replicator::coordinator::Coordinator as _;
use rialto_replicator::coordinator::etcd::Etcd;

use crate::failure::{Code, failure};

/// Look after what a cluster keeps in its coordinator.
#[derive(Debug, Subcommand)]
pub enum Coordinator {
    /// Forget a cluster whose nodes are stopped and removed: its name can be used anew.
    Reset(Reset),
}

/// What is to be forgotten.
#[derive(Debug, Args)]
pub struct Reset {
    /// The cluster's name.
    cluster: String,
    /// Where it is kept: etcd://H:P,H:P,H:P.
    #[arg(long, default_value = "etcd://127.0.0.1:2379")]
    coordinator: String,
    /// Yes, forget it.
    #[arg(long)]
    yes: bool,
}

impl Coordinator {
    /// Does it.
    pub fn run(self) -> anyhow::Result<()> {
        let Self::Reset(Reset { cluster, coordinator, yes }) = self;
        let etcd = Etcd::new(&coordinator, &cluster).map_err(|why| failure(Code::Usage, why))?;
        let view = etcd.read().map_err(|error| failure(Code::Unreached, error.to_string()))?;
        if let Some(holder) = view.holder {
            let why = format!("{} leads epoch {}: stop all nodes first", holder.node, holder.epoch);
            return Err(failure(Code::Refused, why));
        }
        if !yes {
            let known = view.state.map_or_else(
                || "nothing is kept of it".to_owned(),
                |(state, _)| format!("epoch {}, led by {}", state.epoch, state.primary),
            );
            return Err(failure(Code::Usage, format!("cluster {cluster}: {known}; --yes forgets it")));
        }
        etcd.forget().context("the cluster could not be forgotten")
    }
}
