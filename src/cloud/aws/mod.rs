//! AWS itself, by its SDK. One file for each noun of AWS; this one only says who answers for what.
//!
//! The SDK's types stop here. A read says for each of its parts when it was asked, before the request left; a change
//! goes out once, under the mark of its link in the chain of custody.

mod accounts;
mod autoscaling;
mod balancers;
mod calls;
mod copy_url;
mod documents;
mod ebs_direct;
mod ebs_image;
mod ebs_rate;
mod ec2_addresses;
mod ec2_console;
mod ec2_copies;
mod ec2_evidence;
mod ec2_groups;
mod ec2_instances;
mod ec2_network;
mod ec2_profiles;
mod ec2_snapshots;
mod ec2_tiers;
mod ec2_ways;
mod elb_classic;
mod elb_v2;
mod errors;
mod iam_roles;
mod kms;
mod kms_policies;
mod own_credentials;
mod sessions;
mod surroundings;
mod witness;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;

use super::blocks::{ReadError, Reading, Tell};
use super::error::CloudError;
use super::{Access, AskCopies, AskEvidence, AskQuarantine, Cloud, Place, Witness};
use crate::api::ids::{KeyArn, RegionName, SnapshotId};
use crate::playbook::copies::CopiesSeen;
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::image::{Digests, ImageDigest};
use crate::playbook::record::OperationId;
use crate::playbook::seen::{Read, Snapshot};
use crate::playbook::{EvidenceSeen, Identity, QuarantineSeen};
use calls::Order;
use documents::Documents;
use sessions::Sessions;

/// How AWS is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsSettings {
    /// Name of our sessions of assumed roles, 2 to 64 of `A-Za-z0-9_=,.@-` (STS reference, `AssumeRole`): `CloudTrail`
    /// shows it with every call.
    pub session_name: String,
    /// How long one attempt may take, credentials and connecting included.
    pub attempt_timeout: Duration,
    /// How long a question may take with all its attempts. A change has one attempt and no longer than that.
    pub operation_timeout: Duration,
    /// How often a question is asked before its failure is told, 1 for once.
    pub read_attempts: u32,
    /// Version of the controller, for the User-Agent.
    pub app_version: String,
}

/// AWS, reached through its SDK.
#[derive(Debug)]
pub struct Aws {
    sessions: Sessions,
    role_policies: iam_roles::Policies,
    key_policies: kms_policies::Policies,
}

impl Aws {
    /// As whom the process runs: environment, web identity, container or instance metadata, in the order of the SDK's
    /// default chain. Nothing is asked before the first call.
    #[must_use]
    pub fn new(settings: AwsSettings) -> Self {
        Self::of(Sessions::new(settings, None))
    }

    /// With credentials of the caller's in place of the default chain: for programs that have them already, and tests.
    #[must_use]
    pub fn with_credentials(settings: AwsSettings, own: SharedCredentialsProvider) -> Self {
        Self::of(Sessions::new(settings, Some(own)))
    }

    fn of(sessions: Sessions) -> Self {
        Self { sessions, role_policies: Documents::default(), key_policies: Documents::default() }
    }
}

impl Cloud for Aws {
    async fn identify(&self, access: &Access) -> Result<Identity, CloudError> {
        let region = self.sessions.home(access.partition).await;
        let session = self.sessions.of(access, &region).await;
        accounts::identify(&session).await
    }

    async fn observe_quarantine(&self, place: &Place, ask: &AskQuarantine) -> QuarantineSeen {
        let session = self.sessions.of(&place.access, place.region.as_str()).await;
        let instance = async {
            let instance = ec2_instances::instance(&session, &ask.instance).await;
            let credentials = match &ask.credentials {
                Some(credentials) => iam_roles::look(&session, &ask.instance, &instance, credentials).await,
                None => Read::NotRead,
            };
            (instance, credentials)
        };
        let protections = async {
            if ask.protections { ec2_instances::protections(&session, &ask.instance).await } else { Read::NotRead }
        };
        let (
            (instance, credentials),
            auto_scaling,
            protections,
            groups,
            former_groups,
            held,
            addresses,
            (interfaces, balancers, surroundings),
        ) = tokio::join!(
            instance,
            autoscaling::look(&session, &ask.instance, ask.auto_scaling_group.as_deref()),
            protections,
            ec2_groups::by_name(&session, &ask.tag_prefix, &ask.group_names),
            ec2_groups::by_id(&session, &ask.tag_prefix, &ask.former_groups),
            ec2_network::by_id(&session, &ask.held),
            ec2_addresses::by_id(&session, &ask.addresses),
            surroundings::look(&session, &ask.instance, ask.balancers.as_ref(), ask.surroundings),
        );
        let ways = ec2_ways::look(&session, ask.ways, &instance, &interfaces).await;
        QuarantineSeen {
            instance,
            interfaces,
            protections,
            auto_scaling,
            groups,
            surroundings,
            former_groups,
            held,
            balancers,
            credentials,
            addresses,
            ways,
            ..QuarantineSeen::nothing()
        }
    }

    async fn observe_evidence(&self, place: &Place, ask: &AskEvidence) -> EvidenceSeen {
        let session = self.sessions.of(&place.access, place.region.as_str()).await;
        let instance = async {
            match &ask.instance {
                Some(instance) => ec2_instances::instance(&session, instance).await,
                None => Read::NotRead,
            }
        };
        let snapshots = async {
            let snapshots = ec2_snapshots::snapshots(&session, &ask.operations, &ask.locks).await;
            let (used, access) = (keys_of(&snapshots), ask.keys);
            let keys = match access {
                Some(access) => kms::keys(&session, &used | &ask.owed, access).await,
                None => BTreeMap::new(),
            };
            (snapshots, keys)
        };
        let (instance, adoptable, (snapshots, keys), locks, permissions, public_sharing, tiers) = tokio::join!(
            instance,
            ec2_snapshots::existing(&session, &ask.adopts),
            snapshots,
            ec2_snapshots::locks(&session, &ask.locks),
            ec2_snapshots::permissions(&session, &ask.permissions),
            ec2_snapshots::public_sharing(&session, ask.public_sharing),
            ec2_tiers::tiers(&session, &ask.tiers),
        );
        EvidenceSeen {
            instance,
            adoptable,
            snapshots,
            locks,
            permissions,
            public_sharing,
            keys,
            tiers,
            ..EvidenceSeen::nothing()
        }
    }

    async fn digest(
        &self,
        place: &Place,
        snapshot: &SnapshotId,
        reading: Reading,
        from: Option<ImageDigest>,
        tell: Tell<'_>,
    ) -> Result<Digests, ReadError> {
        self.digest_snapshot(place, snapshot, reading, from, tell).await
    }

    async fn observe_copies(&self, place: &Place, ask: &AskCopies, source: Option<&RegionName>) -> CopiesSeen {
        ec2_copies::look(&self.sessions, place, ask, source).await
    }

    async fn perform(
        &self,
        place: &Place,
        operation: &OperationId,
        effect: &Effect,
        witness: &Witness,
    ) -> Result<Receipt, CloudError> {
        let session = self.sessions.of(&place.access, place.region.as_str()).await;
        let order = &Order { session: &session, place, operation, effect, witness };
        match effect {
            Effect::CreateSecurityGroup { vpc, name, role, tag_prefix } => {
                ec2_groups::create(order, vpc, name, *role, tag_prefix).await
            }
            Effect::AuthorizeRules { group, rules } => ec2_groups::authorize(order, group, rules).await,
            Effect::RevokeRules { group, rules } => ec2_groups::revoke(order, group, rules).await,
            Effect::ReplaceSecurityGroups { interface, groups } => {
                ec2_network::set_groups(order, interface, groups).await
            }
            Effect::OpenForPulse { interface, open } => ec2_network::set_groups(order, interface, [open]).await,
            Effect::SetTerminationProtection { instance, enabled } => {
                ec2_instances::set_termination(order, instance, *enabled).await
            }
            Effect::SetStopProtection { instance, enabled } => ec2_instances::set_stop(order, instance, *enabled).await,
            Effect::SetShutdownBehavior { instance, behavior } => {
                ec2_instances::set_shutdown(order, instance, *behavior).await
            }
            Effect::SetDeleteOnTermination { instance, device, enabled, .. } => {
                ec2_instances::set_delete_on_termination(order, instance, device, *enabled).await
            }
            Effect::DeregisterTargets { target_group, targets } => {
                elb_v2::deregister(order, target_group, targets).await
            }
            Effect::RegisterTargets { target_group, targets } => elb_v2::register(order, target_group, targets).await,
            Effect::DeregisterInstance { load_balancer, instance } => {
                elb_classic::deregister(order, load_balancer, instance).await
            }
            Effect::RegisterInstance { load_balancer, instance } => {
                elb_classic::register(order, load_balancer, instance).await
            }
            Effect::CreateSnapshots { instance, exclude, exclude_root, description, tags, tag_prefix, .. } => {
                let set =
                    ec2_evidence::Set { instance, exclude, exclude_root: *exclude_root, description, tags, tag_prefix };
                ec2_evidence::create(order, &set).await
            }
            Effect::LockSnapshot { snapshot, mode, until } => ec2_evidence::lock(order, snapshot, *mode, *until).await,
            Effect::ArchiveSnapshot { snapshot } => ec2_evidence::archive(order, snapshot).await,
            Effect::ShareSnapshot { snapshot, accounts } => ec2_evidence::share(order, snapshot, accounts).await,
            Effect::UnshareSnapshot { snapshot, accounts, public } => {
                ec2_evidence::unshare(order, snapshot, accounts, *public).await
            }
            Effect::CreateGrant { key, name, grantee } => kms::create_grant(order, key, name, grantee).await,
            Effect::AutoScaling(change) => autoscaling::change(order, change).await,
            Effect::Copying(change) => ec2_copies::change(order, &self.key_policies, change).await,
            Effect::Network(change) => ec2_addresses::change(order, change).await,
            Effect::Credentials(change) => iam_roles::change(order, &self.role_policies, change).await,
        }
    }
}

fn keys_of(snapshots: &Read<Vec<Snapshot>>) -> BTreeSet<KeyArn> {
    snapshots.value().into_iter().flatten().filter_map(|snapshot| snapshot.key.clone()).collect()
}
