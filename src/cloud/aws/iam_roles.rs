//! IAM roles: who the sessions of a host are, and the inline policy that denies them.

use std::collections::BTreeMap;
use std::time::Instant;

use percent_encoding::percent_decode_str;

use super::calls::{Order, Question};
use super::documents::Documents;
use super::ec2_profiles;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, read, text};
use crate::api::ids::{AccountId, InstanceId, RoleName};
use crate::clock::now;
use crate::cloud::AskCredentials;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::playbook::credential_change::CredentialChange;
use crate::playbook::credentials::{Credentials, Role};
use crate::playbook::effect::Receipt;
use crate::playbook::role_policy::{Denied, InlinePolicy, RolePolicy, counted};
use crate::playbook::seen::{Instance, Read};

const PROFILE: Question = ("GetInstanceProfile", "iam:GetInstanceProfile");
const ROLE: Question = ("GetRole", "iam:GetRole");
const POLICY: Question = ("GetRolePolicy", "iam:GetRolePolicy");
const POLICIES: Question = ("ListRolePolicies", "iam:ListRolePolicies");

/// Longest document that is read: twice what IAM allows, since it counts no white space and encodes what it answers.
const DOCUMENT: usize = 128 * 1024;

/// Path of the roles that AWS keeps for its services (IAM guide, service-linked roles).
const OF_SERVICES: &str = "/aws-service-role/";

/// The id of a role and whether it is of a service.
type Who = (String, bool);

/// The role of a host's instance profile, and those that are known to name it.
pub(super) async fn look(
    session: &Session,
    instance: &InstanceId,
    seen: &Read<Instance>,
    ask: &AskCredentials,
) -> Read<Credentials> {
    let asked_at = now();
    let profile = match seen {
        Read::Found { value, .. } => value.profile.as_deref(),
        Read::Failed(failure) => return Read::Failed(failure.clone()),
        // What names it stays to be looked at when it is gone.
        Read::NotRead | Read::Absent { .. } => None,
    };
    read(asked_at, credentials(session, instance, profile, ask).await)
}

async fn credentials(
    session: &Session,
    instance: &InstanceId,
    profile: Option<&str>,
    ask: &AskCredentials,
) -> Result<Credentials, Fault> {
    let roles = async {
        let current = match profile {
            Some(profile) => role_of(session, profile).await?,
            None => None,
        };
        let mut policies = ask.known.clone();
        policies.extend(current.as_ref().map(|(role, _)| ask.policy_of(role)));
        let looks = policies.into_iter().map(|policy| {
            let who = current.as_ref().filter(|(role, _)| *role == policy.role).map(|(_, who)| who.clone());
            async move {
                let role = role(session, instance, &policy, who).await?;
                Ok::<_, Fault>((policy, role))
            }
        });
        let roles: BTreeMap<InlinePolicy, Option<Role>> =
            futures::future::try_join_all(looks).await?.into_iter().collect();
        Ok((current.map(|(role, _)| role), roles))
    };
    let siblings = async {
        match profile.filter(|_| ask.siblings) {
            Some(profile) => ec2_profiles::siblings(session, instance, profile).await.map(Some),
            None => Ok(None),
        }
    };
    let association =
        async { if ask.association { ec2_profiles::association(session, instance).await } else { Ok(None) } };
    let ((current, roles), association, siblings) = tokio::try_join!(roles, association, siblings)?;
    Ok(Credentials { current, roles, association, siblings })
}

/// The role of an instance profile; AWS allows one.
async fn role_of(session: &Session, profile: &str) -> Result<Option<(RoleName, Who)>, Fault> {
    let name = profile.rsplit('/').next().unwrap_or_default();
    let request = session.iam.get_instance_profile().instance_profile_name(name);
    let answer = match session.ask(PROFILE, request.send()).await {
        Ok(answer) => answer,
        // The instance has it still, and gets no credentials by it any more.
        Err(Fault::Absent) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let Some(role) = answer.instance_profile().and_then(|profile| profile.roles().first()) else { return Ok(None) };
    let name = id(Some(role.role_name())).ok_or_else(|| session.puzzled(PROFILE, "a role without a name"))?;
    Ok(Some((name, who(role))))
}

fn who(role: &aws_sdk_iam::types::Role) -> Who {
    (text(Some(role.role_id()), 128), role.path().starts_with(OF_SERVICES))
}

/// A role with our policy, and how long its others are where the host is not in ours.
async fn role(
    session: &Session,
    instance: &InstanceId,
    policy: &InlinePolicy,
    known: Option<Who>,
) -> Result<Option<Role>, Fault> {
    let asked = async {
        if let Some(who) = known {
            return Ok(Some(who));
        }
        let request = session.iam.get_role().role_name(policy.role.as_str());
        match session.ask(ROLE, request.send()).await {
            Ok(answer) => Ok(answer.role().map(who)),
            Err(Fault::Absent) => Ok(None),
            Err(fault) => Err(fault),
        }
    };
    let (who, ours) = tokio::try_join!(asked, document(session, policy))?;
    let Some((id, service_linked)) = who else { return Ok(None) };
    let ours = ours.map_or_else(|| Some(RolePolicy::default()), |ours| RolePolicy::parse(&ours, &id));
    let lacks = ours.as_ref().is_some_and(|ours| ours.of(instance) == Denied::default());
    let others = if lacks && !service_linked { Some(others(session, policy).await?) } else { None };
    Ok(Some(Role { id, service_linked, policy: ours, others }))
}

/// IAM `GetRolePolicy`: the document is encoded as in an address (IAM reference, RFC 3986).
async fn document(session: &Session, policy: &InlinePolicy) -> Result<Option<String>, Fault> {
    let request = session.iam.get_role_policy().role_name(policy.role.as_str()).policy_name(&policy.name);
    match session.ask(POLICY, request.send()).await {
        Ok(answer) => {
            let encoded = answer.policy_document();
            if encoded.len() > DOCUMENT {
                return Err(session.puzzled(POLICY, "a policy longer than IAM allows").into());
            }
            Ok(Some(percent_decode_str(encoded).decode_utf8_lossy().into_owned()))
        }
        Err(Fault::Absent) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Characters of the inline policies of a role beside ours.
async fn others(session: &Session, ours: &InlinePolicy) -> Result<usize, Fault> {
    let request = session.iam.list_role_policies().role_name(ours.role.as_str()).into_paginator().items().send();
    let names = match session.ask(POLICIES, request.try_collect()).await {
        Ok(names) => names,
        Err(Fault::Absent) => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let names = names.into_iter().filter(|name| *name != ours.name);
    let each = names.map(|name| async move {
        let policy = InlinePolicy { role: ours.role.clone(), name };
        document(session, &policy).await.map(|document| document.map_or(0, |document| counted(&document)))
    });
    Ok(futures::future::try_join_all(each).await?.into_iter().sum())
}

/// The inline policies that this process writes.
pub(super) type Policies = Documents<(AccountId, InlinePolicy), RolePolicy>;

/// Makes one change.
pub(super) async fn change(
    order: &Order<'_>,
    documents: &Policies,
    change: &CredentialChange,
) -> Result<Receipt, CloudError> {
    match change {
        CredentialChange::PutRolePolicy { policy, role_id, instance, denied } => {
            write(order, documents, policy, role_id, instance, *denied).await
        }
        CredentialChange::DeleteRolePolicy { policy, role_id, instance } => {
            write(order, documents, policy, role_id, instance, Denied::default()).await
        }
        CredentialChange::ModifyInstanceMetadataOptions { instance, enabled } => {
            super::ec2_instances::set_metadata_service(order, instance, *enabled).await
        }
        CredentialChange::DisassociateIamInstanceProfile { association, .. } => {
            ec2_profiles::disassociate(order, association).await
        }
        CredentialChange::AssociateIamInstanceProfile { instance, profile } => {
            ec2_profiles::associate(order, instance, profile).await
        }
    }
}

/// Reads the document, says this of one host, and writes it. What it says of others stays.
async fn write(
    order: &Order<'_>,
    documents: &Policies,
    policy: &InlinePolicy,
    role_id: &str,
    instance: &InstanceId,
    denied: Denied,
) -> Result<Receipt, CloudError> {
    let busy = || CloudError {
        class: ErrorClass::Unavailable,
        ..order.refused("Busy", "the same policy is being written for other hosts")
    };
    let mut history = documents.turn(&(order.place.access.account.clone(), policy.clone())).await.ok_or_else(busy)?;
    let read = match document(order.session, policy).await {
        Ok(None) | Err(Fault::Absent) => RolePolicy::default(),
        Ok(Some(document)) => RolePolicy::parse(&document, role_id)
            .ok_or_else(|| order.refused("NotOurPolicy", "the policy is not of our form; it is left alone"))?,
        Err(Fault::Failed(error)) => return Err(error),
    };
    let before = history.newest(read.clone(), Instant::now());
    let after = before.with(instance, denied);
    // What is read may be old, or somebody's who took ours away: only where it says so already nothing is to be written.
    if after == read {
        return Ok(Receipt::default());
    }
    let (client, mark) = (&order.session.iam_once, order.mark());
    let sent = if after.is_empty() {
        let request = client.delete_role_policy().role_name(policy.role.as_str()).policy_name(&policy.name);
        let sent = order.send("DeleteRolePolicy", &mark, request.customize().interceptor(mark.clone()).send()).await;
        match sent {
            // What is not there is what was asked for.
            Err(error) if error.code == "NoSuchEntity" => Ok(mark.receipt()),
            sent => sent.map(|(_, receipt)| receipt),
        }
    } else {
        let request = client
            .put_role_policy()
            .role_name(policy.role.as_str())
            .policy_name(&policy.name)
            .policy_document(after.document(role_id));
        let sent = order.send("PutRolePolicy", &mark, request.customize().interceptor(mark.clone()).send()).await;
        sent.map(|(_, receipt)| receipt)
    };
    match &sent {
        Ok(_) => history.wrote(before, after, Instant::now()),
        Err(error) if error.class == ErrorClass::Ambiguous => history.forget(),
        Err(_) => {}
    }
    sent
}
