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
    let (instructions, signature) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    // Last, where other signers put it: so the two can be compared byte by byte.
    let signature = format!("&X-Amz-Signature={signature}");
    Ok(format!("{}{signature}", request.uri().to_string().replacen(&signature, "", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way<'static> = Way { from: "eu-west-1", to: "eu-central-1", snapshot: "snap-0123456789abcdef0" };
    /// `tests/support/emulator/sign_copy.py` prints these; `tests/aws_wire/copies.rs` compares with it live.
    const BOTOCORE: [&str; 2] = [
        "https://ec2.eu-west-1.amazonaws.com/?Action=CopySnapshot&Version=2016-11-15&SourceRegion=eu-west-1&SourceSnapshotId=snap-0123456789abcdef0&DestinationRegion=eu-central-1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20270101%2Feu-west-1%2Fec2%2Faws4_request&X-Amz-Date=20270101T120000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=621feaee02685d1d0cd55425b20b385f9bbebd5b3cfb3e2008971399a76d63b9",
        "https://ec2.eu-west-1.amazonaws.com/?Action=CopySnapshot&Version=2016-11-15&SourceRegion=eu-west-1&SourceSnapshotId=snap-0123456789abcdef0&DestinationRegion=eu-central-1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20270101%2Feu-west-1%2Fec2%2Faws4_request&X-Amz-Date=20270101T120000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Security-Token=IQoJb3JpZ2luX2VjEXAMPLE%2B%2Ftoken%3D%3D&X-Amz-Signature=3d052d61efa533326750acb436b5171c5b020d800bc79646c3a1b97aaf057a1c",
    ];

    #[tokio::test]
    async fn another_signer_signs_the_same_bytes() {
        let at = SystemTime::from(jiff::Timestamp::from_second(1_798_804_800).unwrap());
        let endpoint = endpoint_of(WAY.from).await.unwrap();
        for (token, expected) in [None, Some("IQoJb3JpZ2luX2VjEXAMPLE+/token==")].into_iter().zip(BOTOCORE) {
            let token = token.map(ToOwned::to_owned);
            let keys = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token, None, "test");
            assert_eq!(signed(&endpoint, WAY, keys, at).unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn each_region_has_its_own_endpoint() {
        for (region, url) in [
            ("eu-central-1", "https://ec2.eu-central-1.amazonaws.com"),
            ("cn-north-1", "https://ec2.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", "https://ec2.us-gov-west-1.amazonaws.com"),
        ] {
            assert_eq!(endpoint_of(region).await.unwrap(), url);
        }
    }
}
