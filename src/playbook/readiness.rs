//! The procedure of an account: it changes nothing.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::effect::Effect;
use super::seen::Read;
use super::step::{Change, Procedure, Refusal, Step, View};
use crate::api::aws_account::AwsAccountSpec;
use crate::api::ids::AccountId;

/// Readiness of one AWS account.
#[derive(Debug)]
pub struct AwsAccount;

/// Who we are in the account, as STS says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The account of the credentials.
    pub account: AccountId,
    /// ARN of the principal, without the session's name where that changes.
    pub arn: String,
}

/// What is known of the admission policies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// They are enforced.
    Given,
    /// They are not, and why.
    Failed(String),
    /// Nobody could say, and why.
    Open(String),
}

/// What can be seen of an account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountSeen {
    /// Answer of STS.
    pub identity: Read<Identity>,
    /// Whether a forged Approval is refused, and the policies are the shipped ones.
    pub policies: Proof,
    /// Namespaces with something that is held or kept in the account.
    pub namespaces_in_use: BTreeSet<String>,
}

/// No change at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {}

impl Change for Nothing {
    fn intent(&self) -> Option<&Effect> {
        match *self {}
    }
}

impl Procedure for AwsAccount {
    type Spec = AwsAccountSpec;
    type Seen = AccountSeen;
    type Effect = Nothing;
    const TABLE: &'static [Step<Self>] = super::AWS_ACCOUNT;

    fn admit(_view: &View<'_, Self>) -> Result<(), Refusal> {
        Ok(())
    }

    fn declared(spec: &AwsAccountSpec) -> Json {
        json!({"accountId": spec.account_id})
    }
}
