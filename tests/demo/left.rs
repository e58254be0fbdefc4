//! What a person needs to go on by hand after `KEEP=1 make demo`.

use super::scene::Scene;
use super::tell::{code, note};
use super::{CASE, NAMESPACE};
use crate::support::aws::REGION;
use crate::support::identities::Identity;
use crate::support::stage::Stage;

/// Says it. The commands can be pasted all at once: they leave you alice, and other people's come after them.
pub fn up(stage: &Stage, scene: &Scene) {
    let plane = &stage.bed.control_plane;
    let kubeconfig = |who: Identity| plane.kubeconfig(who).display().to_string();
    let programs = plane.kubectl();
    println!("\nLeft up; `make demo-down` ends it. In another shell, from the project's folder:\n");
    code(&format!("export PATH={}:$PATH", programs.parent().unwrap().display()));
    code(&format!("export KUBECONFIG={}", kubeconfig(Identity::Alice)));
    code(&format!("kubectl get fcase,quar,evsnap,approvals,custody -n {NAMESPACE}"));
    code(&format!("kubectl describe fcase {CASE} -n {NAMESPACE}"));
    note("\n  You are alice then. Others, each for one command:\n");
    for (who, about) in
        [(Identity::Bob, "approves"), (Identity::Auditor, "reads"), (Identity::Admin, "cluster administrator")]
    {
        code(&format!("KUBECONFIG={} kubectl auth whoami    # {about}", kubeconfig(who)));
    }
    note(
        "\n  AWS, as the administrator of 111122223333: with the AWS CLI where you have it, else with the tests' own reader:\n",
    );
    let admin = &stage.workload.admin;
    code(&format!("export AWS_ENDPOINT_URL={} AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}", admin.url));
    code(&format!("export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=unused", admin.access_key));
    code(&format!("aws ec2 describe-instances --instance-ids {}", scene.suspect.instance));
    let python = stage.bed.emulator.python().display();
    code(&format!("{python} tests/support/emulator/inventory.py --bystanders --instance {}", scene.suspect.instance));
    println!("LEFT UP");
}
