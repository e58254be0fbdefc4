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
            &previous.as_str().unwrap_or_default()[..19]
        );
        for entry in body["entries"].as_array().into_iter().flatten() {
            println!("             {}", words(entry));
        }
        assert!(linked, "link {index} does not follow from the one before it");
    }
}

/// One entry in words.
fn words(entry: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    match entry["entry"].as_str().unwrap_or_default() {
        "intent" => {
            let effect = &entry["effect"];
            let about = ["interface", "snapshot", "volume", "group", "vpc", "instance", "key"]
                .iter()
                .find_map(|name| effect.get(name))
                .map(text)
                .unwrap_or_default();
            format!("intent   {} {about}", text(&effect["operation"]))
        }
        "outcome" => {
            let id = text(&entry["id"]);
            format!("outcome  {} {}", text(&entry["result"]), id.get(..8).unwrap_or(&id))
        }
        "decision" => format!("decision {} approved by {}", text(&entry["action"]), entry["approvals"]),
        "fact" => {
            let what = ["attribute", "snapshot", "action", "part"].iter().find_map(|name| entry.get(name)).map(text);
            format!("fact     {} {}", text(&entry["fact"]), what.unwrap_or_default())
        }
        other => format!("{other}   {}", text(&entry["about"])),
    }
}
