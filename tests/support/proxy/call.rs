//! One call that passed through: what it asked for, by whom, and what came of it.

use super::principals::Principal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

/// How a service writes requests and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's own XML.
    Ec2,
    /// The query protocol: Auto Scaling, load balancers, STS, IAM.
    Query,
    /// JSON 1.0 and 1.1: KMS and many others.
    Json,
    /// S3's XML.
    S3,
    /// JSON with paths: EBS direct and others.
    RestJson,
    Kubernetes,
}

/// A call as recorded. While it is under way, `ended` is absent and `outcome` is `InFlight`.
#[derive(Clone, Debug)]
pub struct Call {
    /// From 1, in the order of arrival; goes on when the record is cleared.
    pub sequence: u64,
    pub started: Instant,
    pub ended: Option<Instant>,
    /// The time of arrival for people.
    pub at: SystemTime,
    pub protocol: Protocol,
    pub principal: Principal,
    pub region: String,
    /// As in the credential scope: both kinds of load balancer are `elasticloadbalancing`.
    pub service: String,
    /// The action; for REST method and path; for Kubernetes verb and resource, such as `create custodyrecords`.
    pub operation: String,
    /// Flat: names of forms as they are, of JSON joined by dots, of queries and paths as they are.
    pub parameters: BTreeMap<String, String>,
    pub user_agent: String,
    /// Whether it asks for a change. A dry run does not.
    pub mutates: bool,
    /// What the upstream made of it: absent while it has not been forwarded and answered.
    pub applied: Option<Applied>,
    /// What the client was told.
    pub outcome: Outcome,
    /// What it needed of the policies of its role: actions, each with the statement that allows it. Empty where nobody
    /// judged it.
    pub permissions: BTreeSet<(String, String)>,
    /// What the proxy did to it, such as `held` or `throttled`.
    pub faults: Vec<&'static str>,
    /// False once it is known that nobody was there to take the reply.
    pub delivered: bool,
}

/// The upstream's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub at: Instant,
    pub status: u16,
    pub code: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    InFlight,
    Replied {
        status: u16,
        code: Option<String>,
    },
    /// The connection was closed without a reply.
    Dropped,
}

impl Call {
    pub fn account(&self) -> Option<&str> {
        self.principal.account.as_deref()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The error code that the client saw.
    pub fn code(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Replied { code, .. } => code.as_deref(),
            Outcome::InFlight | Outcome::Dropped => None,
        }
    }

    /// Whether the upstream carried out a change, whatever the client was told.
    pub fn took_effect(&self) -> bool {
        self.mutates && self.applied.as_ref().is_some_and(|applied| (200..300).contains(&applied.status))
    }

    /// From arrival to reply.
    pub fn duration(&self) -> Option<Duration> {
        self.ended.map(|ended| ended - self.started)
    }

    /// Two reads with the same request ask for the same thing.
    pub(super) fn request(&self) -> String {
        let account = self.account().unwrap_or(&self.principal.access_key);
        format!("{account} {} {} {} {:?}", self.region, self.service, self.operation, self.parameters)
    }
}
