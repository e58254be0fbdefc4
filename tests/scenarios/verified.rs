//! Evidence whose bytes are read: what the chain says of them, and what tools that are not ours say.

use crate::chain::Chain;
use crate::scene::{BINARY, Scene};
use crate::support::aws::{REGION, ok, tags};
use crate::support::identities::Identity;
use crate::support::image::{BLOCK, Image, ext4};
use crate::support::proxy::{Fault, When};
use crate::support::stage::{LIMIT, condition_of, uid};
use crate::support::wait;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KIND: &str = "EvidenceSnapshot";

/// Volumes of the scene's host by the name of their device.
async fn volumes(scene: &Scene) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for volume in &scene.host.volumes {
        let xml = ok(scene.aws().ec2("DescribeVolumes", &[("VolumeId.1", volume)]).await);
        all.insert(tags(&xml, "device")[0].to_owned(), volume.clone());
    }
    all
}

async fn put(scene: &Scene, volume: &str, image: &Image) {
    scene.bed.emulator.bed_post(&format!("/bed/volumes/{volume}"), &json!({"image": image.path})).await;
}

/// alice asks for a set of the host's volumes but these.
async fn ask(scene: &Scene, exclude: &[&String]) -> String {
    let instance = json!({
        "accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance,
        "excludeVolumeIds": exclude,
    });
    let spec = json!({"requestedBy": "alice", "source": {"instance": instance}});
    scene.apply(Identity::Alice, KIND, "disks", spec).await.unwrap().metadata.uid.unwrap()
}

/// The row of the status that speaks of a volume.
fn row<'a>(object: &'a Value, volume: &str) -> &'a Value {
    let rows = object["status"]["snapshots"].as_array().unwrap();
    rows.iter().find(|row| row["volumeId"] == volume).unwrap_or_else(|| panic!("no {volume} in {rows:#?}"))
}

/// The part of an operation that names a block.
fn is_block(operation: &str, index: u64) -> bool {
    operation.starts_with("GET /snapshots/") && operation.ends_with(&format!("/blocks/{index}"))
}

/// Blocks of which the controller asked for the bytes, in order.
fn blocks_asked(scene: &Scene) -> Vec<u64> {
    let calls = scene.proxy.calls();
    let block = |operation: &str| operation.strip_prefix("GET /snapshots/")?.split_once("/blocks/")?.1.parse().ok();
    calls.iter().filter_map(|call| block(&call.operation)).collect()
}

/// What `sequester digest` prints of a snapshot, as an examiner in the account runs it.
#[allow(clippy::disallowed_methods, reason = "the program itself is run")]
async fn command(scene: &Scene, snapshot: &str) -> Value {
    let keys = scene.bed.emulator.account(&scene.workload.id).await;
    let mut command = std::process::Command::new(BINARY);
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ACCESS_KEY_ID", keys.access_key_id);
    command.env("AWS_SECRET_ACCESS_KEY", keys.secret_access_key);
    command.args(["digest", snapshot, "--json", "--region", REGION, "--endpoint-url", scene.bed.emulator.url()]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A real filesystem, a volume with bytes at both ends, and one on which nothing was ever written.
#[tokio::test(flavor = "multi_thread")]
async fn chain_command_script_and_sha256sum_agree() {
    let scene = Scene::new("verified").await;
    let files = ext4();
    #[allow(clippy::print_stderr, reason = "who leaves something out says so")]
    if files.is_none() {
        eprintln!("there is no mkfs.ext4 here, so no real filesystem is compared");
    }
    let (files, ends, empty) = (files.unwrap_or_else(|| Image::new(1)), Image::new(1), Image::new(1));
    ends.write([0, 2047], 3);
    let volumes: Vec<String> = volumes(&scene).await.into_values().collect();
    let images = [(&volumes[0], &empty), (&volumes[1], &files), (&volumes[2], &ends)];
    for (volume, image) in &images[1..] {
        put(&scene, volume, image).await;
    }
    let _controller = scene.controller("one").await;
    let target = json!({"accountRef": scene.account_name(), "region": REGION, "instanceId": scene.host.instance});
    let spec = json!({
        "requestedBy": "alice", "title": "A web server mines coins", "targets": [target],
        "evidence": {"moments": ["AtOnce"]},
    });
    scene.apply(Identity::Alice, "ForensicCase", "case", spec).await.expect("apply the case");
    let case = scene.until_true("ForensicCase", "case", "EvidenceVerified").await;
    let told = condition_of(&case, "EvidenceVerified").unwrap()["message"].as_str().unwrap();
    assert_eq!(told, "1 of 1 sets verified");

    let name = format!("case-{}-at-once", scene.host.instance);
    let object = scene.until_true(KIND, &name, "Ready").await;
    assert_eq!(object["status"]["summary"]["verified"], "3/3");
    let chain = Chain::read(&scene, &uid(&object)).await;
    let exhibits = chain.facts("digested");
    assert_eq!(exhibits.len(), 3);
    for (n, (volume, image)) in images.into_iter().enumerate() {
        let row = row(&object, volume);
        let snapshot = row["snapshotId"].as_str().unwrap();
        let exhibit = exhibits.iter().find(|exhibit| exhibit["snapshot"] == snapshot).unwrap();
        assert_eq!((&exhibit["algorithm"], &exhibit["size"]), (&json!("SHA-256"), &json!(1_u64 << 30)));
        assert_eq!((&exhibit["account"], &exhibit["region"]), (&json!(scene.workload.id), &json!(REGION)));
        let whole = image.sha256sum();
        assert_eq!(exhibit["digest"], format!("sha256:{whole}"), "{volume}");
        assert_eq!((&row["digest"]["image"], &row["digestPercent"]), (&exhibit["digest"], &json!(100)));
        let script = image.script(&image.folder().join("manifest"));
        let manifest = exhibit["manifest"].as_str().unwrap().trim_start_matches("sha256:");
        assert!(script.contains(&whole) && script.contains(manifest), "{script}");
        let command = command(&scene, snapshot).await;
        assert_eq!((&command["imageSha256"], &command["manifestSha256"]), (&json!(whole), &json!(manifest)));
        assert_eq!(command["blocksWritten"], exhibit["blocksWritten"]);
        let written = exhibit["blocksWritten"].as_u64().unwrap();
        assert!([written == 0, written > 6, written == 2][n], "{written} blocks of {volume}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_controller_goes_on_from_what_the_chain_says() {
    let scene = Scene::new("resumed").await;
    let image = Image::new(1);
    image.write((0..300).chain([2047]), 0);
    let volumes: Vec<String> = volumes(&scene).await.into_values().collect();
    put(&scene, &volumes[1], &image).await;
    // Written down every second and not every hour.
    let (first, ready) = scene.start_controller("one", &["--coalesce", "1"]).await;
    first.wait_ready(&ready, LIMIT).await;
    let held = scene.proxy.rule(When::any().filter(|call| is_block(&call.operation, 299)), Fault::HoldRequest);
    let uid = ask(&scene, &[&volumes[0], &volumes[2]]).await;
    held.wait_held(1, LIMIT).await;
    let noted = |chain: &Chain| {
        let parts = chain.facts("digestPart");
        parts.last().and_then(|part| part["part"]["next"].as_u64()).unwrap_or_default()
    };
    wait::until("a part up to the block that is held", LIMIT, async || {
        let chain = Chain::read(&scene, &uid).await;
        if noted(&chain) >= 299 { Ok(()) } else { Err(format!("{}", noted(&chain))) }
    })
    .await;
    scene
        .until(KIND, "disks", "how far it is", |object| {
            let row = row(object, &volumes[1]);
            row["digestPercent"] == 10 && object["status"]["summary"]["verified"] == "0/1 10%"
        })
        .await;
    first.kill();
    held.remove();
    let mut before = blocks_asked(&scene);
    let asked = before.len();
    before.sort_unstable();
    // What is held is asked for again once its time is over, as on a busy machine.
    before.dedup_by(|one, other| one == other && *one == 299);
    assert_eq!(before, (0..300).chain([2047]).collect::<Vec<_>>(), "each block once");
    let _second = scene.controller("two").await;
    let object = scene.until_true(KIND, "disks", "Verified").await;
    let mut again = blocks_asked(&scene).split_off(asked);
    again.sort_unstable();
    assert_eq!(again, [299, 2047], "what the chain says is not read again");
    assert_eq!(row(&object, &volumes[1])["digest"]["image"], format!("sha256:{}", image.sha256sum()));
    assert_eq!(row(&object, &volumes[1])["digest"]["blocksWritten"], 301);
    let chain = Chain::read(&scene, &uid).await;
    let digested = chain.entries().find(|(_, entry)| entry["fact"] == "digested").unwrap().0;
    let parts: Vec<usize> =
        chain.entries().filter(|(_, entry)| entry["fact"] == "digestPart").map(|(index, _)| index).collect();
    assert!(!parts.is_empty() && parts.iter().all(|index| *index < digested), "none after the end: {parts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_that_is_not_what_its_checksum_says_contradicts_the_evidence() {
    let scene = Scene::new("contradicted").await;
    let [bad, good] = [[0, 3], [0, 5]].map(|blocks| {
        let image = Image::new(1);
        image.write(blocks, 0);
        image
    });
    let volumes: Vec<String> = volumes(&scene).await.into_values().collect();
    put(&scene, &volumes[1], &bad).await;
    put(&scene, &volumes[2], &good).await;
    let flip = Fault::rewrite(|_, reply| {
        let mut body = reply.body.to_vec();
        body[usize::try_from(BLOCK).unwrap() - 1] ^= 1;
        reply.with_body(body)
    });
    let rule = scene.proxy.rule(When::any().filter(|call| is_block(&call.operation, 3)), flip);
    let _controller = scene.controller("one").await;
    let uid = ask(&scene, &[&volumes[0]]).await;
    let object = scene
        .until(KIND, "disks", "contradicted, and the rest verified", |object| {
            let reason = condition_of(object, "Verified").map(|found| found["reason"] == "Contradicted");
            let counted = || condition_of(object, "Verified").unwrap()["message"].as_str().unwrap().contains("1 of 2");
            reason == Some(true) && counted() && row(object, &volumes[2])["digest"].is_object()
        })
        .await;
    assert_eq!(rule.hits(), 1, "it is not asked again until it says what is wished for");
    let chain = Chain::read(&scene, &uid).await;
    let [fact] = chain.facts("contradicted")[..] else { panic!("{:?}", chain.facts("contradicted")) };
    let snapshot = row(&object, &volumes[1])["snapshotId"].as_str().unwrap();
    assert_eq!((&fact["snapshot"], &fact["what"]), (&json!(snapshot), &json!("block 3")));
    let (told, found) = (fact["told"].as_str().unwrap(), fact["found"].as_str().unwrap());
    assert_ne!(told, found);
    let condition = condition_of(&object, "Verified").unwrap();
    let message = condition["message"].as_str().unwrap();
    assert_eq!(condition["status"], "False");
    for word in [snapshot, "block 3", told, found, "1 of 2"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(condition_of(&object, "Ready").unwrap()["reason"], "Contradicted");
    assert_eq!(condition_of(&object, "Preserved").unwrap()["status"], "True");
    assert_eq!(object["status"]["summary"]["verified"], "Contradicted");
    assert_eq!(row(&object, &volumes[2])["digest"]["image"], format!("sha256:{}", good.sha256sum()));
    assert!(row(&object, &volumes[1])["digest"].is_null(), "it has none");
    let changes: Vec<String> = scene.changes().into_iter().map(|call| call.operation).collect();
    assert!(changes.iter().all(|name| ["CreateSnapshots", "LockSnapshot"].contains(&name.as_str())), "{changes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_denied_is_named_and_goes_on_once_it_is_granted() {
    let scene = Scene::new("unreadable").await;
    let volumes: Vec<String> = volumes(&scene).await.into_values().collect();
    let says = "User: arn:aws:iam::1:user/x is not authorized to perform: ebs:ListSnapshotBlocks on resource: y";
    let denied = Fault::error(403, "AccessDeniedException", says);
    let lists = When::any().filter(|call| call.operation.starts_with("GET /snapshots/"));
    let rule = scene.proxy.rule(lists, denied);
    let _controller = scene.controller("one").await;
    ask(&scene, &[&volumes[1], &volumes[2]]).await;
    let object = scene.until_reason(KIND, "disks", "Verified", "PermissionMissing").await;
    let message = condition_of(&object, "Verified").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("grant ebs:ListSnapshotBlocks to the role"), "{message}");
    assert_eq!(condition_of(&object, "Preserved").unwrap()["status"], "True", "evidence is safe without it");
    rule.remove();
    scene.until_true(KIND, "disks", "Ready").await;
}
