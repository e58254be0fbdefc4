//! Reading blocks when not all goes well: what is tried again, what is refused, and what is told.

use crate::image::{BLOCK, Image, blocks_asked, snapshot, volume};
use crate::scene::Scene;
use crate::support::proxy::{Fault, Reply, When};
use hyper::body::Bytes;
use sequester::api::ids::SnapshotId;
use sequester::cloud::blocks::{ReadError, Reading};
use sequester::cloud::error::ErrorClass;
use sequester::playbook::image::{BlockFault, Digests, Range};
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(1);

fn reading() -> Reading {
    Reading { per_second: 5000, at_once: 8, tries: 3, patience: Duration::from_secs(20) }
}

async fn digest(scene: &Scene, snapshot: &SnapshotId) -> Result<Digests, ReadError> {
    scene.aws.digest_snapshot(&scene.place, snapshot, reading(), None, &mut |_| Ok(())).await
}

async fn taken(scene: &Scene, image: &Image) -> SnapshotId {
    snapshot(scene, &volume(scene, 1).await, image).await
}

fn get(snapshot: &SnapshotId, block: u64) -> String {
    format!("GET /snapshots/{snapshot}/blocks/{block}")
}

/// An error of EBS direct with its reason.
fn because(status: u16, code: &'static str, reason: &'static str) -> Fault {
    Fault::rewrite(move |call, _| {
        let body = json!({"Message": "as told", "Reason": reason}).to_string();
        Reply::error(call, status, code, "").with_body(Bytes::from(body))
    })
}

#[tokio::test]
async fn an_empty_volume_has_the_digest_of_its_zeros() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    let digested = digest(&scene, &taken(&scene, &image).await).await.unwrap();
    assert_eq!((digested.bytes, digested.written, digested.not_zero), (1 << 30, 0, 0));
    // `head -c 1073741824 /dev/zero | sha256sum`
    assert_eq!(digested.image.hex(), "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14");
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_changes_nothing() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write([0, 1, 2, 3, 4, 5, 6, 7, 2047], 0);
    let snapshot = taken(&scene, &image).await;
    let list = format!("GET /snapshots/{snapshot}/blocks");
    let once = |operation: &str, fault| scene.proxy.rule(When::operation(operation).once(), fault);
    let rules = [
        once(&list, Fault::Throttle),
        once(&list, Fault::error(503, "ServiceUnavailable", "later")),
        once(&get(&snapshot, 1), Fault::Throttle),
        once(&get(&snapshot, 2), Fault::error(500, "InternalServerException", "no")),
        once(&get(&snapshot, 3), Fault::error(400, "ThrottlingException", "slow")),
        once(&get(&snapshot, 4), Fault::DropReply),
        once(&get(&snapshot, 5), Fault::CutReply(1000)),
    ];
    let digested = digest(&scene, &snapshot).await.unwrap();
    assert!(rules.iter().all(|rule| rule.hits() == 1), "each fault came");
    assert_eq!(digested.image.hex(), image.sha256sum());
    let mut asked = blocks_asked(&scene, &snapshot);
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 2047]);
}

#[tokio::test]
async fn tries_have_an_end_and_the_last_failure_is_told() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write([0, 1], 0);
    let snapshot = taken(&scene, &image).await;
    for (fault, class, times) in [
        (Fault::Throttle, ErrorClass::Throttled, 3),
        (Fault::error(500, "InternalServerException", "no"), ErrorClass::Unavailable, 3),
        (because(403, "AccessDeniedException", "DEPENDENCY_ACCESS_DENIED"), ErrorClass::Denied, 1),
        (because(400, "ValidationException", "INVALID_PARAMETER_VALUE"), ErrorClass::Invalid, 1),
    ] {
        let rule = scene.proxy.rule(When::operation(&get(&snapshot, 1)), fault);
        let told = digest(&scene, &snapshot).await.unwrap_err();
        assert_eq!(rule.hits(), times, "{told}");
        rule.remove();
        let ReadError::Call { snapshot: named, error } = told else { panic!("{told}") };
        assert_eq!((named, error.class, error.operation.as_str()), (snapshot.clone(), class, "GetSnapshotBlock"));
        let action = error.action.as_deref();
        assert_eq!(action, (class == ErrorClass::Denied).then_some("kms:Decrypt"), "the key is what is denied");
    }
}

#[tokio::test]
async fn a_block_that_is_not_what_its_checksum_says_is_refused() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write(0..6, 0);
    let snapshot = taken(&scene, &image).await;
    let flip = Fault::rewrite(|_, reply: Reply| {
        let mut body = reply.body.to_vec();
        body[77] ^= 1;
        reply.with_body(body)
    });
    let rule = scene.proxy.rule(When::operation(&get(&snapshot, 3)), flip);
    let told = digest(&scene, &snapshot).await.unwrap_err();
    assert_eq!(rule.hits(), 1, "other bytes are no fault of the way: it is not asked again");
    let text = told.to_string();
    let ReadError::Block { fault: BlockFault::Checksum { block: 3, told, computed }, .. } = told else {
        panic!("{text}")
    };
    assert_ne!(told, computed);
    for word in [snapshot.as_str(), "block 3", &told, &computed] {
        assert!(text.contains(word), "{word}: {text}");
    }
    rule.remove();
    let short = Fault::rewrite(|_, reply: Reply| {
        let half = reply.body.slice(..1000);
        let mut reply = reply.with_body(half);
        reply.headers.remove("content-length");
        reply.headers.insert("x-amz-data-length", 1000.into());
        reply
    });
    scene.proxy.rule(When::operation(&get(&snapshot, 2)), short);
    let text = digest(&scene, &snapshot).await.unwrap_err().to_string();
    assert!(text.contains("block 2: 1000 bytes came, and it has 524288"), "{text}");
}

#[tokio::test]
async fn tokens_that_end_are_asked_for_again() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write((0..40).chain([2000]), 0);
    let snapshot = taken(&scene, &image).await;
    // Another reader lists the same snapshot while blocks are under way.
    let held = scene.proxy.rule(When::operation(&get(&snapshot, 5)).once(), Fault::HoldRequest);
    let digesting = digest(&scene, &snapshot);
    let voiding = async {
        held.wait_held(1, LIMIT).await;
        // Blocks are asked for side by side: one that comes before it may be under way still.
        let first = get(&snapshot, 0);
        let came = |call: &crate::support::proxy::Call| call.operation == first && call.ended.is_some();
        scene.proxy.wait_for(came, LIMIT).await.expect("the first block");
        scene.emulator.bed_post(&format!("/bed/snapshots/{snapshot}"), &json!({"void_tokens": true})).await;
        held.release();
    };
    let (digested, ()) = tokio::join!(digesting, voiding);
    assert_eq!(digested.unwrap().image.hex(), image.sha256sum());
    let again = blocks_asked(&scene, &snapshot);
    assert_eq!(again.iter().filter(|block| **block == 5).count(), 2, "{again:?}");
    assert_eq!(again.iter().filter(|block| **block == 0).count(), 1, "what is digested is not read again");
    // Pages whose tokens are over at once, and empty pages.
    let settings = json!({"account": scene.account, "ebs_page_span": 10, "page_token_seconds": 0});
    scene.emulator.settings(&settings).await;
    let told = digest(&scene, &snapshot).await.unwrap_err();
    assert!(told.to_string().contains("from block 40 on, 5 times in a row"), "no way past an empty page: {told}");
    scene.emulator.settings(&json!({"account": scene.account, "page_token_seconds": 3600})).await;
    scene.proxy.clear();
    assert_eq!(digest(&scene, &snapshot).await.unwrap().image.hex(), image.sha256sum());
    let pages = scene.proxy.calls().iter().filter(|call| call.operation.ends_with("/blocks")).count();
    assert!(pages > 100, "{pages} pages, most of them empty");
}

#[tokio::test]
async fn only_what_can_be_read_is_and_the_rest_is_named() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    image.write([0], 0);
    let volume = volume(&scene, 1).await;
    let settings = |seconds: u64| json!({"account": scene.account, "snapshot_seconds": seconds});
    scene.emulator.settings(&settings(600)).await;
    let pending = snapshot(&scene, &volume, &image).await;
    scene.emulator.settings(&settings(0)).await;
    let told = digest(&scene, &pending).await.unwrap_err().to_string();
    for word in [pending.as_str(), "does not exist", "completed", "archived", "shared"] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

async fn changed(scene: &Scene, pair: [&SnapshotId; 2]) -> Result<(Vec<Range>, u64), ReadError> {
    let mut ranges = Vec::new();
    let mut tell = |range| {
        ranges.push(range);
        Ok(())
    };
    let compared = scene.aws.changed_blocks(&scene.place, pair, reading(), &mut tell).await?;
    assert_eq!(compared.image, 1 << 30);
    Ok((ranges, compared.bytes))
}

#[tokio::test]
async fn two_moments_differ_in_byte_ranges() {
    let scene = Scene::new().await;
    let image = Image::new(1);
    let volume = volume(&scene, 1).await;
    image.write([0, 1, 2, 9, 10], 0);
    let first = snapshot(&scene, &volume, &image).await;
    image.write([1, 2, 3, 2047], 7);
    let second = snapshot(&scene, &volume, &image).await;
    let range = |block: u64, blocks: u64| Range { offset: block * BLOCK, length: blocks * BLOCK };
    let expected = (vec![range(1, 3), range(2047, 1)], 4 * BLOCK);
    assert_eq!(changed(&scene, [&first, &second]).await.unwrap(), expected);
    // Pages of two blocks and empty ones, and a throttle.
    scene.emulator.settings(&json!({"account": scene.account, "ebs_page_span": 2})).await;
    scene.proxy.rule(When::any().filter(|call| call.operation.ends_with("/changedblocks")).nth(2), Fault::Throttle);
    assert_eq!(changed(&scene, [&first, &second]).await.unwrap(), expected);
    assert_eq!(changed(&scene, [&second, &second]).await.unwrap(), (vec![], 0));
    let other = taken(&scene, &image).await;
    let told = changed(&scene, [&other, &second]).await.unwrap_err();
    assert!(
        matches!(&told, ReadError::Unrelated { first, second: last } if *first == other && *last == second),
        "{told}"
    );
    let nowhere: SnapshotId = "snap-0123456789abcdef0".parse().unwrap();
    for pair in [[&nowhere, &second], [&first, &nowhere]] {
        let told = changed(&scene, pair).await.unwrap_err();
        assert!(matches!(&told, ReadError::Absent { snapshot } if *snapshot == nowhere), "{told}");
    }
}
