//! Evidence that is read: how near to what AWS allows, what it costs in time of the processor, and how much memory.

use crate::support::aws::{Aws, REGION, ok, tag, tags};
use crate::support::bed::Bed;
use crate::support::identities::Identity;
use crate::support::image::Image;
use crate::support::process::Process;
use crate::support::proxy::{Bucket, Call, Fault, Outcome, When};
use crate::support::stage::Stage;
use crate::support::world::{Network, run_instance};
use kube::api::DynamicObject;
use kube::runtime::wait::await_condition;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(15);
/// Blocks a second that are asked for: twice as many as are let through, and more than the emulator can give.
const ASKED: &str = "100";
/// Blocks a second that the proxy lets through.
const ALLOWED: f64 = 50.0;
const BURST: u32 = 10;
/// Ticks of the processor's clock in a second (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

/// Reads three volumes one after another: one under a limit, one that is full, and a large one with little on it.
pub async fn measure(bed: &'static Bed) {
    let stage = Stage::new(bed, "bench-digest", env!("CARGO_BIN_EXE_sequester")).await;
    let aws = &stage.workload.admin;
    let network = Network::new(aws).await;
    stage.declare_accounts(|account| account["spec"]["recheck"] = json!("2s")).await;
    let (controller, ready) = stage.start_controller("bench", &["--digest-rate", ASKED]).await;
    controller.wait_ready(&ready, LIMIT).await;

    let limited = Image::new(1);
    limited.write(0..2048, 1);
    let bucket = Fault::Bucket(Bucket::shared(BURST, ALLOWED));
    let rule = stage.proxy.rule(When::any().filter(|call| call.operation.contains("/blocks/")), bucket);
    let host = host(aws, &network, 1, &limited).await;
    read(&stage, &controller, "limited", &host, Some(&limited)).await;
    rule.remove();
    let calls = stage.proxy.calls();
    let served: Vec<_> = calls.iter().filter(|call| call.operation.contains("/blocks/") && is_served(call)).collect();
    let began = served.iter().map(|call| call.started).min().expect("a block");
    let ended = served.iter().filter_map(|call| call.ended).max().expect("a block");
    #[allow(clippy::cast_precision_loss, reason = "hundreds")]
    let rate = (served.len() as f64 - f64::from(BURST)) / ended.duration_since(began).as_secs_f64();
    println!(
        "digest: {} blocks where {ALLOWED} a second are let through: {rate:.1} a second = {:.2} x the limit (goal 0.90: {})",
        served.len(),
        rate / ALLOWED,
        verdict(rate >= 0.9 * ALLOWED)
    );

    let full = Image::new(1);
    full.write(0..2048, 2);
    let plain = plain(1 << 30);
    let host = self::host(aws, &network, 1, &full).await;
    let (took, cpu) = read(&stage, &controller, "full", &host, Some(&full)).await;
    let small = peak(&controller);
    println!(
        "  1 GiB, all of it written: {:.1} s, {cpu:.1} s of the processor; plain SHA-256 of 1 GiB takes {plain:.2} s: {:.1} x (goal 1.3: {}; \
         each written byte is hashed twice, as a block and as a part of the image, and comes by HTTP; a development build)",
        took.as_secs_f64(),
        cpu / plain,
        verdict(cpu <= 1.3 * plain)
    );

    let large = Image::new(64);
    large.write((0..100).map(|n| n * 1310), 3);
    let host = self::host(aws, &network, 64, &large).await;
    let (took, cpu) = read(&stage, &controller, "large", &host, None).await;
    println!(
        "  64 GiB, 100 blocks of it written: {:.1} s, {cpu:.1} s of the processor: {:.2} x plain SHA-256 (goal 1.3: {})",
        took.as_secs_f64(),
        cpu / (64.0 * plain),
        verdict(cpu <= 1.3 * 64.0 * plain)
    );
    let most = peak(&controller);
    println!(
        "  memory of the controller at most: {} MiB after 1 GiB, {} MiB after 64 GiB (goal flat: {})",
        small / 1024,
        most / 1024,
        verdict(most <= small + small / 10)
    );
}

fn is_served(call: &Call) -> bool {
    matches!(call.outcome, Outcome::Replied { status: 200, .. })
}

fn verdict(good: bool) -> &'static str {
    if good { "reached" } else { "MISSED" }
}

/// A host, its root volume, and a volume of this size with the image on it.
async fn host(aws: &Aws, network: &Network, gib: u64, image: &Image) -> [String; 3] {
    let instance = run_instance(aws, network).await;
    let filter = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", instance.as_str())];
    let root = tag(&ok(aws.ec2("DescribeVolumes", &filter).await), "volumeId").to_owned();
    let described = ok(aws.ec2("DescribeInstances", &[("InstanceId.1", &instance)]).await);
    let size = gib.to_string();
    let new = [("Size", size.as_str()), ("AvailabilityZone", tags(&described, "availabilityZone")[0])];
    let volume = tag(&ok(aws.ec2("CreateVolume", &new).await), "volumeId").to_owned();
    let attach = [("VolumeId", volume.as_str()), ("InstanceId", &instance), ("Device", "/dev/sdf")];
    ok(aws.ec2("AttachVolume", &attach).await);
    let path = format!("/bed/volumes/{volume}");
    Bed::shared().await.emulator.bed_post(&path, &json!({"image": image.path})).await;
    [instance, root, volume]
}

/// Keeps and reads the volume; how long the reading took, and how long the processor worked for it.
async fn read(
    stage: &Stage,
    controller: &Process,
    name: &str,
    [instance, root, _]: &[String; 3],
    image: Option<&Image>,
) -> (Duration, f64) {
    let source = json!({
        "accountRef": stage.account_name(), "region": REGION, "instanceId": instance, "excludeVolumeIds": [root],
    });
    let mut spec = json!({"requestedBy": "alice", "source": {"instance": source}, "verify": "None"});
    stage.apply(Identity::Alice, "EvidenceSnapshot", name, spec.clone()).await.expect("apply");
    stage.until_true("EvidenceSnapshot", name, "Ready").await;
    let (began, before) = (Instant::now(), cpu(controller));
    spec["verify"] = json!("Digest");
    let applied = stage.apply(Identity::Alice, "EvidenceSnapshot", name, spec).await.expect("apply");
    let uid = applied.metadata.uid.unwrap_or_default();
    // A watch: who asks again and again takes from what is measured.
    let verified = await_condition(stage.api(Identity::Admin, "EvidenceSnapshot").await, name, is_verified);
    tokio::time::timeout(LIMIT, verified).await.expect("verified in time").expect("watch");
    let (took, worked) = (began.elapsed(), cpu(controller) - before);
    let chain = stage.chain(&uid).await;
    let mut entries = chain.iter().flat_map(|body| body["entries"].as_array().into_iter().flatten());
    let digested = entries.find(|entry| entry["fact"] == "digested").expect("a digest");
    if let Some(image) = image {
        assert_eq!(digested["digest"], format!("sha256:{}", image.sha256sum()), "{name}");
    }
    (took, worked)
}

fn is_verified(object: Option<&DynamicObject>) -> bool {
    let conditions = object.and_then(|object| object.data["status"]["conditions"].as_array());
    conditions.into_iter().flatten().any(|found| found["type"] == "Verified" && found["status"] == "True")
}

/// Seconds that the processor worked for a process so far.
fn cpu(process: &Process) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).expect("a process");
    let after = stat.rsplit(") ").next().unwrap_or_default();
    // From the state on, user and system time are the 12th and 13th (proc(5)).
    let times = after.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok());
    times.sum::<f64>() / TICKS
}

/// KiB that a process had in memory at most.
fn peak(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Seconds that plain SHA-256 takes for so many bytes, by the same crate, the quickest of three.
fn plain(bytes: u64) -> f64 {
    let piece = vec![0xa5; 1 << 20];
    let once = || {
        let began = Instant::now();
        let mut hash = Sha256::new();
        for _ in 0..bytes >> 20 {
            hash.update(&piece);
        }
        std::hint::black_box(hash.finalize());
        began.elapsed().as_secs_f64()
    };
    (0..3).map(|_| once()).fold(f64::MAX, f64::min)
}
