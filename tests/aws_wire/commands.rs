//! `sequester digest` and `sequester changed`, as an examiner runs them: the program itself, without a cluster.
#![allow(clippy::disallowed_methods, reason = "the program and others are started and compared")]

use crate::image::{BLOCK, Image, blocks_asked, snapshot, volume};
use crate::scene::Scene;
use crate::support::image::ext4;
use crate::support::process::{Process, Program};
use crate::support::proxy::{Fault, When};
use sequester::api::ids::SnapshotId;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(90);

/// How the program ended, and what it printed to either output.
struct Ended {
    ok: bool,
    out: String,
    err: String,
}

impl Ended {
    /// What a line of the output says.
    fn line(&self, name: &str) -> &str {
        let line = self.out.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {}{}", self.out, self.err)).trim()
    }
}

fn words<'a>(scene: &'a Scene, url: &'a str, arguments: &[&'a str]) -> Vec<String> {
    let common = ["--region", scene.place.region.as_str(), "--endpoint-url", url, "--rate", "5000"];
    arguments.iter().chain(&common).map(ToString::to_string).collect()
}

async fn environment(scene: &Scene) -> [(&'static str, String); 3] {
    let keys = scene.emulator.account(&scene.account).await;
    [
        ("AWS_ACCESS_KEY_ID", keys.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

async fn run(scene: &Scene, arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sequester"));
    command.env_clear().envs(environment(scene).await).args(words(scene, &scene.proxy.url(), arguments));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}

async fn start(scene: &Scene, log: &Path, arguments: &[&str]) -> Process {
    let program = Program::new(env!("CARGO_BIN_EXE_sequester"), log).args(words(scene, &scene.proxy.url(), arguments));
    environment(scene).await.into_iter().fold(program, |program, (name, value)| program.env(name, value)).start()
}

#[tokio::test]
async fn snapshot_sha256sum_and_script_agree_on_a_real_filesystem() {
    let scene = Scene::new().await;
    let Some(image) = ext4() else {
        #[allow(clippy::print_stderr, reason = "who skips a test says so")]
        {
            eprintln!("SKIPPED, 1 test: there is no mkfs.ext4 here, so no real filesystem is compared");
        }
        return;
    };
    let snapshot = snapshot(&scene, &volume(&scene, 1).await, &image).await;
    let [ours, theirs] = ["ours", "theirs"].map(|name| image.folder().join(name));
    let digest = run(&scene, &["digest", snapshot.as_str(), "--manifest", ours.to_str().unwrap()]).await;
    assert!(digest.ok, "{}", digest.err);
    let script = Ended { ok: true, out: image.script(&theirs), err: String::new() };
    assert_eq!(digest.line("image sha256"), image.sha256sum());
    for name in ["bytes", "blocks not zero", "image sha256", "manifest sha256"] {
        assert_eq!(digest.line(name), script.line(name), "{name}");
    }
    assert_eq!(fs::read(&ours).unwrap(), fs::read(&theirs).unwrap(), "the manifests are the same to the byte");
    assert!(digest.line("blocks written").parse::<u64>().unwrap() > 6, "{}", digest.out);
    assert!(digest.err.contains(&format!("{snapshot}: ")) && digest.err.contains(" % of 1024 MiB"), "{}", digest.err);
    let json = run(&scene, &["digest", snapshot.as_str(), "--json"]).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["imageSha256"], digest.line("image sha256"));
    assert_eq!(json["manifestSha256"], digest.line("manifest sha256"));
    assert_eq!((&json["account"], &json["bytes"]), (&scene.account.clone().into(), &(1_u64 << 30).into()));
}

#[tokio::test]
async fn what_is_killed_in_the_middle_goes_on_from_its_state() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write((0..300).chain([2047]), 0);
    let snapshot = snapshot(&scene, &volume(&scene, 1).await, &image).await;
    let [state, manifest, log] = ["state", "manifest", "log"].map(|name| image.folder().join(name));
    let [state_name, manifest_name] = [&state, &manifest].map(|path| path.to_str().unwrap());
    let arguments = ["digest", snapshot.as_str(), "--state", state_name, "--manifest", manifest_name];
    let operation = format!("GET /snapshots/{snapshot}/blocks/299");
    let held = scene.proxy.rule(When::operation(&operation), Fault::HoldRequest);
    let process = start(&scene, &log, &arguments).await;
    let kept = process.alive_until("state after the block before the one that is held", LIMIT, async || {
        held.wait_held(1, LIMIT).await;
        let text = fs::read_to_string(&state).map_err(|error| error.to_string())?;
        let kept: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        kept["part"]["next"].as_u64().filter(|next| *next >= 128).ok_or(text)
    });
    kept.await.unwrap();
    // All 300 blocks were fetched, or are: it never held them all.
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    process.kill();
    held.remove();
    let kept: Value = serde_json::from_str(&fs::read_to_string(&state).unwrap()).unwrap();
    let next = kept["part"]["next"].as_u64().unwrap();
    let before = blocks_asked(&scene, &snapshot).len();
    let other = run(&scene, &["digest", "snap-0123456789abcdef0", "--state", state_name]).await;
    assert!(
        !other.ok && other.err.contains(snapshot.as_str()) && other.err.contains("give another file"),
        "{}",
        other.err
    );
    let digest = run(&scene, &arguments).await;
    assert!(digest.ok, "{}", digest.err);
    let again = blocks_asked(&scene, &snapshot).split_off(before);
    assert_eq!(again.iter().min(), Some(&next), "what was kept is not read again");
    assert_eq!(digest.line("image sha256"), image.sha256sum());
    assert_eq!(digest.line("blocks written"), "301");
    let script = Ended { ok: true, out: image.script(&image.folder().join("theirs")), err: String::new() };
    assert_eq!(digest.line("manifest sha256"), script.line("manifest sha256"));
    assert_eq!(fs::read(&manifest).unwrap(), fs::read(image.folder().join("theirs")).unwrap());
    assert!(!state.exists(), "nothing goes on from here");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // 150 MiB of blocks were read, at most 48 (24 MiB) at the same time.
    assert!(peak < 100 * 1024, "{peak} KiB were held at most");
}

#[tokio::test]
async fn changed_prints_ranges_for_people_and_for_programs() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    let volume = volume(&scene, 1).await;
    image.write([0, 1, 9], 0);
    let first = snapshot(&scene, &volume, &image).await;
    image.write([1, 2, 9], 7);
    let second = snapshot(&scene, &volume, &image).await;
    let lines = run(&scene, &["changed", first.as_str(), second.as_str()]).await;
    assert!(lines.ok, "{}", lines.err);
    assert_eq!(lines.out, format!("{} {}\n{} {}\n", BLOCK, 2 * BLOCK, 9 * BLOCK, BLOCK));
    assert!(lines.err.contains("1572864 of 1073741824 bytes are in blocks that differ, in 2 ranges"), "{}", lines.err);
    let json = run(&scene, &["changed", first.as_str(), second.as_str(), "--json"]).await;
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["first"], &json["second"]), (&first.as_str().into(), &second.as_str().into()));
    assert_eq!((&json["changedBytes"], &json["imageBytes"]), (&(3 * BLOCK).into(), &(1_u64 << 30).into()));
    let range = |at: usize| (json["ranges"][at]["offset"].as_u64(), json["ranges"][at]["length"].as_u64());
    assert_eq!((range(0), range(1)), ((Some(BLOCK), Some(2 * BLOCK)), (Some(9 * BLOCK), Some(BLOCK))));
    let same = run(&scene, &["changed", second.as_str(), second.as_str()]).await;
    assert_eq!((same.ok, same.out.as_str()), (true, ""));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_snapshot_account_and_action() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write([0, 1], 0);
    let ours: SnapshotId = snapshot(&scene, &volume(&scene, 1).await, &image).await;
    let told = |ended: Ended, words: &[&str]| {
        assert!(!ended.ok && ended.out.is_empty(), "{}", ended.out);
        for word in words {
            assert!(ended.err.contains(word), "{word}: {}", ended.err);
        }
    };
    let account = format!("account {}", scene.account);
    let nowhere = "snap-0123456789abcdef0";
    told(run(&scene, &["digest", nowhere]).await, &[nowhere, "does not exist", "in eu-west-1", &account]);
    told(run(&scene, &["changed", nowhere, ours.as_str()]).await, &[nowhere, "does not exist", &account]);
    told(run(&scene, &["digest", "vol-0123456789abcdef0"]).await, &["a snapshot id is snap- followed by"]);
    let list = format!("GET /snapshots/{ours}/blocks");
    let says = "User: arn:aws:iam::1:user/x is not authorized to perform: ebs:ListSnapshotBlocks on resource: y";
    let denied = Fault::error(403, "AccessDeniedException", says);
    let rule = scene.proxy.rule(When::operation(&list), denied);
    told(run(&scene, &["digest", ours.as_str()]).await, &[ours.as_str(), &account, "grant ebs:ListSnapshotBlocks"]);
    rule.remove();
    let flip = Fault::rewrite(|_, reply| {
        let mut body = reply.body.to_vec();
        body[0] ^= 0x80;
        reply.with_body(body)
    });
    scene.proxy.rule(When::operation(&format!("{list}/1")), flip);
    told(
        run(&scene, &["digest", ours.as_str()]).await,
        &[ours.as_str(), "block 1: the checksum told is", "that of the bytes"],
    );
    let path = image.folder().join("nowhere/state");
    told(
        run(&scene, &["digest", ours.as_str(), "--state", path.to_str().unwrap()]).await,
        &["--state ", "nowhere/state"],
    );
}
