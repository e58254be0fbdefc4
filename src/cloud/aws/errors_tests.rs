use super::*;

use aws_sdk_ec2::operation::create_snapshots::CreateSnapshotsError;
use aws_sdk_ec2::operation::describe_instances::DescribeInstancesError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::metadata::ErrorMetadata;

use ErrorClass::{Ambiguous, Conflict, Denied, Invalid, Quota, Throttled, Unavailable};

#[test]
fn every_failure_has_a_class() {
    use Came::{Away, Back, Nowhere};
    // How far it came, AWS's code, the class of a read, the class of a change.
    let table = [
        (Nowhere, "", Unavailable, Unavailable),
        (Away, "", Unavailable, Ambiguous),
        (Back(503), "RequestLimitExceeded", Throttled, Throttled),
        (Back(400), "Throttling", Throttled, Throttled),
        (Back(400), "ThrottlingException", Throttled, Throttled),
        (Back(400), "RequestThrottledException", Throttled, Throttled),
        (Back(503), "SlowDown", Throttled, Throttled),
        (Back(429), "Anything", Throttled, Throttled),
        (Back(400), "SnapshotCreationPerVolumeRateExceeded", Throttled, Throttled),
        (Back(400), "ConcurrentSnapshotLimitExceeded", Throttled, Throttled),
        (Back(403), "UnauthorizedOperation", Denied, Denied),
        (Back(403), "AccessDenied", Denied, Denied),
        (Back(400), "AccessDeniedException", Denied, Denied),
        (Back(401), "AuthFailure", Denied, Denied),
        (Back(401), "OptInRequired", Denied, Denied),
        (Back(403), "InvalidClientTokenId", Denied, Denied),
        (Back(403), "ExpiredToken", Unavailable, Unavailable),
        (Back(400), "RequestExpired", Unavailable, Unavailable),
        (Back(400), "InvalidGroup.Duplicate", Conflict, Conflict),
        (Back(400), "InvalidPermission.Duplicate", Conflict, Conflict),
        (Back(400), "IncorrectInstanceState", Conflict, Conflict),
        (Back(400), "IncorrectState", Conflict, Conflict),
        (Back(400), "InvalidNetworkInterface.InUse", Conflict, Conflict),
        (Back(400), "KMSInvalidStateException", Conflict, Conflict),
        (Back(400), "ResourceContention", Conflict, Conflict),
        (Back(400), "ScalingActivityInProgress", Conflict, Conflict),
        (Back(400), "InvalidGroup.NotFound", Conflict, Conflict),
        (Back(400), "InvalidSnapshot.NotFound", Conflict, Conflict),
        (Back(400), "NotFoundException", Conflict, Conflict),
        (Back(404), "NoSuchEntity", Conflict, Conflict),
        (Back(409), "EntityTemporarilyUnmodifiable", Conflict, Conflict),
        (Back(400), "MalformedPolicyDocument", Invalid, Invalid),
        (Back(400), "UnmodifiableEntity", Invalid, Invalid),
        (Back(500), "InternalError", Unavailable, Ambiguous),
        (Back(500), "InternalFailure", Unavailable, Ambiguous),
        (Back(500), "KMSInternalException", Unavailable, Ambiguous),
        (Back(503), "Unavailable", Unavailable, Ambiguous),
        (Back(503), "ServiceUnavailable", Unavailable, Ambiguous),
        (Back(408), "RequestTimeout", Unavailable, Ambiguous),
        // Not AWS's own words: a page of a proxy, an empty body, a success that can't be read.
        (Back(502), "", Unavailable, Ambiguous),
        (Back(403), "", Unavailable, Ambiguous),
        (Back(200), "", Unavailable, Ambiguous),
        (Back(200), "InternalError", Unavailable, Ambiguous),
        (Back(302), "Found", Unavailable, Ambiguous),
        (Back(400), "InvalidParameterValue", Invalid, Invalid),
        (Back(400), "InvalidSnapshotID.Malformed", Invalid, Invalid),
        (Back(400), "OperationNotPermitted", Invalid, Invalid),
        (Back(400), "UnsupportedOperation", Invalid, Invalid),
        (Back(400), "ValidationError", Invalid, Invalid),
        (Back(400), "SnapshotLimitExceeded", Quota, Quota),
        (Back(409), "LimitExceeded", Quota, Quota),
        (Back(400), "SecurityGroupLimitExceeded", Quota, Quota),
        (Back(400), "RulesPerSecurityGroupLimitExceeded", Quota, Quota),
        (Back(400), "SecurityGroupsPerInterfaceLimitExceeded", Quota, Quota),
        (Back(400), "LimitExceededException", Quota, Quota),
        (Back(503), "BandwidthLimitExceeded", Throttled, Throttled),
        // Too many copies of snapshots in progress (EC2 reference, error codes): they end by themselves.
        (Back(400), "ResourceLimitExceeded", Throttled, Throttled),
    ];
    for (came, code, read, write) in table {
        assert_eq!(class(Kind::Read, came, code), read, "read: {came:?} {code}");
        assert_eq!(class(Kind::Write, came, code), write, "change: {came:?} {code}");
    }
}

fn call(kind: Kind) -> Call<'static> {
    Call { operation: "CreateSnapshots", actions: &["ec2:CreateSnapshots", "ec2:CreateTags"], role: None, kind }
}

fn response(status: u16) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::empty())
}

fn told(status: u16, code: &str, message: &str) -> SdkError<CreateSnapshotsError, HttpResponse> {
    let meta = ErrorMetadata::builder().code(code).message(message).build();
    SdkError::service_error(CreateSnapshotsError::generic(meta), response(status))
}

fn error_of(fault: Fault) -> CloudError {
    let Fault::Failed(error) = fault else { panic!("absent") };
    error
}

fn io() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

#[test]
fn what_cannot_have_left_is_never_ambiguous() {
    type Failure = SdkError<CreateSnapshotsError, HttpResponse>;
    let failures: [fn() -> Failure; 2] = [|| SdkError::dispatch_failure(io()), || SdkError::timeout_error("10 s")];
    for failure in failures {
        let left = error_of(fault(&call(Kind::Write), &failure(), true));
        let kept = error_of(fault(&call(Kind::Write), &failure(), false));
        assert_eq!((left.class, kept.class), (Ambiguous, Unavailable), "{}", left.code);
        assert_eq!(error_of(fault(&call(Kind::Read), &failure(), true)).class, Unavailable);
    }
    let unreadable: Failure = SdkError::response_error("unexpected end of XML", response(200));
    assert_eq!(error_of(fault(&call(Kind::Write), &unreadable, true)).class, Ambiguous);
    let unhandled: Failure =
        SdkError::service_error(CreateSnapshotsError::unhandled("unexpected end of XML"), response(200));
    let error = error_of(fault(&call(Kind::Write), &unhandled, true));
    assert_eq!((error.class, error.code.as_str()), (Ambiguous, "UnreadableReply"));
    let built: Failure = SdkError::construction_failure("no such value");
    assert_eq!(error_of(fault(&call(Kind::Write), &built, false)).class, Invalid);
}

#[test]
fn a_read_of_what_is_not_there_is_an_answer() {
    for code in
        ["InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed", "NotFoundException", "TargetGroupNotFound"]
    {
        assert!(matches!(fault(&call(Kind::Read), &told(400, code, ""), true), Fault::Absent), "{code}");
        assert!(matches!(fault(&call(Kind::Write), &told(400, code, ""), true), Fault::Failed(_)), "{code}");
    }
}

#[test]
fn the_missing_action_is_named() {
    let table = [
        (
            "You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/r/s is not authorized to \
             perform: ec2:CreateTags on resource: arn:aws:ec2:eu-west-1::snapshot/* because no identity-based policy allows it",
            "ec2:CreateTags",
        ),
        ("User: u is not authorized to perform: kms:CreateGrant.", "kms:CreateGrant"),
        (
            "You are not authorized to perform this operation. Encoded authorization failure message: AbC",
            "ec2:CreateSnapshots, ec2:CreateTags",
        ),
        ("is not authorized to perform: <script>alert(1)</script>", "ec2:CreateSnapshots, ec2:CreateTags"),
        ("", "ec2:CreateSnapshots, ec2:CreateTags"),
    ];
    for (message, expected) in table {
        let error = error_of(fault(&call(Kind::Write), &told(403, "UnauthorizedOperation", message), true));
        assert_eq!((error.class, error.action.as_deref()), (Denied, Some(expected)), "{message}");
        assert!(!error.message.contains("AbC"));
    }
    let other = error_of(fault(&call(Kind::Write), &told(400, "IncorrectState", "busy"), true));
    assert_eq!(other.action, None);
}

#[test]
fn messages_are_bounded() {
    let long = format!("{} (RequestId: 0a1b2c3d-0000-1111-2222-333344445555)", "word ".repeat(400));
    let error = error_of(fault(&call(Kind::Read), &told(400, &"C".repeat(900), &long), true));
    assert!(error.message.chars().count() <= MESSAGE && !error.message.contains("0a1b2c3d"));
    assert_eq!(error.code.len(), 128);
}

mod becoming_somebody {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/responder";

    fn dispatch(source: CredentialsError) -> SdkError<DescribeInstancesError, HttpResponse> {
        SdkError::dispatch_failure(ConnectorError::other(source.into(), None))
    }

    fn refused(status: u16, code: &str) -> SdkError<DescribeInstancesError, HttpResponse> {
        let meta = ErrorMetadata::builder().code(code).message("User: x is not authorized").build();
        let refused: SdkError<AssumeRoleError, HttpResponse> =
            SdkError::service_error(AssumeRoleError::generic(meta), response(status));
        dispatch(CredentialsError::provider_error(refused))
    }

    fn sorted(error: &SdkError<DescribeInstancesError, HttpResponse>) -> CloudError {
        let role = RoleArn::parse(ROLE).unwrap();
        error_of(fault(&Call { role: Some(&role), ..call(Kind::Write) }, error, false))
    }

    #[test]
    fn a_role_that_may_not_be_assumed_is_named_with_the_next_step() {
        let error = sorted(&refused(403, "AccessDenied"));
        assert_eq!((error.class, error.operation.as_str()), (Denied, "AssumeRole"));
        assert!(error.message.starts_with(ROLE) && error.message.contains("trust policy"), "{}", error.message);
        assert_eq!(error.action.as_deref(), Some("sts:AssumeRole"));
        assert_eq!(error.reason(), crate::api::conditions::Reason::RoleNotAssumable);
        assert!(error.advice().contains(ROLE));
    }

    #[test]
    fn other_answers_of_sts_are_what_they_are() {
        for (status, code, expected) in [
            (400, "Throttling", Throttled),
            (500, "InternalFailure", Unavailable),
            (400, "ValidationError", Invalid),
            (403, "RegionDisabledException", Invalid),
            (400, "ExpiredTokenException", Unavailable),
            (502, "", Unavailable),
        ] {
            assert_eq!(sorted(&refused(status, code)).class, expected, "{code}");
        }
    }

    #[test]
    fn sts_that_cannot_be_reached_is_tried_again() {
        let lost: SdkError<AssumeRoleError, HttpResponse> = SdkError::dispatch_failure(io());
        assert_eq!(sorted(&dispatch(CredentialsError::provider_error(lost))).class, Unavailable);
    }

    #[test]
    fn without_credentials_of_its_own_the_controller_says_so() {
        let inner: SdkError<AssumeRoleError, HttpResponse> = SdkError::dispatch_failure(ConnectorError::other(
            CredentialsError::not_loaded("no providers in chain provided credentials").into(),
            None,
        ));
        let error = sorted(&dispatch(CredentialsError::provider_error(inner)));
        assert_eq!((error.class, error.code.as_str()), (Denied, "NoCredentials"));
        assert!(error.message.contains("no AWS credentials of its own"));
    }
}
