//! Failures of the SDK, sorted into ours. One table, read by every call.
//!
//! What matters of a failed change is whether it may have been applied. So the question is asked first whether
//! the request can have left at all (the mark of [`super::witness`] knows), then whether AWS's own answer came
//! back readable; only then does AWS's code decide. Codes are those of the EC2 reference "Error codes", of the
//! common errors of the query services, of IAM and of KMS, and of the EBS pages on snapshot quotas.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::words::{normalised, text};
use crate::api::ids::RoleArn;
use crate::cloud::error::{CloudError, ErrorClass};

/// Longest message kept of a failure.
const MESSAGE: usize = 512;

/// Waiting helps. EBS limits how often and how many at once a volume is snapshotted, under codes of its own.
const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "ConcurrentSnapshotLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    // "For example, you might have too many snapshot copies in progress."
    "ResourceLimitExceeded",
    "SlowDown",
    "SnapshotCreationPerVolumeRateExceeded",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
];

/// A person must allow something, or give better credentials.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "Blocked",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "OptInRequired",
    "PendingVerification",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// Nothing is wrong with the request, the session is over: the next call gets a new one. (EC2 says `RequestExpired`.)
const EXPIRED: &[&str] =
    &["ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException"];

/// Somebody else, or AWS itself, is at work on the same thing. A look says what stands there now.
const CONFLICT: &[&str] = &[
    "ConcurrentModification",
    "ConflictException",
    "Resource.AlreadyAssociated",
    "DependencyViolation",
    "EntityTemporarilyUnmodifiable",
    "IncorrectInstanceState",
    "IncorrectState",
    "InvalidState",
    "InvalidInstanceState",
    "KMSInvalidStateException",
    "OperationInProgress",
    "ResourceContention",
    "ResourceContentionFault",
    "ResourceInUse",
    "ResourceInUseFault",
    "ScalingActivityInProgress",
    "VolumeInUse",
];

/// A read or a change: a lost reply means nothing for the one, and everything for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Asks.
    Read,
    /// Changes.
    Write,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It was never written to a connection.
    Nowhere,
    /// It may have reached AWS; no answer of AWS's could be read.
    Away,
    /// AWS answered with this HTTP status.
    Back(u16),
}

/// The call that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    /// As AWS names it.
    pub(super) operation: &'static str,
    /// IAM actions it needs, for refusals that don't say which is missing.
    pub(super) actions: &'a [&'a str],
    /// The role it was to be made as.
    pub(super) role: Option<&'a RoleArn>,
    /// What it does.
    pub(super) kind: Kind,
}

/// Why a read has no answer.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// There is no such thing.
    Absent,
    /// Anything else.
    Failed(CloudError),
}

impl From<CloudError> for Fault {
    fn from(error: CloudError) -> Self {
        Self::Failed(error)
    }
}

/// The table.
pub(super) fn class(kind: Kind, came: Came, code: &str) -> ErrorClass {
    let unanswered = match kind {
        Kind::Read => ErrorClass::Unavailable,
        Kind::Write => ErrorClass::Ambiguous,
    };
    let status = match came {
        Came::Nowhere => return ErrorClass::Unavailable,
        Came::Away => return unanswered,
        // An error without a code, or in a success, is not AWS's own: a proxy's page, or a cut reply.
        Came::Back(status) if code.is_empty() || status < 400 => return unanswered,
        Came::Back(status) => status,
    };
    match code {
        _ if status == 429 || THROTTLED.contains(&code) => ErrorClass::Throttled,
        _ if is_quota(code) => ErrorClass::Quota,
        _ if DENIED.contains(&code) => ErrorClass::Denied,
        _ if EXPIRED.contains(&code) => ErrorClass::Unavailable,
        // EC2 shows new things late, so even what was made a moment ago may not be found: a look decides.
        _ if CONFLICT.contains(&code) || is_taken(code) || is_not_found(code) => ErrorClass::Conflict,
        // The server gave up on a request that it did not have whole, or on work that it had begun.
        _ if status == 408 || status >= 500 => unanswered,
        _ => ErrorClass::Invalid,
    }
}

/// A limit of the account, under one name for each (EC2 reference, "Error codes"; KMS, `LimitExceededException`). Those
/// that waiting helps against are in the table of throttles.
fn is_quota(code: &str) -> bool {
    code.ends_with("LimitExceeded") || code.ends_with("LimitExceededException")
}

fn is_taken(code: &str) -> bool {
    code.ends_with(".Duplicate") || code.ends_with(".InUse") || code.ends_with("InProgress")
}

fn is_not_found(code: &str) -> bool {
    code.ends_with("NotFound") || code.ends_with("NotFoundException") || code == "NoSuchEntity"
}

/// There is no such thing, or there can't be one: our ids follow the rule of their kind before they are asked for.
fn is_absent(code: &str) -> bool {
    is_not_found(code) || code.ends_with(".Malformed")
}

/// Whether the session that signed the call is of no use any more.
pub(super) fn expires(error: &CloudError) -> bool {
    EXPIRED.contains(&error.code.as_str())
}

/// Sorts a failure. `left` says whether the request may have been written to a connection.
pub(super) fn fault<E>(call: &Call<'_>, error: &SdkError<E, HttpResponse>, left: bool) -> Fault
where
    E: Error + ProvideErrorMetadata + 'static,
{
    if let Some(refused) = credentials(call, error) {
        return Fault::Failed(refused);
    }
    let came = if left { Came::Away } else { Came::Nowhere };
    let ours = |came, code: &str| Fault::Failed(failed(call, came, code, &root(error)));
    match error {
        // It never will be, whatever AWS says: some value can't be sent at all.
        SdkError::ConstructionFailure(_) => Fault::Failed(CloudError {
            class: ErrorClass::Invalid,
            ..failed(call, Came::Nowhere, "RequestNotBuilt", &root(error))
        }),
        SdkError::TimeoutError(_) => ours(came, "Timeout"),
        SdkError::DispatchFailure(_) if left => ours(came, "NoReply"),
        SdkError::DispatchFailure(_) => ours(came, "NoConnection"),
        SdkError::ServiceError(told) => {
            let code = text(told.err().code(), 128);
            if call.kind == Kind::Read && is_absent(&code) {
                return Fault::Absent;
            }
            let status = Came::Back(told.raw().status().as_u16());
            let code = if code.is_empty() { "UnreadableReply" } else { &code };
            let class = class(call.kind, status, told.err().code().unwrap_or_default());
            let message = told.err().message().unwrap_or_default();
            Fault::Failed(CloudError { class, ..failed(call, status, code, message) })
        }
        _ => ours(Came::Away, "UnreadableReply"),
    }
}

fn failed(call: &Call<'_>, came: Came, code: &str, message: &str) -> CloudError {
    let class = class(call.kind, came, code);
    CloudError {
        class,
        operation: call.operation.to_owned(),
        code: code.to_owned(),
        message: normalised(message, MESSAGE),
        action: (class == ErrorClass::Denied).then(|| missing(call, message)),
    }
}

/// An answer that came and can't be understood.
pub(super) fn unreadable(call: &Call<'_>, what: &str) -> CloudError {
    failed(call, Came::Away, "UnreadableReply", what)
}

/// The action that AWS names, or else those that the call needs: EC2 often hides the name in an encoded message.
fn missing(call: &Call<'_>, message: &str) -> String {
    let is_action = |word: &&str| {
        word.split_once(':').is_some_and(|(service, action)| {
            let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            plain(service) && plain(action)
        })
    };
    message
        .split_once("is not authorized to perform: ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .map(|word| word.trim_end_matches(['.', ',', ';']))
        .filter(is_action)
        .map_or_else(|| call.actions.join(", "), |action| text(Some(action), 128))
}

/// The innermost cause: the outer ones say no more than "dispatch failure".
fn root(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The failure, where it was not the call that failed but becoming somebody who may make it. The last cause in
/// the chain decides: the role can't be assumed where already the controller's own identity can't be had.
fn credentials(call: &Call<'_>, error: &(dyn Error + 'static)) -> Option<CloudError> {
    let mut found = None;
    for cause in chain(error).skip(1) {
        if let Some(refused) = cause.downcast_ref::<SdkError<AssumeRoleError, HttpResponse>>() {
            found = Some(not_assumed(call, "AssumeRole", refused));
        } else if let Some(refused) = cause.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError, HttpResponse>>() {
            found = Some(not_assumed(call, "AssumeRoleWithWebIdentity", refused));
        } else if let Some(error) = cause.downcast_ref::<CredentialsError>() {
            found = Some(match error {
                CredentialsError::CredentialsNotLoaded(_) => not_somebody(call),
                other => CloudError {
                    class: ErrorClass::Unavailable,
                    ..failed(&asking(call, "AssumeRole"), Came::Nowhere, "NoCredentials", &root(other))
                },
            });
        }
    }
    found
}

/// Nothing that was to be sent has left while somebody is still to be become, so the class is that of a read.
fn asking<'a>(call: &Call<'a>, operation: &'static str) -> Call<'a> {
    Call { operation, kind: Kind::Read, actions: &["sts:AssumeRole"], role: call.role }
}

fn not_assumed<E>(call: &Call<'_>, operation: &'static str, error: &SdkError<E, HttpResponse>) -> CloudError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let asked = asking(call, operation);
    let SdkError::ServiceError(told) = error else {
        return failed(&asked, Came::Away, "NoReply", &root(error));
    };
    let code = text(told.err().code(), 128);
    let status = Came::Back(told.raw().status().as_u16());
    let class = class(Kind::Read, status, &code);
    let message = match (class, call.role, operation) {
        (ErrorClass::Denied, Some(role), "AssumeRole") => format!(
            "{role}: its trust policy must admit the controller's own identity (with the externalId of the AwsAccount, where the \
             policy asks for one), and that identity must be allowed sts:AssumeRole on it"
        ),
        (ErrorClass::Denied, ..) => {
            "the controller's own role: its trust policy must admit the controller's service account".to_owned()
        }
        _ => normalised(told.err().message().unwrap_or_default(), MESSAGE),
    };
    let code = if code.is_empty() { "UnreadableReply".to_owned() } else { code };
    CloudError { class, message, ..failed(&asked, status, &code, "") }
}

fn not_somebody(call: &Call<'_>) -> CloudError {
    let role = call.role.map_or_else(String::new, |role| format!("{role}: "));
    CloudError {
        class: ErrorClass::Denied,
        operation: "AssumeRole".to_owned(),
        code: "NoCredentials".to_owned(),
        message: format!(
            "{role}the controller has no AWS credentials of its own; give its service account an IAM role (EKS Pod Identity, or \
             a role for service accounts), or its process AWS's environment variables"
        ),
        action: Some("sts:AssumeRole".to_owned()),
    }
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
