//! A chain of custody as a stranger reads it: nothing but the bytes that the API server keeps, and SHA-256.

use crate::support::identities::Identity;
use crate::support::proxy::{Call, Proxy};
use crate::support::stage::Stage;
use kube::api::ListParams;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The links of one chain, in order; reading it panics where one does not follow from the one before it.
pub struct Chain {
    pub uid: String,
    pub links: Vec<Link>,
}

pub struct Link {
    pub name: String,
    pub hash: String,
    pub body: Value,
}

impl Chain {
    pub async fn read(stage: &Stage, uid: &str) -> Self {
        let params = ListParams::default().labels(&format!("sequester.dev/subject={uid}"));
        let listed = stage.api(Identity::Admin, "CustodyRecord").await.list(&params).await.expect("list records");
        let mut records: Vec<_> = listed.items.into_iter().collect();
        records.sort_by_key(|record| record.data["spec"]["index"].as_u64());
        let mut links: Vec<Link> = Vec::new();
        for (index, record) in records.iter().enumerate() {
            let bytes = record.data["spec"]["body"].as_str().expect("a record has a body");
            let body: Value = serde_json::from_str(bytes).expect("a body is JSON");
            let name = record.metadata.name.clone().unwrap_or_default();
            let before = links.last().map_or(Value::Null, |link| format!("sha256:{}", link.hash).into());
            assert_eq!(body["index"], index, "{name} is not where it stands");
            assert_eq!(body["previous"], before, "{name} does not follow from the one before it");
            assert_eq!(body["subject"]["uid"], uid, "{name} is about another object");
            assert!(name.ends_with(&format!("{uid}-{index:06}")), "{name} is not the name of link {index}");
            links.push(Link { name, hash: hex::encode(Sha256::digest(bytes.as_bytes())), body });
        }
        Self { uid: uid.to_owned(), links }
    }

    /// All entries, each with the index of its record.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.links.iter().enumerate().flat_map(|(index, link)| {
            link.body["entries"].as_array().into_iter().flatten().map(move |entry| (index, entry))
        })
    }

    pub fn intents(&self) -> Vec<&Value> {
        self.entries().map(|(_, entry)| entry).filter(|entry| entry["entry"] == "intent").collect()
    }

    /// Facts of one sort.
    pub fn facts(&self, fact: &str) -> Vec<&Value> {
        self.entries().map(|(_, entry)| entry).filter(|entry| entry["fact"] == fact).collect()
    }

    /// What was left as found, but for idle timeouts that were unset, each as AWS documents it: AWS has no call that unsets one.
    pub fn left(&self) -> Vec<&Value> {
        let unset = |fact: &&Value| {
            fact["attribute"].as_str().is_some_and(|attribute| attribute.starts_with("idleTimeouts/"))
                && fact["value"] == "TCP 432000 s, UDP streams 180 s, UDP 30 s"
        };
        self.facts("leftAsFound").into_iter().filter(|fact| !unset(fact)).collect()
    }

    /// Interfaces on which the pulse was begun, as often as it was.
    pub fn pulses(&self) -> Vec<&str> {
        let opening = |intent: &&Value| intent["effect"]["operation"] == "OpenForPulse";
        self.intents().into_iter().filter(opening).filter_map(|intent| intent["effect"]["interface"].as_str()).collect()
    }

    fn outcomes(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.entries().filter(|(_, entry)| entry["entry"] == "outcome")
    }

    /// Intents that have no outcome yet.
    pub fn open(&self) -> Vec<&Value> {
        let ended: Vec<&Value> = self.outcomes().map(|(_, entry)| &entry["id"]).collect();
        self.intents().into_iter().filter(|intent| !ended.contains(&&intent["id"])).collect()
    }

    /// No outcome comes before its intent, or twice.
    pub fn assert_sound(&self) {
        let mut open: Vec<&Value> = Vec::new();
        let mut ended: Vec<&Value> = Vec::new();
        for (index, entry) in self.entries() {
            match entry["entry"].as_str() {
                Some("intent") => open.push(&entry["id"]),
                Some("outcome") => {
                    let id = &entry["id"];
                    assert!(open.contains(&id), "record {index} tells the end of {id}, which was never begun");
                    assert!(!ended.contains(&id), "record {index} tells the end of {id} a second time");
                    ended.push(id);
                }
                _ => {}
            }
        }
    }
}

/// What the User-Agent of a change says about the chain: uid, index and hash of the head.
pub fn witness(call: &Call) -> Option<(String, usize, String)> {
    let product = call.user_agent.split(' ').find_map(|word| word.strip_prefix("custody/"))?;
    let mut words = product.split('/');
    let (uid, index, hash) = (words.next()?, words.next()?, words.next()?);
    Some((uid.to_owned(), index.parse().ok()?, hash.to_owned()))
}

/// Every change on the wire names a link that was there before it, and that link, or one before it, says what is meant.
/// With `kubernetes`, the proxy through which the records were written, "before" is by the clock too.
pub fn assert_witnessed(calls: &[Call], chains: &[Chain], kubernetes: Option<&Proxy>) {
    let writes = kubernetes.map(Proxy::mutations).unwrap_or_default();
    for call in calls.iter().filter(|call| call.mutates) {
        let what = format!("{} {:?}", call.operation, call.parameters);
        let (uid, index, hash) = witness(call).unwrap_or_else(|| panic!("no witness: {what}: {}", call.user_agent));
        let chain = chains.iter().find(|chain| chain.uid == uid).unwrap_or_else(|| panic!("no chain {uid}: {what}"));
        let link = chain.links.get(index).unwrap_or_else(|| panic!("no link {index} in {uid}: {what}"));
        assert_eq!(link.hash, hash, "{what} names another link {index} than there is");
        let meant = chain.entries().filter(|(at, _)| *at <= index).any(|(_, entry)| means(entry, call));
        assert!(meant, "no intent up to link {index} of {uid} for {what}");
        if kubernetes.is_some() {
            let written = writes.iter().filter(|write| write.parameter("name") == Some(&link.name));
            let first =
                written.filter_map(|write| write.applied.as_ref()).filter(|a| a.status == 201).map(|a| a.at).min();
            let first = first.unwrap_or_else(|| panic!("{} was never written through the proxy", link.name));
            assert!(first <= call.started, "{what} left before {} was written", link.name);
        }
    }
}

/// Whether an entry is the intent of a call: the same operation on the same thing.
fn means(entry: &Value, call: &Call) -> bool {
    let effect = &entry["effect"];
    let named = ["association", "interface", "snapshot", "source", "targetGroup", "group", "vpc", "key", "instance"]
        .into_iter()
        .find_map(|name| effect[name].as_str());
    // A policy of a role is about several hosts.
    let named = effect["policy"]["role"].as_str().or(named);
    let same = effect_operation(effect).is_some_and(|operation| call.operation.starts_with(operation))
        || effect["operation"] == "DeleteRolePolicy" && call.operation == "PutRolePolicy";
    entry["entry"] == "intent" && same && named.is_some_and(|id| call.parameters.values().any(|value| value == id))
}

/// The call that an effect is made by.
fn effect_operation(effect: &Value) -> Option<&str> {
    Some(match effect["operation"].as_str()? {
        "AuthorizeRules" => "AuthorizeSecurityGroup",
        "RevokeRules" => "RevokeSecurityGroup",
        "ReplaceSecurityGroups" | "OpenForPulse" | "AssociatePublicIpAddress" | "SetIdleTimeouts" => {
            "ModifyNetworkInterfaceAttribute"
        }
        "LockCopy" => "LockSnapshot",
        "ArchiveSnapshot" | "ArchiveCopy" => "ModifySnapshotTier",
        "ShareSnapshot" | "UnshareSnapshot" => "ModifySnapshotAttribute",
        same @ ("SetInstanceProtection" | "SetDesiredCapacity") => same,
        set if set.starts_with("Set") => "ModifyInstanceAttribute",
        same => same,
    })
}
