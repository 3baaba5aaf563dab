//! The epoch that a node promises to itself, because it is about to open it.
//!
//! Of two nodes that open an epoch at once one loses, often with the higher number, for each claims one above all that it
//! hears of. If the loser stayed bound to it, it could not follow the winner.

/// The last claim.
#[derive(Debug, Default)]
pub(super) struct Claim {
    epoch: u32,
    /// What was promised before.
    before: u32,
    opens: bool,
}

impl Claim {
    /// Whether the node is about to open the epoch.
    pub(super) const fn opens(&self) -> bool {
        self.opens
    }

    /// The epoch that was claimed last.
    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether what is promised is this epoch, to this node itself.
    pub(super) const fn holds(&self, promised: u32, epoch: u32) -> bool {
        promised == epoch && self.epoch == epoch
    }

    /// The epoch is promised, where `before` was.
    pub(super) const fn made(&mut self, before: u32, epoch: u32) {
        (self.epoch, self.before) = (epoch, before);
    }

    /// From now on the node opens it.
    pub(super) const fn begin(&mut self) {
        self.opens = true;
    }

    /// The node gives up.
    pub(super) const fn end(&mut self) {
        self.opens = false;
    }

    /// To what the promise goes back when nobody can believe that the epoch was opened. `None`: something else was
    /// promised since.
    pub(super) const fn taken_back(&mut self, promised: u32) -> Option<u32> {
        self.opens = false;
        if promised == self.epoch && self.before < promised { Some(self.before) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims an epoch; what is promised then.
    fn claim(claim: &mut Claim, promised: u32, epoch: u32) -> u32 {
        if !claim.holds(promised, epoch) {
            claim.made(promised, epoch);
        }
        claim.begin();
        epoch
    }

    #[test]
    fn who_lost_the_race_for_an_epoch_is_bound_to_what_it_promised_before() {
        let mut own = Claim::default();
        let mut promised = 20;
        for epoch in [22, 23] {
            promised = claim(&mut own, promised, epoch);
            // Once more, by the same attempt.
            promised = claim(&mut own, promised, epoch);
            assert!(own.opens());
            promised = own.taken_back(promised).expect("nobody else was promised anything");
            assert_eq!((promised, own.opens()), (20, false));
        }
    }

    #[test]
    fn a_promise_to_another_is_never_taken_back() {
        let mut own = Claim::default();
        claim(&mut own, 20, 22);
        own.end();
        assert_eq!(own.taken_back(24), None, "24 was promised to another meanwhile");
        assert_eq!(Claim::default().taken_back(0), None);
    }
}
