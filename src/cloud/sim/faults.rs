//! What goes wrong: a plan made before the run, read call by call.

use std::collections::BTreeMap;

use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::effect::Effect;

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The caller dies before AWS has the request: nothing is applied, and the call never returns.
    CrashBefore,
    /// The caller dies after AWS applied it: the call never returns.
    CrashAfter,
    /// The caller dies while the request is on its way: applied when it is delivered, and the call never returns.
    CrashLate,
    /// AWS applied it, and the reply is lost.
    LoseReply,
    /// The request is lost, and the caller can't know.
    LoseRequest,
    /// No reply in time; applied when it is delivered, after the caller gave up.
    Late,
    /// Refused for being one too many.
    Throttle,
    /// AWS answers that it can't.
    Unavailable,
    /// The role may not do this.
    Deny(String),
    /// A look is answered from the world as it was so many changes ago.
    Stale(usize),
}

impl Fault {
    /// Whether it can happen to a look.
    pub const fn is_of_reads(&self) -> bool {
        matches!(self, Self::Stale(_))
    }

    /// Whether the call is applied.
    pub const fn applies(&self) -> bool {
        matches!(self, Self::CrashAfter | Self::LoseReply)
    }

    /// Whether the call is applied when it is delivered later.
    pub const fn applies_late(&self) -> bool {
        matches!(self, Self::CrashLate | Self::Late)
    }

    /// Whether the caller is dead.
    pub const fn crashes(&self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter | Self::CrashLate)
    }

    /// What a caller that lives is told.
    pub fn error(&self, effect: &Effect) -> CloudError {
        self.of_read(effect.operation())
    }

    /// What a caller that lives is told of any call.
    pub(super) fn of_read(&self, operation: &str) -> CloudError {
        let (class, code, action) = match self {
            Self::Throttle => (ErrorClass::Throttled, "RequestLimitExceeded", None),
            Self::Unavailable => (ErrorClass::Unavailable, "Unavailable", None),
            Self::Deny(action) => (ErrorClass::Denied, "UnauthorizedOperation", Some(action.clone())),
            _ => (ErrorClass::Ambiguous, "NoReply", None),
        };
        CloudError { class, operation: operation.to_owned(), code: code.to_owned(), message: String::new(), action }
    }
}

/// When it goes wrong: at the n-th call of this kind, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// The n-th change of all.
    Change(usize),
    /// The n-th change by this operation, as AWS names it.
    Operation(&'static str, usize),
    /// The n-th look.
    Look(usize),
    /// The n-th digest, after its first block.
    Digest(usize),
}

/// All that goes wrong in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    plan: BTreeMap<When, Fault>,
    always: BTreeMap<&'static str, Fault>,
    changes: usize,
    looks: usize,
    digests: usize,
    by_operation: BTreeMap<&'static str, usize>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one thing.
    #[must_use]
    pub fn at(mut self, when: When, fault: Fault) -> Self {
        self.plan.insert(when, fault);
        self
    }

    /// Goes wrong at each call of an operation, until it is taken back.
    #[must_use]
    pub fn each(mut self, operation: &'static str, fault: Fault) -> Self {
        self.always.insert(operation, fault);
        self
    }

    /// The operation works again.
    pub fn mend(&mut self, operation: &'static str) {
        self.always.remove(operation);
    }

    /// Counts a change; what happens to it.
    pub(super) fn of_change(&mut self, effect: &Effect) -> Option<Fault> {
        let operation = effect.operation();
        self.changes += 1;
        let count = self.by_operation.entry(operation).or_default();
        *count += 1;
        let planned =
            self.plan.get(&When::Operation(operation, *count)).or_else(|| self.plan.get(&When::Change(self.changes)));
        planned.or_else(|| self.always.get(operation)).filter(|fault| !fault.is_of_reads()).cloned()
    }

    /// Counts a digest; what happens to it.
    pub(super) fn of_digest(&mut self) -> Option<Fault> {
        self.digests += 1;
        self.plan.get(&When::Digest(self.digests)).cloned()
    }

    /// Counts a look; how many changes old its answer is.
    pub(super) fn of_look(&mut self) -> usize {
        self.looks += 1;
        match self.plan.get(&When::Look(self.looks)) {
            Some(Fault::Stale(age)) => *age,
            _ => 0,
        }
    }
}
