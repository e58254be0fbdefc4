//! The chain as a timeline, checked with nothing but SHA-256 and the bytes that the API server keeps.

use super::CASE;
use super::scene::Scene;
use crate::support::identities::Identity;
use crate::support::stage::{Stage, uid};
use kube::api::ListParams;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub async fn timeline(stage: &Stage, scene: &Scene) {
    let host = &scene.suspect.instance;
    for (kind, name) in [
        ("Quarantine", format!("{CASE}-{host}")),
        ("EvidenceSnapshot", format!("{CASE}-{host}-at-once")),
        ("EvidenceSnapshot", format!("{CASE}-{host}-after-isolation")),
        ("ForensicCase", CASE.to_owned()),
    ] {
        let object = stage.get(kind, &name).await;
        println!("  {kind} {name}");
        chain(stage, &uid(&object)).await;
    }
}

async fn chain(stage: &Stage, uid: &str) {
    let params = ListParams::default().labels(&format!("sequester.dev/subject={uid}"));
    let listed = stage.api(Identity::Auditor, "CustodyRecord").await.list(&params).await.expect("list records");
    let mut records: Vec<String> =
        listed.iter().map(|r| r.data["spec"]["body"].as_str().unwrap_or_default().to_owned()).collect();
    records.sort_by_key(|bytes| serde_json::from_str::<Value>(bytes).ok().and_then(|body| body["index"].as_u64()));
    let mut previous = Value::Null;
    for (index, bytes) in records.iter().enumerate() {
        let body: Value = serde_json::from_str(bytes).expect("a body");
        let linked = body["previous"] == previous && body["index"] == index;
        previous = Value::String(format!("sha256:{}", hex::encode(Sha256::digest(bytes.as_bytes()))));
        let time = body["time"].as_str().unwrap_or_default();
        println!(
            "    {} #{index} {} {}",
            time.get(11..19).unwrap_or(time),
            if linked { "ok    " } else { "BROKEN" },
            short(&previous)
        );
        for entry in body["entries"].as_array().into_iter().flatten() {
            println!("             {}", words(entry).trim_end());
        }
        assert!(linked, "link {index} does not follow from the one before it");
    }
}

/// One entry in words. The operation id, or its beginning, stands with an intent and with its outcome.
fn words(entry: &Value) -> String {
    match entry["entry"].as_str().unwrap_or_default() {
        "intent" => format!("intent   {} {}", operation(&entry["id"]), effect(&entry["effect"])),
        "outcome" => {
            let made = entry["created"].as_array().into_iter().flatten().map(|one| {
                let role = one.get("role").map(|role| format!(" ({})", text(role))).unwrap_or_default();
                format!(", made {}{role}", text(&one["id"]))
            });
            let error = entry["error"].as_str().map(|error| format!(", {error}")).unwrap_or_default();
            let made: String = made.collect();
            format!("outcome  {} {}{error}{made}", operation(&entry["id"]), text(&entry["result"]))
        }
        "decision" => {
            let people: Vec<&str> = entry["approvals"].as_object().into_iter().flatten().map(|one| &**one.0).collect();
            let alone = if entry["breakGlass"] == true { ", breaking the glass" } else { "" };
            let (action, people) = (text(&entry["action"]), people.join(" and "));
            format!("decision {action} approved by {people}{alone} (plan {})", short(&entry["planHash"]))
        }
        "fact" => format!("fact     {} {}", text(&entry["fact"]), fact(entry)),
        other => format!("{other:<8} {}", text(&entry["about"])),
    }
}

/// The change and what it is about.
fn effect(effect: &Value) -> String {
    let about = ["interface", "snapshot", "volume", "group", "vpc", "targetGroup", "loadBalancer", "instance", "key"];
    let about = about.iter().find_map(|name| effect.get(name)).map(text).unwrap_or_default();
    let role = effect.get("role").map(|role| format!("{}, in ", text(role))).unwrap_or_default();
    format!("{} {role}{about}", text(&effect["operation"]))
}

/// What a fact is about.
fn fact(entry: &Value) -> String {
    match entry["fact"].as_str().unwrap_or_default() {
        "planPublished" => format!("{} {}", text(&entry["action"]), short(&entry["hash"])),
        "gaveUp" => format!("{} {}: {}", text(&entry["step"]), text(&entry["part"]), text(&entry["reason"])),
        "baseline" => format!("{} was {}", text(&entry["attribute"]), text(&entry["value"])),
        "snapshotSettled" => format!("{} {}", text(&entry["snapshot"]), text(&entry["state"])),
        "shared" => format!("{} with {}", text(&entry["snapshot"]), text(&entry["accounts"])),
        "digested" => format!("{} {}", text(&entry["snapshot"]), text(&entry["digest"])),
        "composed" => text(&entry["children"]),
        _ => ["attribute", "snapshot", "action"].iter().find_map(|name| entry.get(name)).map(text).unwrap_or_default(),
    }
}

/// The beginning of an operation id, which names an intent and its outcome.
fn operation(id: &Value) -> String {
    text(id).chars().take(8).collect()
}

/// The beginning of a hash.
fn short(hash: &Value) -> String {
    text(hash).chars().take("sha256:".len() + 12).collect()
}

/// A value without quotes.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
