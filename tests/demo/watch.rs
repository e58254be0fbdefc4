//! Progress as a person at `kubectl get -w` sees it.

use super::scene::Scene;
use super::tell::note;
use super::{CASE, NAMESPACE};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, Stage, condition_of};
use std::collections::BTreeMap;
use std::time::Instant;

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
    let began = Instant::now();
    loop {
        let listed = stage.run_kubectl(Identity::Alice, &["get", "fcase,quar,evsnap", "-n", NAMESPACE]).await;
        show(&listed, &mut shown);
        let case = stage.get("ForensicCase", CASE).await;
        if condition_of(&case, "Ready").is_some_and(|ready| ready["status"] == "True") {
            break;
        }
        assert!(began.elapsed() < LIMIT, "the case is not ready: {:#}", case["status"]["conditions"]);
    }
    let wait = ["wait", "--for=condition=Ready", &format!("fcase/{CASE}"), "-n", NAMESPACE, "--timeout=60s"];
    let said = stage.run_kubectl(Identity::Alice, &wait).await;
    super::tell::output("alice", &format!("kubectl wait --for=condition=Ready fcase/{CASE}"), &said);
}

/// Prints the rows that changed, each kind's header before its first.
fn show(listed: &str, shown: &mut BTreeMap<String, String>) {
    let mut header = None;
    for line in listed.lines().filter(|line| !line.trim().is_empty()) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "NAME" {
            header = Some(line);
            continue;
        }
        words.pop(); // AGE
        let row = words.join(" ");
        if shown.get(words[0]) == Some(&row) {
            continue;
        }
        if !shown.contains_key(words[0])
            && let Some(header) = header.take()
        {
            println!("    {header}");
        }
        println!("    {line}");
        shown.insert(words[0].to_owned(), row);
    }
}

/// The two clocks.
pub async fn clocks(stage: &Stage) {
    let case = stage.get("ForensicCase", CASE).await;
    let at = |name: &str| {
        case["status"][name]
            .as_str()
            .and_then(|time| time.parse::<jiff::Timestamp>().ok())
            .map(jiff::Timestamp::as_second)
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
