//! What is held stays held, whoever changes it, and what they did stands in the chain.

use crate::chain::{Chain, assert_witnessed};
use crate::inventory::protections;
use crate::scene::{CLOSED, Scene};
use crate::support::aws::{ok, tags};
use crate::support::process::Process;
use crate::support::proxy::{Fault, When};
use crate::support::stage::{LIMIT, uid};
use crate::support::wait;
use serde_json::{Value, json};

/// Looked at each second.
async fn held(prefix: &str, level: &str) -> (Scene, Process) {
    let scene = Scene::with(prefix, |account| account["spec"]["recheck"] = json!("1s")).await;
    let controller = scene.controller("one").await;
    scene.declare("web", level).await;
    scene.until_settled("web").await;
    (scene, controller)
}

async fn chain(scene: &Scene) -> Chain {
    Chain::read(scene, &uid(&scene.get("Quarantine", "web").await)).await
}

/// Waits until the chain says so.
async fn until_said(scene: &Scene, what: &str, says: impl Fn(&Chain) -> bool) -> Chain {
    wait::until(what, LIMIT, async || {
        let chain = chain(scene).await;
        if says(&chain) { Ok(chain) } else { Err(format!("{:#?}", chain.links.last().map(|link| &link.body))) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_somebody_set_is_put_back_and_written_down() {
    let (scene, _controller) = held("drift", "Isolated").await;
    let (interface, foreign) = (&scene.host.interfaces[1], scene.default_group().await);
    let closed = scene.closed_group().await;
    scene.set_groups(interface, &[&closed, &foreign]).await;
    scene.until_groups(CLOSED).await;
    let chain = until_said(&scene, "the foreign value", |chain| !chain.facts("drift").is_empty()).await;
    let drift = chain.facts("drift");
    assert_eq!(drift.len(), 1, "{drift:?}");
    assert_eq!(drift[0]["attribute"], format!("groups/{interface}"));
    let mut both = [closed, foreign];
    both.sort();
    assert_eq!(drift[0]["foreign"], json!(both));
    // What is given back one day is what stood before us, not what somebody put there meanwhile.
    let baselines: Vec<&Value> =
        chain.facts("baseline").into_iter().filter(|fact| fact["attribute"] == drift[0]["attribute"]).collect();
    assert_eq!((baselines.len(), &baselines[0]["value"]), (1, &json!([scene.network.web])));
    scene.until_outcomes(std::slice::from_ref(&chain.uid)).await;
    let chain = self::chain(&scene).await;
    chain.assert_sound();
    assert_witnessed(&scene.proxy.calls(), &[chain], None);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_flaps_does_not_fill_the_chain() {
    let (scene, _controller) = held("flap", "Isolated").await;
    let interface = &scene.host.interfaces[0];
    let values = [scene.network.web.clone(), scene.default_group().await];
    // Each value once: they are written down.
    for value in &values {
        scene.set_groups(interface, &[value]).await;
        scene.until_groups(CLOSED).await;
    }
    let first = until_said(&scene, "both values", |chain| chain.facts("drift").len() == 2).await;
    scene.until_outcomes(std::slice::from_ref(&first.uid)).await;
    let before = chain(&scene).await.links.len();
    for value in [&values[0], &values[0], &values[1], &values[0], &values[1]] {
        let repairs = scene.changes().len();
        scene.set_groups(interface, &[value]).await;
        scene.until_groups(CLOSED).await;
        assert!(scene.changes().len() > repairs);
    }
    let after = chain(&scene).await;
    assert_eq!(after.links.len(), before, "{:#?}", after.links.last().map(|link| &link.body["entries"]));
    // Under the standing intent, witnessed like any other.
    assert_witnessed(&scene.proxy.calls(), &[after], None);
}

async fn rules_of(scene: &Scene, group: &str) -> usize {
    let xml = ok(scene.aws().ec2("DescribeSecurityGroups", &[("GroupId.1", group)]).await);
    tags(&xml, "ipProtocol").len()
}

/// Somebody adds a rule, in one direction, and finds it gone again.
async fn let_through(scene: &Scene, group: &str, direction: &str) {
    let rule = [
        ("GroupId", group),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "198.51.100.0/24"),
    ];
    ok(scene.aws().ec2(&format!("AuthorizeSecurityGroup{direction}"), &rule).await);
    wait::until("a closed group without rules", LIMIT, async || match rules_of(scene, group).await {
        0 => Ok(()),
        rules => Err(format!("{rules} rules")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_somebody_added_to_the_closed_group_goes() {
    let (scene, _controller) = held("rules", "Isolated").await;
    let closed = scene.closed_group().await;
    assert_eq!(rules_of(&scene, &closed).await, 0);
    for (count, direction) in [(1, "Ingress"), (2, "Egress")] {
        let_through(&scene, &closed, direction).await;
        let chain = until_said(&scene, "the foreign rule", |chain| chain.facts("foreignRules").len() == count).await;
        let found = chain.facts("foreignRules")[count - 1];
        assert_eq!(found["group"], closed);
        let words = found["rules"].to_string();
        assert!(words.contains("198.51.100.0/24") && words.contains(direction), "{words}");
    }
    // Again and again: somebody who flaps it does not fill the chain.
    let uid = chain(&scene).await.uid;
    scene.until_outcomes(std::slice::from_ref(&uid)).await;
    let before = chain(&scene).await.links.len();
    for direction in ["Ingress", "Egress", "Egress", "Ingress"] {
        let_through(&scene, &closed, direction).await;
    }
    let after = chain(&scene).await;
    assert_eq!(after.links.len(), before, "{:#?}", after.links.last().map(|link| &link.body["entries"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protection_that_somebody_switched_off_is_switched_on_again() {
    let (scene, _controller) = held("protect", "Protected").await;
    let held = protections(scene.aws(), &scene.host.instance).await;
    assert_eq!(held["disableApiTermination"], "true");
    assert_eq!(held["disableApiStop"], "true");
    assert_eq!(held["instanceInitiatedShutdownBehavior"], "stop");
    assert_eq!(held["deleteOnTermination"], "false,false,false");
    // At Protected the network is left alone.
    assert_eq!(scene.groups().await, [["web"], ["web"]]);

    let instance = ("InstanceId", scene.host.instance.as_str());
    for off in [
        ("DisableApiTermination.Value", "false"),
        ("DisableApiStop.Value", "false"),
        ("InstanceInitiatedShutdownBehavior.Value", "terminate"),
    ] {
        ok(scene.aws().ec2("ModifyInstanceAttribute", &[instance, off]).await);
    }
    wait::until("protections as they were", LIMIT, async || {
        let now = protections(scene.aws(), &scene.host.instance).await;
        if now == held { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let chain = until_said(&scene, "what was switched off", |chain| chain.facts("drift").len() == 3).await;
    let foreign = |attribute: &str| {
        let drift = chain.facts("drift").into_iter().find(|drift| drift["attribute"] == attribute).cloned();
        drift.unwrap_or_default()["foreign"].clone()
    };
    assert_eq!(foreign("disableApiTermination"), json!(false));
    assert_eq!(foreign("disableApiStop"), json!(false));
    assert_eq!(foreign("instanceInitiatedShutdownBehavior"), json!("terminate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn isolation_does_not_wait_for_protection() {
    let scene = Scene::new("lanes").await;
    let protection = scene.proxy.rule(When::operation("ModifyInstanceAttribute"), Fault::HoldRequest);
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    scene.until_groups(CLOSED).await;
    assert!(protection.held() > 0, "nothing of the protection was on its way");
    assert_eq!(protections(scene.aws(), &scene.host.instance).await["disableApiTermination"], "false");
    protection.release();
    scene.until_true("Quarantine", "web", "Ready").await;
    assert_eq!(protections(scene.aws(), &scene.host.instance).await["disableApiTermination"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_denied_slows_down_no_repair() {
    let scene = Scene::with("denied", |account| account["spec"]["recheck"] = json!("1s")).await;
    scene.proxy.rule(When::operation("ModifyInstanceAttribute"), Fault::Unauthorized);
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    scene.until_reason("Quarantine", "web", "Protected", "PermissionMissing").await;
    scene.until_groups(CLOSED).await;
    for _ in 0..4 {
        // Longer than the wait for a person would be by then, if it were not for the other step.
        let looks = scene.looks();
        scene.until_looked(looks + 4).await;
        scene.set_groups(&scene.host.interfaces[0], &[&scene.network.web]).await;
        let before = std::time::Instant::now();
        scene.until_groups(CLOSED).await;
        assert!(before.elapsed() < std::time::Duration::from_secs(3), "{:?}", before.elapsed());
    }
}

/// Somebody's group that happens to have our name, with a rule in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_only_has_our_name_is_not_touched() {
    let scene = Scene::new("namesake").await;
    let make = [("GroupName", CLOSED), ("GroupDescription", "theirs"), ("VpcId", scene.network.vpc.as_str())];
    ok(scene.aws().ec2("CreateSecurityGroup", &make).await);
    let theirs = scene.closed_group().await;
    let rules = rules_of(&scene, &theirs).await;
    assert!(rules > 0);
    let _controller = scene.controller("one").await;
    scene.declare("web", "Isolated").await;
    let told = scene.until_reason("Quarantine", "web", "Isolated", "Conflict").await;
    let message = crate::support::stage::condition_of(&told, "Isolated").unwrap()["message"].to_string();
    assert!(message.contains(&theirs) && message.contains("groupPrefix"), "{message}");
    let looks = scene.looks();
    scene.until_true("Quarantine", "web", "Protected").await;
    scene.until_looked(looks + 1).await;
    assert_eq!(rules_of(&scene, &theirs).await, rules);
    assert_eq!(scene.groups().await, [["web"], ["web"]]);
}
