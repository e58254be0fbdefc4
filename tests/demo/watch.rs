//! Progress as a person at `kubectl get -w` sees it.

use super::scene::Scene;
use super::tell::note;
use super::{CASE, NAMESPACE};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, Stage, condition_of};
use crate::support::wait;
use std::collections::BTreeMap;

/// Until the first snapshot set of the host is complete and locked, without any approval.
pub async fn until_evidence(stage: &Stage, scene: &Scene) {
    let at_once = format!("{CASE}-{}-at-once", scene.suspect.instance);
    stage.until_true("EvidenceSnapshot", &at_once, "Preserved").await;
    let quarantine = stage.until_true("Quarantine", &format!("{CASE}-{}", scene.suspect.instance), "Protected").await;
    for name in ["MetadataCaptured", "Protected", "Isolated"] {
        let found = condition_of(&quarantine, name).cloned().unwrap_or_default();
        println!("    {name:<17} {:<6} {}", word(&found["status"]), word(&found["message"]));
    }
    let rows = stage.run_kubectl(Identity::Alice, &["get", "evsnap", "-n", NAMESPACE]).await;
    super::tell::output("alice", "kubectl get evsnap", &rows);
}

/// Prints each row when it changes, until the case is ready.
pub async fn until_ready(stage: &Stage) {
    println!("  alice$ kubectl get fcase,quar,evsnap -w");
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    wait::until("the case to be ready", LIMIT, async || {
        let listed = stage.run_kubectl(Identity::Alice, &["get", "fcase,quar,evsnap", "-n", NAMESPACE]).await;
        let mut header = String::new();
        for line in listed.lines().filter(|line| !line.trim().is_empty()) {
            let mut words: Vec<&str> = line.split_whitespace().collect();
            if words[0] == "NAME" {
                header = line.to_owned();
                continue;
            }
            words.pop(); // AGE
            let row = words.join(" ");
            if shown.get(words[0]) != Some(&row) {
                if !shown.contains_key(words[0]) {
                    println!("    {header}");
                }
                println!("    {line}");
                shown.insert(words[0].to_owned(), row.clone());
            }
        }
        let case = stage.get("ForensicCase", CASE).await;
        match condition_of(&case, "Ready") {
            Some(ready) if ready["status"] == "True" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let wait = ["wait", "--for=condition=Ready", &format!("fcase/{CASE}"), "-n", NAMESPACE, "--timeout=60s"];
    let said = stage.run_kubectl(Identity::Alice, &wait).await;
    super::tell::output("alice", &format!("kubectl wait --for=condition=Ready fcase/{CASE}"), &said);
}

/// The two clocks.
pub async fn clocks(stage: &Stage) {
    let case = stage.get("ForensicCase", CASE).await;
    let at = |name: &str| {
        case["status"][name].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_second)
    };
    let (since, contained, safe) = (at("exposedSince"), at("containedAt"), at("evidenceSafeAt"));
    let seconds = |to: Option<i64>| match (since, to) {
        (Some(from), Some(to)) => format!("{} s", to - from),
        _ => "not yet".to_owned(),
    };
    note(&format!("exposed for {} (alice waited for bob), evidence safe in {}", seconds(contained), seconds(safe)));
}

fn word(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("-")
}
