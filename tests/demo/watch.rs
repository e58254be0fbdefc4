//! Progress as a person who asks `kubectl get` again and again sees it.

use super::scene::Scene;
use super::tell::{code, note, run_as, silently};
use super::{CASE, NAMESPACE};
use crate::support::identities::Identity;
use crate::support::stage::{LIMIT, Stage, condition_of};
use crate::support::wait;
use std::collections::BTreeMap;

/// Rows that were shown, by name, without their age.
pub type Seen = BTreeMap<String, String>;

fn get() -> String {
    format!("kubectl get fcase,quar,evsnap -n {NAMESPACE}")
}

/// Until the first snapshot set of the host is complete and locked, without any approval.
pub async fn until_evidence(stage: &Stage, scene: &Scene) -> Seen {
    let at_once = format!("{CASE}-{}-at-once", scene.suspect.instance);
    stage.until_true("EvidenceSnapshot", &at_once, "Preserved").await;
    let quarantine = stage.until_true("Quarantine", &format!("{CASE}-{}", scene.suspect.instance), "Protected").await;
    for name in ["MetadataCaptured", "ReplacementStopped", "Protected", "Isolated"] {
        let found = condition_of(&quarantine, name).cloned().unwrap_or_default();
        println!("    {name:<18} {:<6} {}", word(&found["status"]), word(&found["message"]));
    }
    let listed = run_as(stage, Identity::Alice, &get()).await;
    listed.succeeded();
    let mut seen = Seen::new();
    changed(&listed.text, &mut seen);
    seen
}

/// Until the controller has said that bob's Approval counts.
pub async fn until_accepted(stage: &Stage) {
    let command = format!("kubectl get approvals -n {NAMESPACE}");
    wait::until("accepted Approval", LIMIT, async || {
        let said = silently(stage, Identity::Bob, &command).await;
        if said.text.contains("Accepted") { Ok(()) } else { Err(said.text) }
    })
    .await;
    run_as(stage, Identity::Bob, &command).await.succeeded();
}

/// Shows each row when it changes, until `kubectl wait` finds the case ready.
pub async fn until_ready(stage: &Stage, mut seen: Seen) {
    note(&format!("Asked again and again, as `watch -n1 {}` does. Of each answer, what is new:", get()));
    let until =
        format!("kubectl wait --for=condition=Ready fcase/{CASE} -n {NAMESPACE} --timeout={}s", LIMIT.as_secs());
    let show = async |seen: &mut Seen| {
        let said = silently(stage, Identity::Alice, &get()).await;
        code(&changed(&said.text, seen).join("\n"));
    };
    let mut ready = std::pin::pin!(silently(stage, Identity::Alice, &until));
    let said = loop {
        tokio::select! {
            biased;
            said = &mut ready => break said,
            () = show(&mut seen) => {}
        }
    };
    // What was true when it became ready may not have been shown.
    show(&mut seen).await;
    println!("  alice$ {until}");
    code(&said.text);
    said.succeeded();
}

/// The lines of kubectl's answer that say something new, each kind's after its header: so they stand as kubectl set
/// them.
fn changed<'a>(listed: &'a str, seen: &mut Seen) -> Vec<&'a str> {
    let (mut lines, mut header) = (Vec::new(), None);
    for line in listed.lines().filter(|line| !line.trim().is_empty()) {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if words[0] == "NAME" {
            header = Some(line);
            continue;
        }
        words.pop(); // AGE
        let row = words.join(" ");
        if seen.get(words[0]) != Some(&row) {
            lines.extend(header.take());
            lines.push(line);
            seen.insert(words[0].to_owned(), row);
        }
    }
    lines
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

/// The paths that can still carry traffic of the host, once all that tells of them was read.
pub async fn survivors(stage: &Stage, scene: &Scene) {
    let name = format!("{CASE}-{}", scene.suspect.instance);
    let read = |found: &serde_json::Value| {
        found["reason"] == "FlowLogsNotRead" && !word(&found["message"]).contains("not read yet")
    };
    stage.until_condition("Quarantine", &name, "FlowsCut", read).await;
    note("What can still carry traffic of it, and what closes that:");
    let lines = r#"{range .status.survivors[*]}{@}{"\n"}{end}"#;
    let command = format!("kubectl get quar {name} -n {NAMESPACE} -o jsonpath='{lines}'");
    run_as(stage, Identity::Alice, &command).await.succeeded();
}

fn word(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or("-")
}
