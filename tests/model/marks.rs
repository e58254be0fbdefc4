//! What was reached, so that nothing passes because nothing happened.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! marks {
    ($($name:ident: $words:literal,)+) => {
        /// Something that a run must reach.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mark { $(#[doc = $words] $name,)+ }

        impl Mark {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// In words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }
        }
    };
}

marks! {
    Crashed: "a replica died",
    Paused: "a replica stood still in the middle of a turn",
    LostReply: "a reply was lost",
    Throttled: "a request was throttled",
    Moved: "the lease moved while its holder ran on",
    Edited: "the declaration was edited",
    Approved: "a person approved",
    Deleted: "the object was deleted",
    Foreign: "somebody else changed something",
    ByAws: "AWS did its own work",
    Refused: "a link was refused because another replica wrote that index",
    Relearned: "a replica found that the other had written",
    Withheld: "a send was withheld",
    Landed: "a late request landed",
    DiedSending: "a replica died with requests on their way",
    StaleDecision: "a decision was made on a stale look",
    DeposedSent: "a deposed replica sent something",
    Resent: "a snapshot set was asked for again",
    Adopted: "an outcome was adopted",
    Unknown: "an outcome stayed unknown",
    Failed: "AWS refused a set for certain, and it was asked for again",
    Described: "the host was described",
    Surrounded: "what is around the host was described",
    GroupMade: "the closed group was made",
    Isolated: "an interface was closed",
    Contained: "containment was recorded",
    RulesRevoked: "rules were taken from a closed group",
    Opened: "the pulse opened an interface",
    FoundOpen: "an interface was found open by the pulse",
    Drift: "a foreign value was recorded",
    ForeignRules: "foreign rules were recorded",
    Protected: "a volume was protected",
    PlanPublished: "a plan was published",
    Decided: "an approval opened a gate",
    Deregistered: "no load balancer had the host",
    BackWithBalancers: "the host was back with its load balancers",
    Detached: "the host was out of its Auto Scaling group",
    BackInGroup: "the host was back in its Auto Scaling group",
    GroupsBack: "groups were given back",
    ProtectionBack: "a protection was given back",
    Left: "a value was left as found",
    Released: "the object was released",
    SetTaken: "a snapshot set was recorded",
    SnapshotSettled: "a snapshot reached its end",
    Locked: "a lock was recorded",
    Preserved: "evidence was preserved",
    Granted: "a grant was made",
    Lent: "a key policy was given our statements",
    TakenBack: "a key policy had none of our statements any more",
    Shared: "sharing was recorded",
    Digested: "a snapshot's digest was recorded",
    Copied: "a copy was asked for",
    CopiedAgain: "a copy was asked for again",
    StrangersOut: "strangers lost their permission",
    RestedReady: "a fair run rested ready",
    RestedWaiting: "a fair run rested waiting for a person",
    RestedStalled: "a fair run rested stalled, with a reason",
}

/// Counts.
#[derive(Debug)]
pub struct Marks(Vec<AtomicU64>);

impl Default for Marks {
    fn default() -> Self {
        Self(Mark::ALL.iter().map(|_| AtomicU64::new(0)).collect())
    }
}

impl Marks {
    pub fn hit(&self, mark: Mark) {
        self.0[mark as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn hit_if(&self, mark: Mark, happened: bool) {
        if happened {
            self.hit(mark);
        }
    }

    pub fn count(&self, mark: Mark) -> u64 {
        self.0[mark as usize].load(Ordering::Relaxed)
    }
}
