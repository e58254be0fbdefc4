//! A whole case, killed wherever it changes AWS or writes a record, ends as if nobody had killed it.
//!
//! An undisturbed run gives the points: each change of AWS by its name and number, each record by its number. Then, for a
//! point and a mode, the same case on a stage of its own: `kill -9` just there, a start under the same identity, and the
//! same questions. A sample by default; `SEQUESTER_CRASHES=all` for every point in every mode, or a part of their names
//! for those; `SEQUESTER_SEED` to repeat a sample.

use crate::chain::{Chain, assert_witnessed};
use crate::copies::forensic_key;
use crate::inventory::{Inventory, ROLE};
use crate::scene::Scene;
use crate::support::aws::REGION;
use crate::support::identities::Identity;
use crate::support::process::Process;
use crate::support::proxy::{Crash, CrashMode, Late, Proxy, When};
use crate::support::roles::Role;
use crate::support::stage::{LIMIT, uid};
use futures::StreamExt;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

const CASE: &str = "case";
const RECORDS: &str = "create custodyrecords";
/// Runs side by side: they mostly wait.
const AT_ONCE: usize = 3;
const SAMPLE: usize = 14;

/// Where a process dies: the n-th call of this operation.
#[derive(Clone, Debug)]
struct Point {
    operation: String,
    nth: u64,
    mode: CrashMode,
}

impl Point {
    fn is_record(&self) -> bool {
        self.operation == RECORDS
    }

    fn name(&self) -> String {
        let mode = match self.mode {
            CrashMode::BeforeApplied => "before it was applied",
            CrashMode::AfterApplied => "applied, without a reply",
            CrashMode::Late(_) => "applied late",
        };
        format!("{} {}, {mode}", self.operation, self.nth)
    }

    /// In each mode. What is late comes after the next process has looked just there, and before it knows what it saw.
    fn in_each_mode(operation: &str, nth: u64) -> [Self; 3] {
        let read = match operation {
            RECORDS => "list custodyrecords",
            "CreateSnapshots" | "CopySnapshot" => "DescribeSnapshots",
            "LockSnapshot" => "DescribeLockedSnapshots",
            "ModifySnapshotAttribute" => "DescribeSnapshotAttribute",
            "ModifyNetworkInterfaceAttribute" | "DisassociateAddress" | "AssociateAddress" => {
                "DescribeNetworkInterfaces"
            }
            "ModifyInstanceAttribute" => "DescribeInstanceAttribute",
            "CreateGrant" | "RevokeGrant" => "ListGrants",
            "ModifyInstanceMetadataOptions" => "DescribeInstances",
            "PutRolePolicy" => "GetRolePolicy",
            groups if groups.contains("SecurityGroup") => "DescribeSecurityGroups",
            other => panic!("which read shows {other}?"),
        };
        let read = Late::AfterRead(read.to_owned());
        [CrashMode::BeforeApplied, CrashMode::AfterApplied, CrashMode::Late(read)].map(|mode| Self {
            operation: operation.to_owned(),
            nth,
            mode,
        })
    }
}

/// One run of the case.
struct Run {
    scene: Scene,
    kubernetes: Proxy,
    kubeconfig: PathBuf,
    /// Of the copies.
    key: String,
}

/// How a run ended.
struct End {
    inventory: Inventory,
    points: Vec<(String, u64)>,
}

impl Run {
    async fn new() -> Self {
        let scene = Scene::new("crash").await;
        let (key, transfer) = (forensic_key(&scene, false).await, forensic_key(&scene, true).await);
        let evidence = json!({
            "destinations": [{"accountRef": scene.forensics_name(), "regions": [REGION]}], "transferKeyArn": transfer,
        });
        scene.declare_accounts(|account| account["spec"]["evidence"] = evidence).await;
        Role::new(scene.aws(), ROLE).await.give(scene.aws(), &scene.host.instance).await;
        let kubernetes = scene.bed.kubernetes_proxy().await;
        let control_plane = &scene.bed.control_plane;
        let token = control_plane.service_account_token("sequester-system", "sequester").await;
        let kubeconfig = control_plane.kubeconfig_through(&kubernetes.url(), &scene.namespace, &token);
        Self { scene, kubernetes, kubeconfig, key }
    }

    fn start(&self) -> Process {
        self.scene.start_with("one", &self.kubeconfig, &[]).0
    }

    async fn open_case(&self) {
        let target =
            json!({"accountRef": self.scene.account_name(), "region": REGION, "instanceId": self.scene.host.instance});
        let spec = json!({
            "requestedBy": "alice", "title": "A web server mines coins", "severity": "Critical", "targets": [target],
            "evidence": {
                // Reading changes nothing, and would take longer than all the rest.
                "verify": "None",
                "share": [{"accountRef": self.scene.forensics_name()}],
                "copies": [{"accountRef": self.scene.forensics_name(), "region": REGION, "kmsKeyArn": self.key}],
            },
        });
        self.scene.apply(Identity::Alice, "ForensicCase", CASE, spec).await.expect("apply the case");
    }

    /// Waits for the end and checks all that must be so after every run.
    async fn end(&self) -> End {
        let (scene, host) = (&self.scene, &self.scene.host.instance);
        let case = scene.until_true("ForensicCase", CASE, "Ready").await;
        let mut names = BTreeMap::new();
        for (kind, name) in [
            ("Quarantine", format!("{CASE}-{host}")),
            ("EvidenceSnapshot", format!("{CASE}-{host}-at-once")),
            ("EvidenceSnapshot", format!("{CASE}-{host}-after-isolation")),
        ] {
            let object = scene.until_true(kind, &name, "Ready").await;
            names.insert(uid(&object), name.trim_start_matches(&format!("{CASE}-{host}-")).to_owned());
        }
        let quarantine = scene.get("Quarantine", &format!("{CASE}-{host}")).await;
        scene.until_pulsed(&uid(&quarantine), scene.host.interfaces.len()).await;
        names.insert(uid(&case), CASE.to_owned());
        let uids: Vec<String> = names.keys().cloned().collect();
        scene.until_outcomes(&uids).await;

        let mut chains = Vec::new();
        for uid in &uids {
            let chain = Chain::read(scene, uid).await;
            chain.assert_sound();
            assert!(chain.facts("surplusSet").is_empty(), "a second set: {:#?}", chain.facts("surplusSet"));
            assert!(chain.facts("copyFound").is_empty(), "a second copy: {:#?}", chain.facts("copyFound"));
            chains.push(chain);
        }
        assert_witnessed(&scene.proxy.calls(), &chains, Some(&self.kubernetes));
        let took = |operation: &str| {
            scene.changes().iter().filter(|call| call.operation == operation && call.took_effect()).count()
        };
        assert_eq!(took("CreateSnapshots"), 2, "one set a moment");
        assert_eq!(took("CopySnapshot"), 8, "each volume once, and the one under the default key out of it first");
        End { inventory: Inventory::take(scene, &names).await, points: self.points() }
    }

    /// Each change of AWS and each record, with its number among its like.
    fn points(&self) -> Vec<(String, u64)> {
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        let records = self.kubernetes.mutations().into_iter().filter(|call| call.operation == RECORDS);
        let calls = self.scene.changes().into_iter().chain(records);
        calls
            .map(|call| {
                let nth = seen.entry(call.operation.clone()).or_default();
                *nth += 1;
                (call.operation, *nth)
            })
            .collect()
    }

    fn arm(&self, point: &Point) -> Crash {
        let proxy = if point.is_record() { &self.kubernetes } else { &self.scene.proxy };
        proxy.crash_when(When::operation(&point.operation).nth(point.nth), point.mode.clone())
    }
}

/// The case without a crash.
async fn undisturbed() -> End {
    let run = Run::new().await;
    let _controller = run.start();
    run.open_case().await;
    run.end().await
}

/// The case with one. False where the point was never reached.
async fn crashed(point: &Point, expected: &Inventory) -> bool {
    let run = Run::new().await;
    let crash = run.arm(point);
    let first = run.start();
    run.open_case().await;
    tokio::select! {
        _ = crash.reached() => {}
        _ = run.end() => return false,
    }
    first.kill();
    crash.killed();
    let second = run.start();
    let end = tokio::time::timeout(LIMIT, run.end()).await;
    let end = end.unwrap_or_else(|_| panic!("no end:\n{}", second.log()));
    assert_eq!(end.inventory, *expected);
    true
}

/// All of them, those of a name, or a sample that always has the set and the copy whose reply is lost.
fn choose(points: &[(String, u64)]) -> (Vec<Point>, String) {
    let mut all: Vec<Point> = points.iter().flat_map(|(operation, nth)| Point::in_each_mode(operation, *nth)).collect();
    if let Ok(which) = std::env::var("SEQUESTER_CRASHES") {
        all.retain(|point| which == "all" || point.name().contains(&which));
        return (all, which);
    }
    let given = std::env::var("SEQUESTER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    fastrand::Rng::with_seed(seed).shuffle(&mut all);
    let always = ["CreateSnapshots 1, applied, without a reply", "CopySnapshot 2, applied, without a reply"];
    all.sort_by_key(|point| !always.contains(&point.name().as_str()));
    all.truncate(SAMPLE);
    (all, format!("a sample; SEQUESTER_SEED={seed} repeats it"))
}

/// Past the test harness, which keeps what passing tests print to itself.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "crash: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_killed_anywhere_ends_as_if_it_had_not_been() {
    let end = undisturbed().await;
    let (points, which) = choose(&end.points);
    let records = end.points.iter().filter(|(operation, _)| operation == RECORDS).count();
    let (changes, runs) = (end.points.len() - records, points.len());
    say(&format!("N = {changes} changes of AWS + {records} records; {runs} runs: {which}"));

    let runs = futures::stream::iter(points).map(|point| {
        let expected = end.inventory.clone();
        let name = point.name();
        // A task of its own, so that all that fail are told, not the first alone.
        let run = async move { tokio::spawn(async move { crashed(&point, &expected).await }).await };
        async move { (name, run.await) }
    });
    let results: Vec<_> = runs.buffer_unordered(AT_ONCE).collect().await;
    let missed: Vec<_> = results.iter().filter(|(_, run)| matches!(run, Ok(false))).map(|(name, _)| name).collect();
    let failed: Vec<_> = results.iter().filter(|(_, run)| run.is_err()).map(|(name, _)| name).collect();
    say(&format!("{} not reached: {missed:?}", missed.len()));
    assert!(failed.is_empty(), "{} of {} runs failed: {failed:#?}", failed.len(), results.len());
    // How many records there are depends a little on what happens side by side; the changes of AWS do not.
    assert!(missed.iter().all(|name| name.starts_with(RECORDS)), "never reached: {missed:#?}");
}
