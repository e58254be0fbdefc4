//! What most tests of the proxy begin with, and boto3 as the judge of what a real SDK makes of it.

use crate::support::aws::{Answer, Aws, REGION, ok, tag};
use crate::support::bed::Bed;
use crate::support::emulator::Credentials;
use crate::support::proxy::Proxy;
use std::process::Command;

pub const NEW_VOLUME: [(&str, &str); 2] = [("AvailabilityZone", "eu-west-1a"), ("Size", "1")];

/// The few calls that these tests are about.
impl Aws {
    pub async fn new_volume(&self) -> String {
        tag(&ok(self.ec2("CreateVolume", &NEW_VOLUME).await), "volumeId").to_owned()
    }

    pub async fn snapshot(&self, volume: &str) -> Answer {
        self.ec2("CreateSnapshot", &[("VolumeId", volume)]).await
    }

    pub async fn describe_snapshots(&self, volume: &str) -> Answer {
        self.ec2("DescribeSnapshots", &[("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", volume)]).await
    }

    /// How many snapshots of a volume there are.
    pub async fn count_snapshots(&self, volume: &str) -> usize {
        ok(self.describe_snapshots(volume).await).matches("<snapshotId>").count()
    }
}

pub struct Scene {
    pub bed: &'static Bed,
    pub proxy: Proxy,
    pub credentials: Credentials,
    /// Speaks to the proxy.
    pub through: Aws,
    /// Speaks to the emulator: what is really there.
    pub behind: Aws,
}

impl Scene {
    pub async fn new() -> Self {
        let bed = Bed::shared().await;
        let (proxy, credentials) = (bed.proxy(), bed.account().await);
        let through = Aws::new(proxy.url(), &credentials);
        let behind = Aws::new(bed.emulator.url(), &credentials);
        Self { bed, proxy, credentials, through, behind }
    }

    /// Python that makes boto3 clients which speak to the proxy and try once.
    pub fn boto(&self, script: &str) -> String {
        format!(
            r#"
import boto3, botocore.config, botocore.exceptions
def client(service, attempts=1):
    return boto3.client(service, region_name="{REGION}", endpoint_url="{url}",
        aws_access_key_id="{key}", aws_secret_access_key="{secret}",
        config=botocore.config.Config(retries={{"total_max_attempts": attempts, "mode": "standard"}}, read_timeout=60))
{script}"#,
            url = self.proxy.url(),
            key = self.credentials.access_key_id,
            secret = self.credentials.secret_access_key,
        )
    }

    /// Runs such a script and gives what it printed.
    pub async fn run_boto(&self, script: &str) -> String {
        let mut command = Command::new(self.bed.emulator.python());
        command.args(["-c", &self.boto(script)]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("wait for Python");
        let output = output.expect("run Python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
