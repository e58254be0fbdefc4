//! The world of the demo: a group of three web servers behind two load balancers, one of them compromised.

use super::tell::note;
use crate::support::aws::{Aws, REGION, ok, tag, tags};
use crate::support::stage::Stage;
use crate::support::world::{Host, Network, iam, image};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Scene {
    pub network: Network,
    pub suspect: Host,
    pub bystanders: Vec<String>,
    elastic: String,
}

const EXAMPLE: &str = "examples/compromised-web-server.yaml";
/// The instance that the example names.
const PLACEHOLDER: &str = "i-0123456789abcdef0";
const ASG: &str = "2011-01-01";
const CLASSIC: &str = "2012-06-01";
const V2: &str = "2015-12-01";

impl Scene {
    pub async fn build(stage: &Stage) -> Self {
        let aws = &stage.workload.admin;
        let network = Network::new(aws).await;
        profile(aws).await;
        let target_group = balancers(aws, &network).await;
        let mut servers = group(aws, &network).await;
        servers.sort();
        register(aws, &target_group, &servers).await;
        let suspect = Host::furnish(aws, &network, &servers[0]).await;
        let allocated = ok(aws.ec2("AllocateAddress", &[("Domain", "vpc")]).await);
        let allocation = tag(&allocated, "allocationId").to_owned();
        let elastic = tag(&allocated, "publicIp").to_owned();
        let associate = [("AllocationId", allocation.as_str()), ("NetworkInterfaceId", &suspect.interfaces[0])];
        ok(aws.ec2("AssociateAddress", &associate).await);
        let associate = [("IamInstanceProfile.Name", "web"), ("InstanceId", suspect.instance.as_str())];
        ok(aws.ec2("AssociateIamInstanceProfile", &associate).await);
        // A shutdown from inside would end this host, and what it knows.
        let behavior =
            [("InstanceId", suspect.instance.as_str()), ("InstanceInitiatedShutdownBehavior.Value", "terminate")];
        ok(aws.ec2("ModifyInstanceAttribute", &behavior).await);
        Self { network, suspect, bystanders: servers[1..].to_vec(), elastic }
    }

    pub fn describe(&self) {
        let Self { network, suspect, bystanders, elastic } = self;
        note(&format!(
            "account 111122223333 in {REGION}: VPC {}, Auto Scaling group web of three servers,",
            network.vpc
        ));
        note("  behind an application load balancer (target group web) and a classic one");
        note(&format!("compromised: {} with interfaces {},", suspect.instance, suspect.interfaces.join(" and ")));
        note(&format!("  elastic address {elastic}, instance profile web, terminated by a shutdown, three volumes:"));
        for (volume, about) in
            suspect.volumes.iter().zip(["plain", "under a customer key", "under the default aws/ebs key"])
        {
            note(&format!("    {volume}  {about}"));
        }
        note(&format!("bystanders, which must not change: {}", bystanders.join(", ")));
        note("account 444455556666: where evidence goes");
    }

    /// What alice applies, without its comments.
    pub fn manifest(&self) -> String {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(EXAMPLE)).expect("the example");
        let body: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        body.join("\n").replace(PLACEHOLDER, &self.suspect.instance)
    }

    /// How she applies the shipped example, with this world's instance in it.
    pub fn apply(&self) -> String {
        format!("sed s/{PLACEHOLDER}/{}/ {EXAMPLE} | kubectl apply -f -", self.suspect.instance)
    }

    pub async fn declare_accounts(&self, stage: &Stage) {
        stage.declare_accounts(|workload| workload["spec"]["approval"] = json!({"required": ["Isolate"]})).await;
        for name in [stage.account_name(), stage.forensics_name()] {
            stage.until_true("AwsAccount", &name, "Ready").await;
        }
    }

    /// What AWS has, as a client says that is not the controller; kept in a file.
    pub fn inventory(&self, stage: &Stage, name: &str) -> PathBuf {
        let path = stage.folder().join(format!("{name}.json"));
        let aws = &stage.workload.admin;
        let account = ["--endpoint", &aws.url, "--access-key", &aws.access_key, "--secret-key", "unused"];
        let what = ["--region", REGION, "--json", "--bystanders", "--instance", &self.suspect.instance];
        let said = python(stage, "support/emulator/inventory.py", &[&account[..], &what].concat());
        std::fs::write(&path, said).expect("keep the inventory");
        path
    }
}

/// Shows what changed between two inventories; a changed bystander ends the demo.
pub fn compare(stage: &Stage, before: &Path, after: &Path) {
    let paths = [before, after].map(|path| path.to_str().expect("a path of our own"));
    super::tell::code(&String::from_utf8_lossy(&python(stage, "demo/changes.py", &paths)));
}

/// Runs a script of the tests; gives what it prints.
#[allow(clippy::disallowed_methods, reason = "a client that is not ours is a process of its own")]
fn python(stage: &Stage, script: &str, arguments: &[&str]) -> Vec<u8> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
    let output = Command::new(stage.bed.emulator.python()).arg(script).args(arguments).output();
    let output = output.expect("run Python");
    let (said, complaint) = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).into();
    assert!(output.status.success(), "{said}{complaint}");
    output.stdout
}

async fn profile(aws: &Aws) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    iam(aws, "CreateRole", &[("RoleName", "web"), ("AssumeRolePolicyDocument", &trust.to_string())]).await;
    iam(aws, "CreateInstanceProfile", &[("InstanceProfileName", "web")]).await;
    iam(aws, "AddRoleToInstanceProfile", &[("InstanceProfileName", "web"), ("RoleName", "web")]).await;
}

/// Both load balancers; gives the target group.
async fn balancers(aws: &Aws, network: &Network) -> String {
    let elb = "elasticloadbalancing";
    let classic = [
        ("LoadBalancerName", "web-classic"),
        ("Listeners.member.1.Protocol", "HTTP"),
        ("Listeners.member.1.LoadBalancerPort", "80"),
        ("Listeners.member.1.InstancePort", "80"),
        ("Subnets.member.1", network.subnet.as_str()),
    ];
    ok(aws.query(elb, CLASSIC, "CreateLoadBalancer", &classic).await);
    let application = [
        ("Name", "web"),
        ("Subnets.member.1", network.subnet.as_str()),
        ("Subnets.member.2", network.second_subnet.as_str()),
        ("SecurityGroups.member.1", network.web.as_str()),
    ];
    let balancer = ok(aws.query(elb, V2, "CreateLoadBalancer", &application).await);
    let balancer = tag(&balancer, "LoadBalancerArn").to_owned();
    let group = [("Name", "web"), ("Protocol", "HTTP"), ("Port", "80"), ("VpcId", network.vpc.as_str())];
    let group = ok(aws.query(elb, V2, "CreateTargetGroup", &group).await);
    let group = tag(&group, "TargetGroupArn").to_owned();
    let listener = [
        ("LoadBalancerArn", balancer.as_str()),
        ("Protocol", "HTTP"),
        ("Port", "80"),
        ("DefaultActions.member.1.Type", "forward"),
        ("DefaultActions.member.1.TargetGroupArn", &group),
    ];
    ok(aws.query(elb, V2, "CreateListener", &listener).await);
    group
}

/// An Auto Scaling group of three; gives its instances.
async fn group(aws: &Aws, network: &Network) -> Vec<String> {
    let image = image(aws).await;
    let configuration = [
        ("LaunchConfigurationName", "web"),
        ("ImageId", image.as_str()),
        ("InstanceType", "m5.large"),
        ("SecurityGroups.member.1", network.web.as_str()),
    ];
    ok(aws.query("autoscaling", ASG, "CreateLaunchConfiguration", &configuration).await);
    let group = [
        ("AutoScalingGroupName", "web"),
        ("LaunchConfigurationName", "web"),
        ("MinSize", "1"),
        ("MaxSize", "4"),
        ("DesiredCapacity", "3"),
        ("VPCZoneIdentifier", network.subnet.as_str()),
    ];
    ok(aws.query("autoscaling", ASG, "CreateAutoScalingGroup", &group).await);
    let described = ok(aws.query("autoscaling", ASG, "DescribeAutoScalingGroups", &[]).await);
    tags(&described, "InstanceId").into_iter().map(ToOwned::to_owned).collect()
}

async fn register(aws: &Aws, target_group: &str, servers: &[String]) {
    for server in servers {
        let target = [("TargetGroupArn", target_group), ("Targets.member.1.Id", server.as_str())];
        ok(aws.query("elasticloadbalancing", V2, "RegisterTargets", &target).await);
        let instance = [("LoadBalancerName", "web-classic"), ("Instances.member.1.InstanceId", server.as_str())];
        ok(aws.query("elasticloadbalancing", CLASSIC, "RegisterInstancesWithLoadBalancer", &instance).await);
    }
}
