//! Roles of hosts: made, and looked at, as their owner does.

use super::aws::{Answer, Aws, ok, tag, tags};
use super::world::iam;
use serde_json::Value;

/// What a host of the tests may do.
const ALLOWED: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#;

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;

/// A role with a policy of its own, and its id.
pub struct Role {
    pub name: String,
    pub id: String,
}

impl Role {
    /// Makes it, and an instance profile of the same name for it.
    pub async fn new(aws: &Aws, name: &str) -> Self {
        let made = iam(aws, "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", TRUST)]).await;
        put_policy(aws, name, "app", ALLOWED).await;
        iam(aws, "CreateInstanceProfile", &[("InstanceProfileName", name)]).await;
        iam(aws, "AddRoleToInstanceProfile", &[("InstanceProfileName", name), ("RoleName", name)]).await;
        Self { name: name.to_owned(), id: tag(&made, "RoleId").to_owned() }
    }

    /// Gives it to an instance.
    pub async fn give(&self, aws: &Aws, instance: &str) {
        ok(aws
            .ec2(
                "AssociateIamInstanceProfile",
                &[("InstanceId", instance), ("IamInstanceProfile.Name", self.name.as_str())],
            )
            .await);
    }

    /// An inline policy of it, as AWS has it.
    pub async fn policy(&self, aws: &Aws, name: &str) -> Option<Value> {
        let of = [("RoleName", self.name.as_str()), ("PolicyName", name)];
        document(aws.query("iam", "2010-05-08", "GetRolePolicy", &of).await)
    }

    /// User ids of the sessions that a policy of ours denies everything.
    pub async fn denied(&self, aws: &Aws, name: &str) -> Vec<String> {
        let Some(policy) = self.policy(aws, name).await else { return Vec::new() };
        let all = policy["Statement"].as_array().into_iter().flatten().filter(|statement| statement["Action"] == "*");
        let users = all.filter_map(|statement| statement["Condition"]["StringEquals"]["aws:userid"].as_array());
        users.flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    }

    /// The user id of the sessions of an instance.
    pub fn user(&self, instance: &str) -> String {
        format!("{}:{instance}", self.id)
    }
}

/// Documents come encoded as in an address.
fn document(answer: Answer) -> Option<Value> {
    let (status, xml) = answer.expect("a reply");
    if !status.is_success() {
        assert!(xml.contains("NoSuchEntity"), "{xml}");
        return None;
    }
    let encoded = format!("d={}", tag(&xml, "PolicyDocument"));
    let text = form_urlencoded::parse(encoded.as_bytes()).next().expect("a document").1.into_owned();
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

pub async fn put_policy(aws: &Aws, role: &str, name: &str, document: &str) {
    iam(aws, "PutRolePolicy", &[("RoleName", role), ("PolicyName", name), ("PolicyDocument", document)]).await;
}

/// ARN of the instance profile that an instance has.
pub async fn profile_of(aws: &Aws, instance: &str) -> Option<String> {
    let xml = ok(aws.ec2("DescribeInstances", &[("InstanceId.1", instance)]).await);
    let profile = tags(&xml, "iamInstanceProfile").first().map(|profile| tag(profile, "arn").to_owned());
    profile.filter(|arn| !arn.is_empty())
}

/// Whether the metadata service of an instance answers, and its hop limit.
pub async fn metadata_of(aws: &Aws, instance: &str) -> (String, String) {
    let xml = ok(aws.ec2("DescribeInstances", &[("InstanceId.1", instance)]).await);
    (tag(&xml, "httpEndpoint").to_owned(), tag(&xml, "httpPutResponseHopLimit").to_owned())
}
