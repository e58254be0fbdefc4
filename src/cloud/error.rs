//! Errors of AWS calls, sorted by what to do about them. Not-found is an observation, not an error.

use std::fmt;

use crate::api::conditions::Reason;

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Too many calls: wait, and learn. Not applied.
    Throttled,
    /// AWS can't answer now, or could not be reached before anything was sent: try again.
    Unavailable,
    /// Not allowed: a person must grant it. Not applied.
    Denied,
    /// A limit of the account is reached: a person must have it raised, or make room. Not applied.
    Quota,
    /// AWS will never accept this as it is. Not applied.
    Invalid,
    /// Something else is there already, or being changed: look again. Not applied.
    Conflict,
    /// It was sent and no reply came: it may have been applied, may be applied later, or never.
    Ambiguous,
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{operation}: {code}: {message}")]
pub struct CloudError {
    /// What to do about it.
    pub class: ErrorClass,
    /// The operation.
    pub operation: String,
    /// AWS's error code, or our word where no reply came.
    pub code: String,
    /// AWS's message, without what changes from call to call (request ids, times, encoded messages).
    pub message: String,
    /// The IAM action that is missing, where AWS names it.
    pub action: Option<String>,
}

impl CloudError {
    /// Whether it is not the call that was refused, but becoming somebody who may make it.
    fn is_of_the_role(&self) -> bool {
        self.operation.starts_with("AssumeRole")
    }

    /// The condition reason.
    pub fn reason(&self) -> Reason {
        match self.class {
            ErrorClass::Denied if self.is_of_the_role() => Reason::RoleNotAssumable,
            ErrorClass::Throttled => Reason::Throttled,
            ErrorClass::Unavailable | ErrorClass::Ambiguous => Reason::AwsUnavailable,
            ErrorClass::Denied => Reason::PermissionMissing,
            ErrorClass::Quota => Reason::QuotaExceeded,
            ErrorClass::Invalid => Reason::InvalidRequest,
            ErrorClass::Conflict => Reason::Conflict,
        }
    }

    /// For a person: what happened, and the next step.
    pub fn advice(&self) -> String {
        match (&self.class, &self.action) {
            (ErrorClass::Denied, _) if self.is_of_the_role() => {
                format!("the role can't be assumed ({}): {}", self.code, self.message)
            }
            (ErrorClass::Denied, Some(action)) => {
                format!("{} is denied: grant {action} to the role of the AwsAccount", self.operation)
            }
            (ErrorClass::Denied, None) => {
                format!("{} is denied ({}): grant it to the role of the AwsAccount", self.operation, self.code)
            }
            (ErrorClass::Throttled, _) => match self.code.as_str() {
                // EBS quotas on what one volume takes: nothing is too fast, and waiting is all that helps.
                "ConcurrentSnapshotLimitExceeded" => format!(
                    "{} waits: a volume has as many pending snapshots as AWS allows, so another one must end first, such as that of \
                     a scheduled backup; asked again until then ({}: {})",
                    self.operation, self.code, self.message
                ),
                "SnapshotCreationPerVolumeRateExceeded" => format!(
                    "{} waits: a snapshot of one of the volumes was begun a few seconds ago; asked again ({}: {})",
                    self.operation, self.code, self.message
                ),
                "ResourceLimitExceeded" if self.operation == "ModifySnapshotTier" => format!(
                    "{} waits: AWS archives so many snapshots of an account at a time, and keeps so many of a volume there; asked \
                     again ({}: {})",
                    self.operation, self.code, self.message
                ),
                "ResourceLimitExceeded" | "CopiesInFlight" => format!(
                    "{} waits: AWS makes so many copies to a Region at a time, and others are on their way; asked again ({}: {})",
                    self.operation, self.code, self.message
                ),
                _ => format!(
                    "{} is throttled by AWS; tried again more slowly ({}: {})",
                    self.operation, self.code, self.message
                ),
            },
            (ErrorClass::Quota, _) => format!(
                "{} meets a limit of the account ({}: {}): have it raised in Service Quotas, or make room; tried again",
                self.operation, self.code, self.message
            ),
            (ErrorClass::Unavailable | ErrorClass::Ambiguous, _) => {
                format!("{} got no answer ({}); tried again", self.operation, self.code)
            }
            (ErrorClass::Invalid, _) => format!("{} was refused ({}): {}", self.operation, self.code, self.message),
            (ErrorClass::Conflict, _) => {
                format!("{} met another change ({}); looked at again", self.operation, self.code)
            }
        }
    }

    /// Whether a person must act before it can succeed.
    pub const fn needs_a_person(&self) -> bool {
        matches!(self.class, ErrorClass::Denied | ErrorClass::Quota | ErrorClass::Invalid)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(class: ErrorClass, code: &str) -> CloudError {
        CloudError {
            class,
            operation: "CreateSnapshots".to_owned(),
            code: code.to_owned(),
            message: "AWS's words".to_owned(),
            action: None,
        }
    }

    #[test]
    fn a_limit_is_named_and_calls_a_person_where_waiting_does_not_help() {
        let table = [
            (ErrorClass::Quota, "SnapshotLimitExceeded", Reason::QuotaExceeded, true, "Service Quotas"),
            (ErrorClass::Throttled, "ConcurrentSnapshotLimitExceeded", Reason::Throttled, false, "scheduled backup"),
            (ErrorClass::Throttled, "SnapshotCreationPerVolumeRateExceeded", Reason::Throttled, false, "seconds ago"),
            (ErrorClass::Throttled, "ResourceLimitExceeded", Reason::Throttled, false, "on their way"),
            (ErrorClass::Throttled, "RequestLimitExceeded", Reason::Throttled, false, "more slowly"),
        ];
        for (class, code, reason, person, says) in table {
            let error = error(class, code);
            let advice = error.advice();
            assert_eq!((error.reason(), error.needs_a_person()), (reason, person), "{code}");
            for word in [code, "AWS's words", says] {
                assert!(advice.contains(word), "{code}: {advice}");
            }
        }
    }
}
