//! A workload account with a compromised web server in it, and a forensic account beside it.

use super::aws::{Aws, REGION, ok, tag, tags};
use super::bed::Bed;
use serde_json::{Value, json};

/// External id of the roles; no secret.
pub const EXTERNAL_ID: &str = "responders-2026";

/// An account with a role that the controller may assume.
pub struct Account {
    pub id: String,
    /// Administrator, past the proxy: what is really there.
    pub admin: Aws,
    pub role_arn: String,
}

impl Account {
    pub async fn new(bed: &Bed, id: &str, controller: &str) -> Self {
        let credentials = bed.emulator.account(id).await;
        let admin = Aws::new(bed.emulator.url(), &credentials);
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{controller}:root")}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}}]});
        iam(&admin, "CreateRole", &[("RoleName", "sequester"), ("AssumeRolePolicyDocument", &trust.to_string())]).await;
        Self { id: id.to_owned(), role_arn: format!("arn:aws:iam::{id}:role/sequester"), admin }
    }
}

pub async fn iam(aws: &Aws, action: &str, parameters: &[(&str, &str)]) -> String {
    ok(aws.query("iam", "2010-05-08", action, parameters).await)
}

/// A network to put hosts in.
pub struct Network {
    pub vpc: String,
    pub subnet: String,
    pub second_subnet: String,
    /// Lets HTTP in and everything out.
    pub web: String,
}

impl Network {
    pub async fn new(aws: &Aws) -> Self {
        let vpc = tag(&ok(aws.ec2("CreateVpc", &[("CidrBlock", "10.20.0.0/16")]).await), "vpcId").to_owned();
        let mut subnets = Vec::new();
        for (cidr, zone) in [("10.20.1.0/24", "eu-west-1a"), ("10.20.2.0/24", "eu-west-1b")] {
            let made =
                aws.ec2("CreateSubnet", &[("VpcId", &vpc), ("CidrBlock", cidr), ("AvailabilityZone", zone)]).await;
            subnets.push(tag(&ok(made), "subnetId").to_owned());
        }
        let made = aws
            .ec2("CreateSecurityGroup", &[("GroupName", "web"), ("GroupDescription", "web servers"), ("VpcId", &vpc)])
            .await;
        let web = tag(&ok(made), "groupId").to_owned();
        let rule = [
            ("GroupId", web.as_str()),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "80"),
            ("IpPermissions.1.ToPort", "80"),
            ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ];
        ok(aws.ec2("AuthorizeSecurityGroupIngress", &rule).await);
        let second_subnet = subnets.pop().unwrap();
        Self { vpc, subnet: subnets.pop().unwrap(), second_subnet, web }
    }
}

/// The image that instances of these tests run.
pub async fn image(aws: &Aws) -> String {
    let images = ok(aws.ec2("DescribeImages", &[("Owner.1", "amazon")]).await);
    tag(&images, "imageId").to_owned()
}

/// Starts an instance.
pub async fn run_instance(aws: &Aws, network: &Network) -> String {
    let images = ok(aws.ec2("DescribeImages", &[("Owner.1", "amazon")]).await);
    let (image, root) = (tag(&images, "imageId"), tag(&images, "rootDeviceName"));
    let parameters = [
        ("ImageId", image),
        ("InstanceType", "m5.large"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        // Small: evidence is read to its last byte.
        ("BlockDeviceMapping.1.DeviceName", root),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "1"),
        ("SubnetId", &network.subnet),
        ("SecurityGroupId.1", &network.web),
    ];
    tag(&ok(aws.ec2("RunInstances", &parameters).await), "instanceId").to_owned()
}

/// A host with two interfaces and three volumes: plain, under a key of the customer, under the default key.
pub struct Host {
    pub instance: String,
    /// Primary and secondary.
    pub interfaces: Vec<String>,
    pub volumes: Vec<String>,
    pub customer_key: String,
}

impl Host {
    /// Gives an instance its second interface and its data volumes.
    pub async fn furnish(aws: &Aws, network: &Network, instance: &str) -> Self {
        let described = ok(aws.ec2("DescribeInstances", &[("InstanceId.1", instance)]).await);
        let zone = tag(&described, "availabilityZone").to_owned();
        let made = aws
            .ec2("CreateNetworkInterface", &[("SubnetId", &network.subnet), ("SecurityGroupId.1", &network.web)])
            .await;
        let second = tag(&ok(made), "networkInterfaceId").to_owned();
        let attach = [("NetworkInterfaceId", second.as_str()), ("InstanceId", instance), ("DeviceIndex", "1")];
        ok(aws.ec2("AttachNetworkInterface", &attach).await);
        let key = ok(aws.json("kms", "TrentService.CreateKey", "{}").await);
        let key: Value = serde_json::from_str(&key).unwrap();
        let customer_key = key["KeyMetadata"]["Arn"].as_str().unwrap().to_owned();
        for (device, encryption) in [
            ("/dev/sdf", vec![("Encrypted", "true"), ("KmsKeyId", customer_key.as_str())]),
            ("/dev/sdg", vec![("Encrypted", "true")]),
        ] {
            let parameters = [vec![("Size", "1"), ("AvailabilityZone", &zone)], encryption].concat();
            let volume = tag(&ok(aws.ec2("CreateVolume", &parameters).await), "volumeId").to_owned();
            ok(aws.ec2("AttachVolume", &[("VolumeId", &volume), ("InstanceId", instance), ("Device", device)]).await);
        }
        let filter = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance)];
        let interfaces = ok(aws.ec2("DescribeNetworkInterfaces", &filter).await);
        let volumes = ok(aws.ec2("DescribeVolumes", &filter).await);
        let unique = |xml: &str, name: &str| {
            let mut seen: Vec<String> = Vec::new();
            for value in tags(xml, name) {
                if !seen.iter().any(|known| known == value) {
                    seen.push(value.to_owned());
                }
            }
            seen
        };
        Self {
            instance: instance.to_owned(),
            interfaces: unique(&interfaces, "networkInterfaceId"),
            volumes: unique(&volumes, "volumeId"),
            customer_key,
        }
    }
}

/// Groups of an interface, as AWS has them.
pub async fn groups_of(aws: &Aws, interface: &str) -> Vec<String> {
    let xml = ok(aws.ec2("DescribeNetworkInterfaces", &[("NetworkInterfaceId.1", interface)]).await);
    let set = tags(&xml, "groupSet").into_iter().next().unwrap_or_default();
    tags(set, "groupId").into_iter().map(ToOwned::to_owned).collect()
}

/// Snapshots of a volume, as AWS has them.
pub async fn snapshots_of(aws: &Aws, volume: &str) -> Vec<String> {
    let filter = [("Filter.1.Name", "volume-id"), ("Filter.1.Value.1", volume), ("Owner.1", "self")];
    let xml = ok(aws.ec2("DescribeSnapshots", &filter).await);
    tags(&xml, "snapshotId").into_iter().map(ToOwned::to_owned).collect()
}

/// The manifest of an `AwsAccount`.
pub fn aws_account(name: &str, account: &Account, endpoint: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "sequester.dev/v1alpha1", "kind": "AwsAccount", "metadata": {"name": name},
        "spec": {
            "accountId": account.id, "regions": [REGION], "endpointUrl": endpoint,
            "role": {"arn": account.role_arn, "externalId": EXTERNAL_ID},
            "allowedNamespaces": [namespace], "recheck": "2s",
        },
    })
}
