//! Whether the admission policies in the cluster are those that this version ships. The forged Approval proves that the
//! API server evaluates one of them; this says of each that nobody has weakened, unbound or removed it.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::cluster::{Cluster, ClusterError};
use crate::api::policies::{self, PolicyConfig};

/// Compares. The outer error is that nobody answered, which proves nothing.
pub async fn compare(cluster: &Cluster, config: &PolicyConfig) -> Result<Result<(), String>, ClusterError> {
    let all = ListParams::default();
    let (policies, bindings) = (Api::all(cluster.client()), Api::all(cluster.client()));
    let found = tokio::try_join!(cluster.list(&policies, &all), cluster.list(&bindings, &all));
    let (policies, bindings) = match found {
        Ok(found) => found,
        Err(error) if error.is_refusal() => {
            return Ok(Err(format!("the admission policies cannot be read: {}; apply crds/roles.yaml", error.told())));
        }
        Err(error) => return Err(error),
    };
    Ok(difference(config, policies, bindings).map_or(Ok(()), Err))
}

/// The first that is not as shipped.
fn difference(
    config: &PolicyConfig,
    policies: Vec<ValidatingAdmissionPolicy>,
    bindings: Vec<ValidatingAdmissionPolicyBinding>,
) -> Option<String> {
    let policies: BTreeMap<_, _> = policies.into_iter().map(|found| (found.name_any(), found.spec)).collect();
    let bindings: BTreeMap<_, _> = bindings.into_iter().map(|found| (found.name_any(), found.spec)).collect();
    policies::all(config).into_iter().find_map(|(policy, binding)| {
        let name = policy.name_any();
        verdict("ValidatingAdmissionPolicy", &name, policies.get(&name), &policy.spec)
            .or_else(|| verdict("ValidatingAdmissionPolicyBinding", &name, bindings.get(&name), &binding.spec))
    })
}

fn verdict<S: PartialEq>(kind: &str, name: &str, found: Option<&S>, shipped: &S) -> Option<String> {
    match found {
        None => Some(format!("there is no {kind} {name}")),
        Some(found) if found != shipped => Some(format!(
            "{kind} {name} is not the one that this version ships, for the --controller and --break-glass-group that it was started with"
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Installed = (Vec<ValidatingAdmissionPolicy>, Vec<ValidatingAdmissionPolicyBinding>);

    fn told(change: impl FnOnce(&mut Installed)) -> Option<String> {
        let config = PolicyConfig::default();
        let mut installed: Installed = policies::all(&config).into_iter().unzip();
        change(&mut installed);
        difference(&config, installed.0, installed.1)
    }

    #[test]
    fn what_is_shipped_is_as_shipped() {
        assert_eq!(told(|_| {}), None);
    }

    #[test]
    fn what_was_changed_is_named() {
        let marks = |name: String| name == "sequester-marks";
        let removed = told(|(policies, _)| policies.retain(|policy| !marks(policy.name_any())));
        assert_eq!(removed.as_deref(), Some("there is no ValidatingAdmissionPolicy sequester-marks"));
        let unbound = told(|(_, bindings)| bindings.retain(|binding| !marks(binding.name_any())));
        assert_eq!(unbound.as_deref(), Some("there is no ValidatingAdmissionPolicyBinding sequester-marks"));
        let weakened = told(|(policies, _)| {
            policies[5].spec.as_mut().unwrap().failure_policy = Some("Ignore".into());
        });
        assert!(weakened.unwrap().starts_with("ValidatingAdmissionPolicy sequester-marks is not the one"));
        let disarmed = told(|(_, bindings)| {
            bindings[5].spec.as_mut().unwrap().validation_actions = Some(vec!["Audit".into()]);
        });
        assert!(disarmed.unwrap().starts_with("ValidatingAdmissionPolicyBinding sequester-marks is not the one"));
    }

    #[test]
    fn policies_of_another_controller_are_not_ours() {
        let theirs =
            PolicyConfig { controller: "system:serviceaccount:other:sequester".into(), ..PolicyConfig::default() };
        let installed: Installed = policies::all(&theirs).into_iter().unzip();
        assert!(difference(&PolicyConfig::default(), installed.0, installed.1).unwrap().contains("--controller"));
    }
}
