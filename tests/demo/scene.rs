//! The world of the demo: a group of three web servers behind two load balancers, one of them compromised.

use super::tell::note;
use super::{CASE, NAMESPACE};
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
        note(&format!("  elastic address {elastic}, instance profile web, three volumes:"));
        for (volume, about) in
            suspect.volumes.iter().zip(["plain", "under a customer key", "under the default aws/ebs key"])
        {
            note(&format!("    {volume}  {about}"));
        }
        note(&format!("bystanders, which must not change: {}", bystanders.join(", ")));
        note("account 444455556666: where evidence goes");
    }

    /// The shipped example, with this world's instance in it.
    pub fn manifest(&self) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/compromised-web-server.yaml");
        let text = std::fs::read_to_string(&path).expect("read the example");
        let body: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        body.join("\n").replace("i-0123456789abcdef0", &self.suspect.instance)
    }

    pub async fn declare_accounts(&self, stage: &Stage) {
        stage.declare_accounts(|workload| workload["spec"]["approval"] = json!({"required": ["Isolate"]})).await;
        for name in [stage.account_name(), stage.forensics_name()] {
            stage.until_true("AwsAccount", &name, "Ready").await;
        }
    }

    /// What AWS has, as a client says that is not the controller.
    pub async fn inventory(&self, stage: &Stage, name: &str) -> PathBuf {
        let path = stage.folder().join(format!("{name}.json"));
        let said = self.python(stage, &["--json", "--bystanders", "--instance", &self.suspect.instance]);
        std::fs::write(&path, said).expect("keep the inventory");
        path
    }

    pub async fn compare(&self, stage: &Stage, before: &Path, after: &Path) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/emulator/inventory.py");
        let output = Command::new(stage.bed.emulator.python()).arg(script).arg("diff").arg(before).arg(after).output();
        let output = output.expect("compare");
        super::tell::code(&String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn python(&self, stage: &Stage, arguments: &[&str]) -> Vec<u8> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/emulator/inventory.py");
        let aws = &stage.workload.admin;
        let output = Command::new(stage.bed.emulator.python())
            .arg(script)
            .args(["--endpoint", &aws.url, "--access-key", &aws.access_key, "--secret-key", "unused"])
            .args(["--region", REGION])
            .args(arguments)
            .output()
            .expect("run the inventory");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What a person needs to go on by hand.
    pub fn left_up(&self, stage: &Stage) {
        let kubeconfigs = stage.kubeconfigs();
        println!("\nLeft up. Go on by hand; `make demo-down` ends it.");
        for (who, path) in kubeconfigs {
            println!("  export KUBECONFIG={}   # as {who}", path.display());
        }
        println!("  export AWS_ENDPOINT_URL={} AWS_REGION={REGION}", stage.workload.admin.url);
        println!(
            "  export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=unused   # administrator of 111122223333",
            stage.workload.admin.access_key
        );
        println!(
            "  export PATH={}:$PATH   # a kubectl of the same version",
            stage.bed.control_plane.kubectl().parent().unwrap().display()
        );
        println!("  kubectl -n {NAMESPACE} get fcase,quar,evsnap,custody   # the case is {CASE}");
        println!("LEFT UP");
    }
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
