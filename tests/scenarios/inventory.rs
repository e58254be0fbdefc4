//! What AWS has of a host and its evidence, without ids: two runs that end alike have equal inventories.

use crate::scene::Scene;
use crate::support::aws::{Aws, ok, tag, tags};
use crate::support::roles::{Role, metadata_of};
use crate::support::world::snapshots_of;
use std::collections::BTreeMap;

/// The role of a host that has one.
pub const ROLE: &str = "web";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// Names of the groups of each interface.
    pub groups: Vec<Vec<String>>,
    /// How many rules each group of ours has.
    pub rules: BTreeMap<String, usize>,
    pub protections: BTreeMap<&'static str, String>,
    /// Each volume's snapshots: whose moment, state, lock, and how many accounts may use it.
    pub snapshots: Vec<Vec<String>>,
    /// What the forensic account has: of whose moment and of which volume, state, lock.
    pub copies: Vec<String>,
    /// Grants on the customer's key.
    pub grants: usize,
    /// Whether the metadata service answers, and statements of our policy of its role.
    pub credentials: (String, usize),
}

impl Inventory {
    /// `moments` gives names to the uids of evidence objects.
    pub async fn take(scene: &Scene, moments: &BTreeMap<String, String>) -> Self {
        let aws = scene.aws();
        let mut rules = BTreeMap::new();
        for name in [crate::scene::CLOSED, crate::scene::OPEN] {
            let filter = [("Filter.1.Name", "group-name"), ("Filter.1.Value.1", name)];
            let xml = ok(aws.ec2("DescribeSecurityGroups", &filter).await);
            if !tags(&xml, "groupId").is_empty() {
                rules.insert(name.to_owned(), xml.matches("<ipProtocol>").count());
            }
        }
        let mut snapshots = Vec::new();
        for volume in &scene.host.volumes {
            let mut of_volume = Vec::new();
            for snapshot in snapshots_of(aws, volume).await {
                of_volume.push(snapshot_line(aws, &snapshot, moments).await);
            }
            of_volume.sort();
            snapshots.push(of_volume);
        }
        Self {
            groups: scene.groups().await,
            rules,
            protections: protections(aws, &scene.host.instance).await,
            snapshots,
            copies: copies(scene, moments).await,
            grants: grants(aws, &scene.host.customer_key).await,
            credentials: credentials(aws, &scene.host.instance).await,
        }
    }
}

async fn copies(scene: &Scene, moments: &BTreeMap<String, String>) -> Vec<String> {
    let aws = &scene.forensics.admin;
    let all = ok(aws.ec2("DescribeSnapshots", &[("Owner.1", "self")]).await);
    let mut lines = Vec::new();
    for copy in tags(&all, "snapshotId") {
        let described = ok(aws.ec2("DescribeSnapshots", &[("SnapshotId.1", copy)]).await);
        let of = |volume: &&String| described.contains(&format!("<value>{volume}</value>"));
        let volume = scene.host.volumes.iter().position(|volume| of(&volume));
        lines.push(format!("{:?} {}", volume, snapshot_line(aws, copy, moments).await));
    }
    lines.sort();
    lines
}

async fn snapshot_line(aws: &Aws, snapshot: &str, moments: &BTreeMap<String, String>) -> String {
    let filter = [("SnapshotId.1", snapshot)];
    let described = ok(aws.ec2("DescribeSnapshots", &filter).await);
    let moment = moments.iter().find(|(uid, _)| described.contains(&format!("<value>{uid}</value>")));
    let moment = moment.map_or("nobody's", |(_, name)| name);
    let locks = ok(aws.ec2("DescribeLockedSnapshots", &filter).await);
    let lock = tags(&locks, "lockState").first().copied().unwrap_or("unlocked").to_owned();
    let asked = [("SnapshotId", snapshot), ("Attribute", "createVolumePermission")];
    let permissions = ok(aws.ec2("DescribeSnapshotAttribute", &asked).await);
    let shared = tags(&permissions, "userId").len();
    assert!(!permissions.contains("<group>"), "{snapshot} is public: {permissions}");
    format!("{moment} {} {lock} shared with {shared}", tag(&described, "status"))
}

/// What an instance refuses and keeps.
pub async fn protections(aws: &Aws, instance: &str) -> BTreeMap<&'static str, String> {
    let mut found = BTreeMap::new();
    for attribute in ["disableApiTermination", "disableApiStop", "instanceInitiatedShutdownBehavior"] {
        let asked = [("InstanceId", instance), ("Attribute", attribute)];
        let xml = ok(aws.ec2("DescribeInstanceAttribute", &asked).await);
        found.insert(attribute, tag(&xml, "value").to_owned());
    }
    let asked = [("InstanceId", instance), ("Attribute", "blockDeviceMapping")];
    let xml = ok(aws.ec2("DescribeInstanceAttribute", &asked).await);
    found.insert("deleteOnTermination", tags(&xml, "deleteOnTermination").join(","));
    found
}

async fn credentials(aws: &Aws, instance: &str) -> (String, usize) {
    let policy = Role { name: ROLE.to_owned(), id: String::new() }.policy(aws, "baseline-c").await;
    let statements = policy.and_then(|policy| policy["Statement"].as_array().map(Vec::len));
    (metadata_of(aws, instance).await.0, statements.unwrap_or_default())
}

async fn grants(aws: &Aws, key: &str) -> usize {
    let body = serde_json::json!({"KeyId": key}).to_string();
    let listed = ok(aws.json("kms", "TrentService.ListGrants", &body).await);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    listed["Grants"].as_array().map_or(0, Vec::len)
}
