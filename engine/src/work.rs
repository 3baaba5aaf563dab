//! Mass work that is too much for one command: what is left to do. It goes on in slices, one with each Continue command,
//! job by job in the order in which they were asked for, through the open orders by number. An order that comes in
//! later is not touched.

use std::collections::VecDeque;

use rialto_protocol::{ClOrdId, InstrumentId, Note, OrderId, Reason, SessionId, TimeInForce};
use serde::{Deserialize, Serialize};

use crate::directory::Covered;
use crate::sessions::Lost;

/// Orders that one slice ends or reports.
pub const ORDERS_PER_SLICE: usize = 256;
/// Open orders that one slice looks at.
pub const LOOKS_PER_SLICE: usize = 4_096;

/// Which orders a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Whose or which.
    pub covered: Covered,
    /// Only in this instrument; [`InstrumentId::NONE`]: in all.
    pub instrument: InstrumentId,
    /// Only those with this time in force.
    pub time_in_force: Option<TimeInForce>,
}

/// What is done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// They end for a reason.
    Cancel(Reason),
    /// They end at their session's request, which is answered when all have.
    MassCancel {
        /// Whose request.
        session: SessionId,
        /// In what.
        instrument: InstrumentId,
        /// The request's name.
        cl_ord_id: ClOrdId,
    },
    /// They end with the day, and then the day ends.
    DayEnd,
    /// They are counted, for a report of each.
    Count {
        /// Whose request.
        session: SessionId,
        /// Its id.
        request: Note,
    },
    /// Those counted are reported.
    Report {
        /// Whose request.
        session: SessionId,
        /// Its id.
        request: Note,
        /// How many were counted.
        total: u32,
    },
}

/// A job that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// What is done.
    pub task: Task,
    /// With which orders.
    pub selection: Selection,
    /// The lowest number not looked at.
    pub next: OrderId,
    /// One more than the highest number that counts.
    pub end: OrderId,
    /// Orders done so far.
    pub done: u32,
}

/// All jobs, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    jobs: VecDeque<Job>,
    /// Gateways whose sessions are still to be ended, which comes before all jobs.
    lost: VecDeque<Lost>,
}

impl Work {
    /// Whether nothing is left to do.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.lost.is_empty()
    }

    /// Adds a lost gateway behind the others.
    pub fn lose(&mut self, lost: Lost) {
        self.lost.push_back(lost);
    }

    /// The lost gateway to go on with.
    pub fn lost(&self) -> Option<Lost> {
        self.lost.front().copied()
    }

    /// Notes how far the first lost gateway has come.
    pub fn advance_lost(&mut self, lost: Lost) {
        self.lost.pop_front();
        if !lost.is_done() {
            self.lost.push_front(lost);
        }
    }

    /// No gateway is lost any more.
    pub fn forget_lost(&mut self) {
        self.lost.clear();
    }

    /// Adds a job behind the others.
    pub fn push(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Adds a job before the others: what the one before has led to.
    pub fn push_first(&mut self, job: Job) {
        self.jobs.push_front(job);
    }

    /// The job to go on with.
    pub fn first(&self) -> Option<Job> {
        self.jobs.front().copied()
    }

    /// Notes how far the first job has come.
    pub fn advance(&mut self, job: Job) {
        if let Some(first) = self.jobs.front_mut() {
            *first = job;
        }
    }

    /// The first job is done.
    pub fn finish(&mut self) {
        self.jobs.pop_front();
    }
}
