//! What a person needs to go on by hand after `KEEP=1 make demo`.

use super::scene::Scene;
use super::tell::code;
use super::{CASE, NAMESPACE};
use crate::support::aws::REGION;
use crate::support::identities::Identity;
use crate::support::stage::Stage;

/// Says it. All commands can be pasted at once: whoever does so is alice afterwards.
pub fn up(stage: &Stage, scene: &Scene) {
    let plane = &stage.bed.control_plane;
    let kubeconfig = |who: Identity| plane.kubeconfig(who).display().to_string();
    let programs = plane.kubectl();
    println!("\nLeft up; `make demo-down` ends it. In another shell, from the project's folder:\n");
    code(&format!("export PATH={}:$PATH", programs.parent().unwrap().display()));
    code(&format!("export KUBECONFIG={}", kubeconfig(Identity::Alice)));
    code(&format!("kubectl get fcase,quar,evsnap,approvals,custody -n {NAMESPACE}"));
    code(&format!("kubectl describe fcase {CASE} -n {NAMESPACE}"));
    println!(
        "\n  You are alice then. For one command be bob, who approves, the auditor, who reads, or the administrator:\n"
    );
    for who in [Identity::Bob, Identity::Auditor, Identity::Admin] {
        code(&format!("KUBECONFIG={} kubectl auth whoami", kubeconfig(who)));
    }
    println!(
        "\n  AWS, as administrator of 111122223333, by the AWS CLI where you have it, or by the tests' own reader:\n"
    );
    let admin = &stage.workload.admin;
    code(&format!("export AWS_ENDPOINT_URL={} AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}", admin.url));
    code(&format!("export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=unused", admin.access_key));
    code(&format!("aws ec2 describe-instances --instance-ids {}", scene.suspect.instance));
    let python = stage.bed.emulator.python().display();
    code(&format!("{python} tests/support/emulator/inventory.py --bystanders --instance {}", scene.suspect.instance));
    println!("LEFT UP");
}
