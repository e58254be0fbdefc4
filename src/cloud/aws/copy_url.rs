//! The signed URL that comes with the copy of an encrypted snapshot from another Region.
//!
//! EC2 reference, `CopySnapshot`, `PresignedUrl`: for the endpoint of the source's Region, of the action `CopySnapshot`, with
//! `SourceRegion`, `SourceSnapshotId` and `DestinationRegion`, signed with version 4 in the query. One that is wrong makes
//! the copy fail late. The SDK for Rust does not make it.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_ec2::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::box_error::BoxError;

/// Version of the EC2 API.
const VERSION: &str = "2016-11-15";

/// As long as other signers let it be good.
const EXPIRES: Duration = Duration::from_hours(1);

/// What is copied, and from where to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<'a> {
    /// Region of the source.
    pub(super) from: &'a str,
    /// Region of the copy.
    pub(super) to: &'a str,
    /// What is copied.
    pub(super) snapshot: &'a str,
}

/// EC2's own endpoint of a Region.
pub(super) async fn endpoint_of(region: &str) -> Result<String, BoxError> {
    let params = Params::builder().region(region).build()?;
    Ok(DefaultResolver::new().resolve_endpoint(&params).await?.url().to_owned())
}

/// The URL, signed at this time.
pub(super) fn signed(
    endpoint: &str,
    way: Way<'_>,
    credentials: Credentials,
    at: SystemTime,
) -> Result<String, BoxError> {
    let Way { from, to, snapshot } = way;
    // None of these has a character that a query must escape.
    let query = format!(
        "Action=CopySnapshot&Version={VERSION}&SourceRegion={from}&SourceSnapshotId={snapshot}&DestinationRegion={to}"
    );
    let mut request = http::Request::get(format!("{}/?{query}", endpoint.trim_end_matches('/'))).body(())?;
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(from)
        .name("ec2")
        .time(at)
        .settings(settings)
        .build()?
        .into();
    let uri = request.uri().to_string();
    let signable = SignableRequest::new("GET", uri, std::iter::empty(), SignableBody::empty())?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}
