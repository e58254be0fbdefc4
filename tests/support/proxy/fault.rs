//! What a rule does to a call.

use super::bucket::Bucket;
use super::call::Call;
use super::reply::Reply;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub enum Fault {
    /// Forwards after this time.
    Delay(Duration),
    /// Answers as a service does that is asked too often.
    Throttle,
    /// Lets a call pass to the next rules while the bucket has tokens, throttles it when not.
    Bucket(Bucket),
    /// Answers with an error in the service's own form.
    Error { status: u16, code: String, message: String },
    /// Answers that the principal lacks the permission for the action.
    Unauthorized,
    /// Forwards, and closes the connection when the call has been applied.
    DropReply,
    /// Closes the connection; nothing is forwarded.
    DropRequest,
    /// Forwards when the rule is released.
    HoldRequest,
    /// Forwards at once and answers when the rule is released.
    HoldReply,
    /// Closes the connection at once and forwards later.
    ApplyLate(Late),
    /// Answers a read with what the same request got at an earlier time, or else with the first that it got.
    Stale(AsOf),
    /// Answers a read as if what it asks for were not visible yet.
    Unseen,
    /// Forwards, and answers with what the function makes of the reply.
    Rewrite(Rewrite),
    /// Forwards, and sends only so many bytes of the reply's body before the connection is closed.
    CutReply(usize),
}

/// When a call that was applied late is forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Late {
    /// When the rule is released.
    Released,
    /// After the next read of this operation was answered by the upstream, and before its client sees the answer: the
    /// client holds a view that is out of date as it arrives.
    AfterRead(String),
    /// The same with the next read whatever it reads, but not from STS: that shows no state.
    AfterAnyRead,
}

impl Late {
    pub(super) fn is_due_after(&self, read: &Call) -> bool {
        match self {
            Self::Released => false,
            Self::AfterRead(operation) => read.operation == *operation,
            Self::AfterAnyRead => !read.mutates && read.service != "sts",
        }
    }
}

/// Of what time an answer is.
#[derive(Clone, Copy, Debug)]
pub enum AsOf {
    /// So long before the call.
    Ago(Duration),
    At(Instant),
}

impl AsOf {
    pub(super) fn instant(self) -> Instant {
        match self {
            Self::Ago(time) => Instant::now().checked_sub(time).expect("a time since the machine was started"),
            Self::At(instant) => instant,
        }
    }
}

pub type Rewrite = Arc<dyn Fn(&Call, Reply) -> Reply + Send + Sync>;

impl Fault {
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error { status, code: code.to_owned(), message: message.to_owned() }
    }

    pub fn rewrite(rewrite: impl Fn(&Call, Reply) -> Reply + Send + Sync + 'static) -> Self {
        Self::Rewrite(Arc::new(rewrite))
    }

    /// Reads show what they showed at this moment.
    pub fn frozen() -> Self {
        Self::Stale(AsOf::At(Instant::now()))
    }

    /// Reads lag behind by so long.
    pub fn lag(time: Duration) -> Self {
        Self::Stale(AsOf::Ago(time))
    }
}
