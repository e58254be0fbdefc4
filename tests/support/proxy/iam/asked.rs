//! What a call asks IAM for: each action on each resource, with the keys that AWS knows of it. From the Service
//! Authorization Reference, for the calls that the controller makes; where AWS lists a resource as one that it may check,
//! it is asked for here.

use super::super::call::Call;
use super::Tags;
use std::collections::BTreeMap;

/// One question to IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// As a policy writes it, or what is wrong with the call.
    pub action: String,
    /// An ARN; `*` where the action knows no resource.
    pub resource: String,
    pub keys: BTreeMap<String, Vec<String>>,
}

/// All that a call asks for; every one has to be allowed.
pub(super) fn of(call: &Call, tags: &Tags) -> Vec<Ask> {
    let of = Of { call, tags };
    match (call.service.as_str(), call.operation.as_str()) {
        ("ec2", operation) => of.ec2(operation),
        ("autoscaling", operation) => vec![of.autoscaling(operation)],
        ("elasticloadbalancing", operation) => vec![of.balancers(operation)],
        ("ebs", operation) => of.blocks(operation),
        (
            "kms",
            operation @ ("DescribeKey"
            | "GetKeyPolicy"
            | "ListGrants"
            | "PutKeyPolicy"
            | "CreateGrant"
            | "RevokeGrant"
            | "GenerateDataKeyWithoutPlaintext"),
        ) => vec![of.kms(operation)],
        ("iam", operation) => vec![of.iam(operation)],
        ("sts", "GetCallerIdentity") => vec![of.plain("GetCallerIdentity")],
        _ => vec![of.unknown()],
    }
}

/// Ids of resources whose tags decide.
pub(in super::super) fn tagged(call: &Call) -> Vec<String> {
    let ids = match call.operation.as_str() {
        "LockSnapshot" | "ModifySnapshotAttribute" | "ModifySnapshotTier" => values(call, "SnapshotId"),
        name if name.starts_with("AuthorizeSecurityGroup") => values(call, "GroupId"),
        path => snapshot_of(path).into_iter().collect(),
    };
    ids.into_iter().map(ToOwned::to_owned).collect()
}

struct Of<'a> {
    call: &'a Call,
    tags: &'a Tags,
}

impl Of<'_> {
    fn ec2(&self, operation: &str) -> Vec<Ask> {
        let (call, instances) = (self.call, values(self.call, "InstanceId"));
        let groups = values(call, "SecurityGroupId.");
        match operation {
            "DescribeInstances"
            | "DescribeNetworkInterfaces"
            | "DescribeIamInstanceProfileAssociations"
            | "DescribeTrunkInterfaceAssociations"
            | "DescribeSecurityGroups"
            | "DescribeAddresses"
            | "DescribeRouteTables"
            | "DescribeVolumes"
            | "DescribeVpcEndpoints"
            | "GetSerialConsoleAccessStatus"
            | "DescribeSnapshots"
            | "DescribeSnapshotTierStatus"
            | "DescribeLockedSnapshots"
            | "GetSnapshotBlockPublicAccessState" => vec![self.plain(operation)],
            "DescribeInstanceAttribute" | "GetConsoleOutput" | "GetConsoleScreenshot" => {
                self.each(operation, "instance", &instances)
            }
            "DescribeSnapshotAttribute" => self.each(operation, "snapshot", &values(call, "SnapshotId")),
            "CreateSecurityGroup" => {
                let mut all = self.each(operation, "vpc", &values(call, "VpcId"));
                all.extend(self.made(operation, "security-group"));
                all
            }
            "AuthorizeSecurityGroupIngress" | "AuthorizeSecurityGroupEgress" => {
                self.with_tags(self.each(operation, "security-group", &values(call, "GroupId")))
            }
            "RevokeSecurityGroupIngress" | "RevokeSecurityGroupEgress" => {
                self.each(operation, "security-group", &values(call, "GroupId"))
            }
            "ModifyNetworkInterfaceAttribute" => {
                let mut all = self.each(operation, "network-interface", &values(call, "NetworkInterfaceId"));
                all.extend(self.each(operation, "security-group", &groups));
                all.extend(self.each(operation, "instance", &["i-00000000"]));
                all.extend(self.each(operation, "subnet", &["subnet-00000000"]));
                all
            }
            "ModifyInstanceAttribute" => {
                let mut all = self.each(operation, "instance", &instances);
                if !values(call, "BlockDeviceMapping.").is_empty() {
                    all.extend(self.each(operation, "volume", &["vol-00000000"]));
                }
                all
            }
            // The call names an association.
            "DisassociateAddress" => {
                let mut all = self.each(operation, "elastic-ip", &["eipalloc-00000000"]);
                all.extend(self.each(operation, "network-interface", &["eni-00000000"]));
                all
            }
            "AssociateAddress" => {
                let mut all = self.each(operation, "elastic-ip", &values(call, "AllocationId"));
                all.extend(self.each(operation, "network-interface", &values(call, "NetworkInterfaceId")));
                all.extend(self.each(operation, "instance", &["i-00000000"]));
                all
            }
            "ModifyInstanceMetadataOptions" => self.each(operation, "instance", &instances),
            // The call names an association.
            "DisassociateIamInstanceProfile" => self.each(operation, "instance", &["i-00000000"]),
            "AssociateIamInstanceProfile" => {
                let mut all = self.each(operation, "instance", &instances);
                let mut pass = Ask { action: "iam:PassRole".to_owned(), ..self.role("role/of-a-profile") };
                add(std::slice::from_mut(&mut pass), "iam:PassedToService", &["ec2.amazonaws.com"]);
                all.push(pass);
                all
            }
            "CreateSnapshots" => {
                let mut all = self.each(operation, "instance", &values(call, "InstanceSpecification.InstanceId"));
                all.extend(self.each(operation, "volume", &["vol-00000000"]));
                all.extend(self.made(operation, "snapshot"));
                all
            }
            "CopySnapshot" => {
                let mut all = self.each(operation, "snapshot", &values(call, "SourceSnapshotId"));
                all.extend(self.made(operation, "snapshot"));
                all.extend(self.keys_of_ebs());
                all
            }
            "LockSnapshot" => self.with_tags(self.each(operation, "snapshot", &values(call, "SnapshotId"))),
            // EBS uses the key of what is encrypted (EBS guide, required IAM permissions for archiving). The call does not tell,
            // so that it is asked for each time.
            "ModifySnapshotTier" => {
                let mut all = self.with_tags(self.each(operation, "snapshot", &values(call, "SnapshotId")));
                let key = format!("arn:aws:kms:{}:{}:key/00000000", call.region, call.account().unwrap_or_default());
                all.extend(self.on_behalf(&["CreateGrant", "Decrypt", "DescribeKey"], &key));
                all
            }
            "ModifySnapshotAttribute" => {
                let side = if call.parameter("OperationType") == Some("add") { "Add" } else { "Remove" };
                let mut all = self.with_tags(self.each(operation, "snapshot", &values(call, "SnapshotId")));
                for (name, parameter) in [("userId", "UserId."), ("group", "UserGroup.")] {
                    add(&mut all, &format!("ec2:{side}/{name}"), &values(call, parameter));
                }
                all
            }
            _ => vec![self.unknown()],
        }
    }

    fn autoscaling(&self, operation: &str) -> Ask {
        match operation {
            "DescribeAutoScalingInstances" | "DescribeAutoScalingGroups" | "DescribeLifecycleHooks" => {
                self.plain(operation)
            }
            "AttachInstances"
            | "DetachInstances"
            | "EnterStandby"
            | "ExitStandby"
            | "RecordLifecycleActionHeartbeat"
            | "SetDesiredCapacity"
            | "SetInstanceProtection"
            | "UpdateAutoScalingGroup" => {
                let group = self.call.parameter("AutoScalingGroupName").unwrap_or_default();
                let mut ask =
                    self.on(operation, &format!("autoScalingGroup:00000000-0000:autoScalingGroupName/{group}"));
                if operation == "UpdateAutoScalingGroup" {
                    let keys = [
                        ("MinSize", "MinSize"),
                        ("MaxSize", "MaxSize"),
                        ("LaunchConfigurationName", "LaunchConfigurationName"),
                        ("VPCZoneIdentifiers", "VPCZoneIdentifier"),
                    ];
                    for (key, parameter) in keys {
                        let found = values(self.call, parameter);
                        add(std::slice::from_mut(&mut ask), &format!("autoscaling:{key}"), &found);
                    }
                }
                ask
            }
            _ => self.unknown(),
        }
    }

    fn balancers(&self, operation: &str) -> Ask {
        match operation {
            "DescribeInstanceHealth" | "DescribeLoadBalancers" | "DescribeTargetGroups" | "DescribeTargetHealth" => {
                self.plain(operation)
            }
            "RegisterTargets" | "DeregisterTargets" => {
                let group = self.call.parameter("TargetGroupArn").unwrap_or_default();
                Ask { resource: group.to_owned(), ..self.plain(operation) }
            }
            "RegisterInstancesWithLoadBalancer" | "DeregisterInstancesFromLoadBalancer" => {
                let name = self.call.parameter("LoadBalancerName").unwrap_or_default();
                self.on(operation, &format!("loadbalancer/{name}"))
            }
            _ => self.unknown(),
        }
    }

    /// A path of EBS direct. AWS decrypts where the snapshot is encrypted, under the context of EBS; the path does not tell, so
    /// that it is asked for each time.
    fn blocks(&self, path: &str) -> Vec<Ask> {
        let Some(snapshot) = snapshot_of(path) else { return vec![self.unknown()] };
        let on = |ask: Ask, arn: &str| Ask { resource: arn.to_owned(), ..ask };
        let arn = format!("arn:aws:ec2:{}::snapshot/{snapshot}", self.call.region);
        if path.ends_with("/blocks") {
            return self.with_tags(vec![on(self.plain("ListSnapshotBlocks"), &arn)]);
        }
        let mut all = self.with_tags(vec![on(self.plain("GetSnapshotBlock"), &arn)]);
        let account = self.call.account().unwrap_or_default();
        let key = format!("arn:aws:kms:{}:{account}:key/00000000", self.call.region);
        let mut decrypt = Ask { action: "kms:Decrypt".to_owned(), resource: key, keys: BTreeMap::new() };
        add(std::slice::from_mut(&mut decrypt), "kms:EncryptionContext:aws:ebs:id", &["vol-00000000"]);
        all.push(decrypt);
        all
    }

    fn iam(&self, operation: &str) -> Ask {
        let resource = match operation {
            "GetRole" | "GetRolePolicy" | "ListRolePolicies" | "PutRolePolicy" | "DeleteRolePolicy" => {
                format!("role/{}", self.call.parameter("RoleName").unwrap_or_default())
            }
            "GetInstanceProfile" => {
                format!("instance-profile/{}", self.call.parameter("InstanceProfileName").unwrap_or_default())
            }
            _ => return self.unknown(),
        };
        Ask { action: format!("iam:{operation}"), ..self.role(&resource) }
    }

    /// IAM has no Regions, and its ARNs name none.
    fn role(&self, resource: &str) -> Ask {
        let account = self.call.account().unwrap_or_default();
        Ask { resource: format!("arn:aws:iam::{account}:{resource}"), ..self.plain("") }
    }

    fn kms(&self, operation: &str) -> Ask {
        let key = self.call.parameter("KeyId").unwrap_or_default();
        let mut ask = if key.starts_with("arn:") {
            Ask { resource: key.to_owned(), ..self.plain(operation) }
        } else {
            self.on(operation, &format!("key/{key}"))
        };
        let all = std::slice::from_mut(&mut ask);
        add(all, "kms:GrantOperations", &values(self.call, "Operations."));
        add(all, "kms:GranteePrincipal", &values(self.call, "GranteePrincipal"));
        add(all, "kms:BypassPolicyLockoutSafetyCheck", &values(self.call, "BypassPolicyLockoutSafetyCheck"));
        ask
    }

    /// What EBS does with the key of a copy on the caller's behalf (EBS guide, sharing the KMS key). The source's is not
    /// in the call.
    fn keys_of_ebs(&self) -> Vec<Ask> {
        let actions = [
            "CreateGrant",
            "Decrypt",
            "DescribeKey",
            "GenerateDataKeyWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
        ];
        values(self.call, "KmsKeyId").into_iter().flat_map(|key| self.on_behalf(&actions, key)).collect()
    }

    /// What EBS does with a key in the name of the caller.
    fn on_behalf(&self, actions: &[&str], key: &str) -> Vec<Ask> {
        let via = format!("ec2.{}.amazonaws.com", self.call.region);
        let ask = |action: &&str| {
            let mut ask = Ask { action: format!("kms:{action}"), resource: key.to_owned(), keys: BTreeMap::new() };
            add(std::slice::from_mut(&mut ask), "kms:ViaService", &[&via]);
            add(std::slice::from_mut(&mut ask), "kms:GrantIsForAWSResource", &["true"]);
            ask
        };
        actions.iter().map(ask).collect()
    }

    /// An action that knows no resource.
    fn plain(&self, operation: &str) -> Ask {
        let action = format!("{}:{operation}", self.call.service);
        Ask { action, resource: "*".to_owned(), keys: BTreeMap::new() }
    }

    /// What this file does not know is allowed by no policy.
    fn unknown(&self) -> Ask {
        let (service, operation) = (&self.call.service, &self.call.operation);
        self.plain(&format!("{operation} (tests/support/proxy/iam does not know {service} {operation})"))
    }

    fn on(&self, operation: &str, resource: &str) -> Ask {
        let (call, account) = (self.call, self.call.account().unwrap_or_default());
        // A snapshot's ARN has no account (Service Authorization Reference, resource types of EC2).
        let account = if resource.starts_with("snapshot/") { "" } else { account };
        let resource = format!("arn:aws:{}:{}:{account}:{resource}", call.service, call.region);
        Ask { resource, ..self.plain(operation) }
    }

    fn each(&self, operation: &str, kind: &str, ids: &[&str]) -> Vec<Ask> {
        ids.iter().map(|id| self.on(operation, &format!("{kind}/{id}"))).collect()
    }

    /// What a call makes, which has no id yet; and its tags, which need a permission of their own (EC2 guide, tagging
    /// resources during creation).
    fn made(&self, operation: &str, kind: &str) -> Vec<Ask> {
        let mut all = vec![self.on(operation, &format!("{kind}/*"))];
        let call = self.call;
        for (at, value) in &call.parameters {
            let Some(number) = at.strip_prefix("TagSpecification.").and_then(|rest| rest.strip_suffix(".ResourceType"))
            else {
                continue;
            };
            assert_eq!(value, kind, "tags of another thing than is made");
            all.push(self.on("CreateTags", &format!("{kind}/*")));
            let tag = |n: usize, part: &str| call.parameter(&format!("TagSpecification.{number}.Tag.{n}.{part}"));
            for n in (1..).take_while(|n| tag(*n, "Key").is_some()) {
                let (key, value) = (tag(n, "Key").unwrap_or_default(), tag(n, "Value").unwrap_or_default());
                add(&mut all, &format!("aws:RequestTag/{key}"), &[value]);
            }
        }
        add(&mut all[1..], "ec2:CreateAction", &[operation]);
        all
    }

    fn with_tags(&self, mut all: Vec<Ask>) -> Vec<Ask> {
        for ask in &mut all {
            let id = ask.resource.rsplit('/').next().unwrap_or_default().to_owned();
            for (key, value) in self.tags.get(&id).into_iter().flatten() {
                add(std::slice::from_mut(ask), &format!("aws:ResourceTag/{key}"), &[value]);
            }
        }
        all
    }
}

/// The snapshot that a path of EBS direct names, where it reads blocks of one.
fn snapshot_of(path: &str) -> Option<&str> {
    Some(path.strip_prefix("GET /snapshots/")?.split_once("/blocks")?.0)
}

fn add(asks: &mut [Ask], key: &str, values: &[&str]) {
    for ask in asks.iter_mut().filter(|_| !values.is_empty()) {
        ask.keys.insert(key.to_owned(), values.iter().map(ToString::to_string).collect());
    }
}

/// Values of a parameter; of all that begin so where the name ends with a dot.
fn values<'a>(call: &'a Call, name: &str) -> Vec<&'a str> {
    if name.ends_with('.') {
        let all = call.parameters.iter().filter(|(found, _)| found.starts_with(name));
        return all.map(|(_, value)| value.as_str()).collect();
    }
    call.parameter(name).into_iter().collect()
}
