//! `make bench`: time to containment, against the serial floor that the same run measures; and what reading evidence takes.
//! `BENCH_ONLY=digest` measures the latter alone.
//!
//! The proxy gives every AWS call a round trip of 100 ms. The floor is what the calls on the way to containment cost
//! one after another, each measured alone on the same bed: a ratio to it says how much the controller adds.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "a bench that can't measure says why")]
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

#[path = "../support/mod.rs"]
mod support;

mod digest;
mod floor;
mod path;
mod settled;

use std::time::{Duration, Instant};

use kube::api::ListParams;
use serde_json::{Value, json};
use support::aws::{Aws, REGION};
use support::bed::Bed;
use support::identities::Identity;
use support::proxy::Call;
use support::stage::{LIMIT, Stage};
use support::wait::until;
use support::world::{Host, Network, run_instance};

const LATENCY: Duration = Duration::from_millis(100);
const WARM: usize = 20;
const COLD: usize = 6;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("start a runtime");
    runtime.block_on(async {
        let bed = Bed::shared().await;
        let only = std::env::var("BENCH_ONLY").unwrap_or_default();
        if only == "digest" {
            return digest::measure(bed).await;
        }
        let parts = floor::measure(bed).await;
        let warm = warm(bed).await;
        report("warm", &warm, parts.warm(), (1.10, 1.30), 3);
        let cold = cold(bed).await;
        report("cold", &cold, parts.cold(), (1.20, 1.30), 8);
        settled::measure(bed).await;
        digest::measure(bed).await;
    });
}

/// One containment: how long from the apply, and the calls on the way.
struct Run {
    took: Duration,
    serial: usize,
}

fn quarantine(stage: &Stage, instance: &str) -> Value {
    json!({
        "requestedBy": "alice", "level": "Isolated",
        "target": {"accountRef": stage.account_name(), "region": REGION, "instanceId": instance},
    })
}

/// From the apply until AWS has applied the closed group to the last interface.
async fn contain(stage: &Stage, name: &str, host: &Host) -> Run {
    // alice's connection is open: the clock starts with her request.
    let api = stage.api(Identity::Alice, "Quarantine").await;
    api.list(&ListParams::default().limit(1)).await.expect("list");
    let spec = quarantine(stage, &host.instance);
    let began = Instant::now();
    stage.apply_through(&api, Identity::Alice, "Quarantine", name, spec).await.expect("apply");
    let accepted = began.elapsed();
    for interface in &host.interfaces {
        let swapped = |call: &Call| {
            call.operation == "ModifyNetworkInterfaceAttribute"
                && call.started >= began
                && call.parameter("NetworkInterfaceId") == Some(interface)
                && call.took_effect()
                && call.ended.is_some()
        };
        stage.proxy.wait_for(swapped, LIMIT).await.expect("a closed group");
    }
    let calls: Vec<_> = stage.proxy.calls().into_iter().filter(|call| call.started >= began).collect();
    let last = host
        .interfaces
        .iter()
        .map(|interface| {
            let mut swaps = calls.iter().filter(|call| {
                call.operation == "ModifyNetworkInterfaceAttribute"
                    && call.parameter("NetworkInterfaceId") == Some(interface)
                    && call.took_effect()
            });
            // The reply's end and not the moment of its effect: the floor is made of whole round trips too.
            swaps.next().map(|call| call.ended.unwrap_or_else(Instant::now)).expect("a swap")
        })
        .max()
        .expect("an interface");
    if std::env::var_os("BENCH_CALLS").is_some() {
        for call in calls.iter().filter(|call| call.started <= last) {
            let at = |instant: Instant| instant.duration_since(began).as_millis();
            println!("    {:>4} {:>4} {}", at(call.started), call.ended.map_or(0, at), call.operation);
        }
        println!("    {:>4} accepted, {:>4} swapped", accepted.as_millis(), last.duration_since(began).as_millis());
    }
    Run { took: last - began, serial: path::serial(&calls, last) }
}

/// Hosts of one VPC one after another: groups are there, and the role is assumed. As each part of the floor is measured
/// alone, each host is: it comes when the controller has done all that it does for the one before.
async fn warm(bed: &'static Bed) -> Vec<Run> {
    let stage = Stage::new(bed, "bench-warm", env!("CARGO_BIN_EXE_sequester")).await;
    let network = Network::new(&stage.workload.admin).await;
    let mut hosts = Vec::new();
    for _ in 0..=WARM {
        hosts.push(host(&stage.workload.admin, &network).await);
    }
    stage.declare_accounts(|account| account["spec"]["recheck"] = json!("600s")).await;
    let _controller = stage.controller("bench").await;
    stage.until_true("AwsAccount", &stage.account_name(), "Ready").await;
    stage.proxy.latency(LATENCY);
    let mut runs = Vec::new();
    for (n, host) in hosts.iter().enumerate() {
        let name = format!("host-{n}");
        let run = contain(&stage, &name, host).await;
        stage.until_true("Quarantine", &name, "Ready").await;
        until("rest", LIMIT, || async { asked_nothing(&stage) }).await;
        // The first makes the groups.
        if n > 0 {
            runs.push(run);
        }
    }
    runs
}

/// Between two turns is next to no time: who asked AWS nothing for three round trips rests.
fn asked_nothing(stage: &Stage) -> Result<(), String> {
    let rests = |call: &Call| call.ended.is_some_and(|ended| ended.elapsed() > 3 * LATENCY);
    match stage.proxy.calls().iter().find(|call| !rests(call)) {
        Some(call) => Err(format!("it asked {} a moment ago", call.operation)),
        None => Ok(()),
    }
}

/// Each in accounts of its own that the controller has never seen, in a VPC without groups of ours.
async fn cold(bed: &'static Bed) -> Vec<Run> {
    let mut runs = Vec::new();
    for _ in 0..COLD {
        let stage = Stage::new(bed, "bench-cold", env!("CARGO_BIN_EXE_sequester")).await;
        let network = Network::new(&stage.workload.admin).await;
        let host = host(&stage.workload.admin, &network).await;
        let _controller = stage.controller("bench").await;
        stage.proxy.latency(LATENCY);
        stage.declare_accounts(|account| account["spec"]["recheck"] = json!("600s")).await;
        runs.push(contain(&stage, "host", &host).await);
    }
    runs
}

async fn host(aws: &Aws, network: &Network) -> Host {
    let instance = run_instance(aws, network).await;
    Host::furnish(aws, network, &instance).await
}

fn report(name: &str, runs: &[Run], floor: Duration, goal: (f64, f64), most: usize) {
    let mut times: Vec<Duration> = runs.iter().map(|run| run.took).collect();
    times.sort();
    let at = |share: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
        times[index]
    };
    let ratio = |time: Duration| time.as_secs_f64() / floor.as_secs_f64();
    let (p50, p99) = (at(0.50), at(0.99));
    let serial = runs.iter().map(|run| run.serial).max().unwrap_or_default();
    let verdict = |good: bool| if good { "reached" } else { "MISSED" };
    println!("{name}: {} runs, floor {} ms", runs.len(), floor.as_millis());
    println!(
        "  p50 {} ms = {:.2} x floor (goal {:.2}: {})",
        p50.as_millis(),
        ratio(p50),
        goal.0,
        verdict(ratio(p50) <= goal.0)
    );
    println!(
        "  p99 {} ms = {:.2} x floor (goal {:.2}: {})",
        p99.as_millis(),
        ratio(p99),
        goal.1,
        verdict(ratio(p99) <= goal.1)
    );
    println!(
        "  serial AWS calls and custody records on the way: at most {serial} (goal {most}: {})",
        verdict(serial <= most)
    );
}
