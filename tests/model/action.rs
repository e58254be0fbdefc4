//! What can happen next.

use sequester::api::approval::Action as Approved;

/// One step. Replicas are named by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A replica reads its chain, its object and AWS; which worlds the answer is of.
    Look(u8, Lens),
    /// It decides, and writes the link.
    Write(u8),
    /// It sends the next change.
    Send(u8, Fate),
    /// It dies.
    Crash(u8),
    /// It dies with all that it was about to send on its way.
    CrashSent(u8),
    /// It stands still in the middle of its turn, for a step of time and as long as time likes then.
    Pause(u8),
    /// The other replica gets the lease; the first does not know.
    Move,
    /// A late request arrives.
    Land(u8),
    /// Time passes: one step of it.
    Tick,
    /// So much time passes that nothing is recent any more.
    Age,
    /// The next spec is declared.
    Edit,
    /// A second person approves the plan that stands published.
    Approve(Approved),
    /// The object is deleted.
    Delete,
    /// Somebody else does something.
    Foreign(u8),
    /// AWS does its own work.
    Aws(u8),
}

/// Which worlds an answer is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lens {
    Fresh,
    /// All of it is as old as this one of the past worlds.
    Stale(u8),
    /// Some of it is.
    Mixed(u8),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Carried out and answered, or refused by AWS.
    Answered,
    /// Carried out; the reply is lost.
    Lost,
    /// No reply in time; carried out later, or never.
    Late,
    Throttled,
    /// The fence does not let it go.
    Withheld,
}
