//! What a person runs by hand: no cluster, no Lease, nothing changed. An examiner repeats with them what was recorded.

pub mod changed;
pub mod digest;
mod manifest;
pub mod policy;
mod state;

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::api::aws_account::Partition;
use crate::api::ids::{AccountId, RegionName};
use crate::cloud::aws::{Aws, AwsSettings};
use crate::cloud::blocks::{ReadError, Reading};
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{Access, Cloud, Place};
use crate::playbook::Identity;

/// One of them.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Prints the SHA-256 of a snapshot's whole image, and of the manifest of its blocks.
    Digest(digest::Arguments),
    /// Prints the byte ranges in which two snapshots of one volume differ: offset and length, one range a line.
    Changed(changed::Arguments),
    /// Prints the IAM policy of the role that the controller assumes in an account.
    Policy(policy::Arguments),
}

impl Command {
    /// Runs it.
    ///
    /// # Errors
    /// In words for a person: what, where, as whom, and the next step.
    pub async fn run(self) -> Result<(), CommandError> {
        match self {
            Self::Digest(arguments) => digest::run(arguments).await,
            Self::Changed(arguments) => changed::run(arguments).await,
            Self::Policy(arguments) => policy::run(&arguments),
        }
    }
}

/// Where the snapshot is, and how fast to read.
#[derive(Clone, Debug, clap::Args)]
pub struct Source {
    /// Region of the snapshot.
    #[arg(long, env = "AWS_REGION")]
    region: RegionName,
    /// Where AWS is, in place of the Region's own endpoints.
    #[arg(long, value_name = "URL", value_parser = url)]
    endpoint_url: Option<String>,
    /// Calls a second, at most. AWS allows an account 1,000 GetSnapshotBlock, which backups may need too.
    #[arg(long, value_name = "CALLS", default_value = "500")]
    rate: NonZeroU32,
    /// Blocks of 512 KiB under way at the same time: the memory that reading takes.
    #[arg(long, value_name = "BLOCKS", default_value = "48")]
    concurrency: NonZeroU32,
}

fn url(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("an endpoint begins with https:// (or http:// for an emulator)"),
    }
}

impl Source {
    fn reading(&self) -> Reading {
        let at_once = usize::try_from(self.concurrency.get()).unwrap_or(usize::MAX);
        Reading { per_second: self.rate.get(), at_once, ..Reading::default() }
    }

    fn access(&self) -> Access {
        let partition = match self.region.as_str() {
            china if china.starts_with("cn-") => Partition::AwsCn,
            government if government.starts_with("us-gov-") => Partition::AwsUsGov,
            _ => Partition::Aws,
        };
        Access {
            account_ref: "command".to_owned(),
            // Whose it is, STS says.
            account: AccountId::none(),
            partition,
            role: None,
            external_id: None,
            endpoint: self.endpoint_url.clone(),
        }
    }

    /// Opens the way to AWS, as whoever the process's credentials are.
    async fn open(&self) -> Result<Opened, CommandError> {
        let aws = Aws::new(AwsSettings {
            session_name: "sequester".to_owned(),
            attempt_timeout: Duration::from_secs(30),
            operation_timeout: Duration::from_secs(90),
            read_attempts: 3,
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
        });
        let mut access = self.access();
        let who = aws.identify(&access).await.map_err(CommandError::Nobody)?;
        access.account = who.account.clone();
        Ok(Opened { aws, place: Place { access, region: self.region.clone() }, who })
    }
}

/// AWS, and who we are there.
struct Opened {
    aws: Aws,
    place: Place,
    who: Identity,
}

impl Opened {
    fn explain(&self, error: ReadError) -> CommandError {
        CommandError::Read { region: self.place.region.clone(), who: self.who.clone(), error: Box::new(error) }
    }
}

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// AWS does not know who asks.
    #[error(
        "AWS does not say who asks ({}): {}. Credentials come from the environment, a profile, a web identity or an instance role",
        .0.code, .0.message
    )]
    Nobody(CloudError),
    /// Reading failed.
    #[error("{}", read_failed(region, who, error))]
    Read {
        /// Where.
        region: RegionName,
        /// As whom.
        who: Identity,
        /// Why.
        error: Box<ReadError>,
    },
    /// A file can't be used: which, and why.
    #[error("{0}")]
    File(String),
    /// The result can't be printed.
    #[error("the result can't be printed: {0}")]
    Output(#[from] io::Error),
}

fn read_failed(region: &RegionName, who: &Identity, error: &ReadError) -> String {
    let place = format!("in {region}, as {} of account {}", who.arn, who.account);
    match error {
        ReadError::Call { snapshot, error } if error.class == ErrorClass::Denied => format!(
            "{snapshot} {place}: {} is denied; grant {}, and kms:Decrypt on its key where it is encrypted. AWS says: {}",
            error.operation,
            error.action.as_deref().unwrap_or("it"),
            error.message
        ),
        error => format!("{error} ({place})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ids::SnapshotId;

    #[test]
    fn an_endpoint_is_a_url() {
        assert_eq!(url("http://127.0.0.1:5000").as_deref(), Ok("http://127.0.0.1:5000"));
        for wrong in ["", "https://", "127.0.0.1:5000", "ftp://x"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_denied_names_snapshot_account_and_action() {
        let who = Identity {
            account: AccountId::parse("111122223333").unwrap(),
            arn: "arn:aws:iam::111122223333:user/ann".to_owned(),
        };
        let error = ReadError::Call {
            snapshot: SnapshotId::parse("snap-0123456789abcdef0").unwrap(),
            error: Box::new(CloudError {
                class: ErrorClass::Denied,
                operation: "GetSnapshotBlock".to_owned(),
                code: "AccessDeniedException".to_owned(),
                message: "no".to_owned(),
                action: Some("ebs:GetSnapshotBlock".to_owned()),
            }),
        };
        let error = Box::new(error);
        let told = CommandError::Read { region: RegionName::parse("eu-west-1").unwrap(), who, error }.to_string();
        for word in ["snap-0123456789abcdef0", "eu-west-1", "account 111122223333", "grant ebs:GetSnapshotBlock", "no"]
        {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}
