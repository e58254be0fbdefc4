//! Who is behind an access key, learned from the bed's accounts and from `AssumeRole` replies that pass through.

use super::iam::Roles;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Whoever signed a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Empty where the call was not signed.
    pub access_key: String,
    /// The account that the call acts in, once known.
    pub account: Option<String>,
    /// Present for keys of a user.
    pub user_arn: Option<String>,
    /// Present for keys that `AssumeRole` gave.
    pub role_arn: Option<String>,
    pub session_name: Option<String>,
}

impl Principal {
    /// The ARN by which AWS names this principal in its messages.
    pub fn arn(&self) -> String {
        let account = self.account.as_deref().unwrap_or("000000000000");
        match (&self.role_arn, &self.session_name) {
            (Some(role), Some(session)) => {
                let partition = role.split(':').nth(1).unwrap_or("aws");
                let name = role.rsplit('/').next().unwrap_or_default();
                format!("arn:{partition}:sts::{account}:assumed-role/{name}/{session}")
            }
            _ => self.user_arn.clone().unwrap_or_else(|| format!("arn:aws:iam::{account}:root")),
        }
    }
}

/// Access keys and their principals; clones share what they learn, so that keys which one proxy saw are known to all.
#[derive(Clone, Debug, Default)]
pub struct Principals {
    keys: Arc<Mutex<BTreeMap<String, Principal>>>,
    /// What roles may do.
    pub roles: Roles,
}

impl Principals {
    /// These are keys of an account's user.
    pub fn is_user(&self, access_key: &str, account: &str, user_arn: &str) {
        self.learn(Principal {
            access_key: access_key.to_owned(),
            account: Some(account.to_owned()),
            user_arn: Some(user_arn.to_owned()),
            ..Principal::default()
        });
    }

    /// Reads the keys that an `AssumeRole` reply hands out.
    pub fn learn_assumed(&self, role_arn: &str, session_name: &str, reply: &str) {
        let (Some((_, rest)), account) = (reply.split_once("<AccessKeyId>"), role_arn.split(':').nth(4)) else {
            return;
        };
        self.learn(Principal {
            access_key: rest.split('<').next().unwrap_or_default().trim().to_owned(),
            account: account.map(str::to_owned),
            role_arn: Some(role_arn.to_owned()),
            session_name: Some(session_name.to_owned()),
            ..Principal::default()
        });
    }

    /// What is known of an access key.
    pub fn of(&self, access_key: &str) -> Principal {
        let known = self.keys.lock().expect("no holder panics").get(access_key).cloned();
        known.unwrap_or_else(|| Principal { access_key: access_key.to_owned(), ..Principal::default() })
    }

    fn learn(&self, principal: Principal) {
        self.keys.lock().expect("no holder panics").insert(principal.access_key.clone(), principal);
    }
}
