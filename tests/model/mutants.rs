//! Bugs that the model must find: each is a decorator around the view, the plan, the executor's order, the limits or the
//! world. The product knows none of them.

/// One bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Resend as soon as the look-up shows nothing.
    NoWait,
    /// W shorter than lease and request deadline together.
    ShortWait,
    /// The wait is over, but the look is from before it.
    OldView,
    /// A request may leave at any time after its intent.
    SlowSend,
    /// The SDK repeats CreateSnapshots when the reply is lost.
    SdkRetry,
    /// The intent is written after the send.
    IntentAfterSend,
    /// The outcome is written with the intent.
    OutcomeBeforeReply,
    /// Links are put over others of the same index.
    UnfencedAppend,
    /// The set is looked for by something that is not its operation.
    LookUpByName,
    /// A set is taken for whole as soon as some of it is shown.
    AdoptPartial,
    /// A snapshot counts as locked as soon as it is known.
    ShareBeforeLock,
    /// A copy is asked for again at once.
    CopyAtOnce,
    /// A snapshot counts as locked and shared as soon as it is known.
    CopyBeforeLock,
    /// Once the copies stand, nobody looks at the key's policy any more.
    PolicyUnseen,
    /// A pending snapshot is left unlocked and called locked.
    LockLater,
    /// A lock is set again, and ends earlier.
    ShorterLock,
    /// Accounts that the AwsAccount does not list are shared with.
    AnyDestination,
    /// What is not shown is gone.
    NotFoundIsGone,
    /// The release does not wait for what was sent before it.
    ReleaseAtOnce,
    /// The release does not compare.
    ReleaseBlindly,
    /// The pre-state is read again once we hold it.
    BaselineAgain,
    /// The finalizer gives the host back when the object is deleted.
    ReopenOnDelete,
    /// An approval is not asked for.
    NoGate,
    /// A throttled change counts as a failed one and is not tried again.
    ThrottleIsFailure,
    /// Rules on the closed group are not looked at.
    RulesUnseen,
    /// Once contained, interfaces are not looked at any more.
    DriftUnseen,
    /// Once registered nowhere, load balancers are not looked at any more.
    RegistrationsUnseen,
    /// The pulse does not look for a public address.
    PulseInPublic,
    /// The pulse forgets where it was begun.
    PulseTwice,
    /// After a restart the folded state is taken from a status that lost it, and not from the chain.
    StatusAsLog,
    /// A release forgets that another instance took the host's place.
    ForgetsReplacement,
    /// Every turn writes something.
    AlwaysWrites,
}
