//! The way of one call through the proxy.

use super::answer::{Answer, Replier};
use super::call::Call;
use super::crash::{Gate, Verdict};
use super::fault::{Fault, Late};
use super::iam;
use super::lates::Lates;
use super::ledger::Ledger;
use super::replay::Replay;
use super::reply::Reply;
use super::rules::{Rule, Rules};
use super::unseen;
use super::upstream::Upstream;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Bytes;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};

/// What the calls of one proxy share.
pub(super) struct Shared {
    pub upstream: Upstream,
    pub ledger: Ledger,
    pub rules: Rules,
    pub gate: Gate,
    pub latency: Mutex<Duration>,
    replay: Replay,
    lates: Lates,
}

impl Shared {
    pub fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            ledger: Ledger::new(),
            rules: Rules::default(),
            gate: Gate::default(),
            latency: Mutex::default(),
            replay: Replay::default(),
            lates: Lates::default(),
        }
    }

    /// Takes a call from arrival to answer. It runs as a task of its own: a call that has arrived is carried out
    /// though its client be gone. `age` says how many processes had been killed when its connection was opened.
    pub async fn handle(self: Arc<Self>, request: Request<Bytes>, age: u64, mut replier: Replier) {
        let arrived = Instant::now();
        let latency = *self.latency.lock().expect("no holder panics");
        let mut call = self.upstream.call(&request.clone().into_parts().0, request.body());
        self.ledger.arrive(&mut call);
        replier.recorded(&self, call.sequence);
        let passing = Passing { shared: &self, call: &call, request: &request };

        // The network takes half of the latency on the way there, and what remains on the way back.
        if !latency.is_zero() {
            sleep(latency / 2).await;
        }
        match self.gate.before(&call, age).await {
            Verdict::Pass => {}
            Verdict::Lost => {
                self.ledger.fault(call.sequence, "lost");
                return replier.send(Answer::Close);
            }
            Verdict::Late(late) => {
                let after = self.ledger.last();
                return passing.apply_late(late, after, None, replier).await;
            }
        }
        let rule = self.rules.first(&call);
        if let Some(Fault::ApplyLate(late)) = rule.as_deref().map(|rule| &rule.fault) {
            return passing.apply_late(late.clone(), call.sequence, rule.as_deref(), replier).await;
        }
        let mut answer = passing.answer(rule.as_deref()).await;
        if let Verdict::Lost | Verdict::Late(_) = self.gate.after(&call, age).await {
            self.ledger.fault(call.sequence, "lost");
            answer = Answer::Close;
        }
        if !latency.is_zero() {
            sleep_until((arrived + latency).into()).await;
        }
        replier.send(answer);
    }
}

/// One call on its way.
struct Passing<'a> {
    shared: &'a Shared,
    call: &'a Call,
    request: &'a Request<Bytes>,
}

impl Passing<'_> {
    async fn answer(&self, rule: Option<&Rule>) -> Answer {
        let Some(rule) = rule else { return self.forward().await };
        let call = self.call;
        match &rule.fault {
            Fault::Delay(time) => {
                self.mark("delayed");
                sleep(*time).await;
                self.forward().await
            }
            Fault::Throttle | Fault::Bucket(_) => {
                self.mark("throttled");
                Answer::Reply(Reply::throttle(call))
            }
            Fault::Error { status, code, message } => {
                self.mark("refused");
                Answer::Reply(Reply::error(call, *status, code, message))
            }
            Fault::Unauthorized => {
                self.mark("refused");
                Answer::Reply(Reply::unauthorized(call))
            }
            Fault::DropRequest => {
                self.mark("request dropped");
                Answer::Close
            }
            Fault::DropReply => {
                self.mark("reply dropped");
                self.forward().await;
                Answer::Close
            }
            Fault::HoldRequest => {
                self.mark("held");
                rule.hold().await;
                self.forward().await
            }
            Fault::HoldReply => {
                self.mark("held");
                let answer = self.forward().await;
                rule.hold().await;
                answer
            }
            Fault::Stale(as_of) => {
                self.mark("stale");
                let as_of = as_of.instant();
                // Asked all the same, so that there is something to be stale about later.
                self.forward().await.map(|live| self.shared.replay.as_of(call, as_of, live))
            }
            Fault::Unseen => {
                self.mark("unseen");
                match unseen::not_found(call) {
                    Some(reply) => Answer::Reply(reply),
                    None => self.forward().await.map(unseen::without_items),
                }
            }
            Fault::Rewrite(rewrite) => {
                self.mark("rewritten");
                self.forward().await.map(|reply| rewrite(call, reply))
            }
            Fault::CutReply(bytes) => {
                self.mark("cut");
                match self.forward().await {
                    Answer::Reply(reply) => Answer::Cut(reply, *bytes),
                    other => other,
                }
            }
            Fault::ApplyLate(_) => unreachable!("decided before: there is no answer"),
        }
    }

    /// Leaves the client without an answer, and forwards when it is time.
    async fn apply_late(&self, late: Late, after: u64, rule: Option<&Rule>, replier: Replier) {
        self.mark("late");
        replier.send(Answer::Close);
        match (late, rule) {
            (Late::Released, Some(rule)) => {
                rule.hold().await;
                self.forward().await;
            }
            // Nobody could ever release it.
            (Late::Released, None) => {}
            (late, _) => {
                // Kept until the call is applied: the read's client waits for that.
                let _applying = self.shared.lates.due(late, after).await;
                self.forward().await;
            }
        }
    }

    /// Has the upstream answer, and writes down what it did.
    async fn forward(&self) -> Answer {
        let (parts, body) = self.request.clone().into_parts();
        match self.shared.upstream.judge(self.call, &parts).await {
            Ok(Some(iam::Verdict::Allowed(by))) => self.shared.ledger.permitted(self.call.sequence, &by),
            Ok(Some(iam::Verdict::Denied(ask))) => {
                self.mark("not permitted");
                return Answer::Reply(Reply::denied(self.call, &ask.action));
            }
            Ok(None) => {}
            Err(reply) => return Answer::Reply(reply),
        }
        let response = match self.shared.upstream.send(&parts, &body).await {
            Ok(response) => response,
            Err(error) => return self.failed(&error.to_string()),
        };
        let (head, body) = response.into_parts();
        if self.call.operation.starts_with("watch ") {
            self.shared.ledger.applied(self.call.sequence, head.status.as_u16(), None);
            return Answer::Stream(hyper::Response::from_parts(head, body));
        }
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return self.failed(&error.to_string()),
        };
        let reply = Reply { status: head.status, headers: head.headers, body };
        self.shared.ledger.applied(self.call.sequence, reply.status.as_u16(), reply.code());
        if !self.call.mutates {
            self.shared.upstream.learn(self.call, &reply.text());
            self.shared.replay.record(self.call, &reply);
            self.shared.lates.answered(self.call).await;
        }
        Answer::Reply(reply)
    }

    fn failed(&self, why: &str) -> Answer {
        self.mark("upstream failed");
        Answer::Reply(Reply::error(self.call, 502, "BadGateway", why))
    }

    fn mark(&self, fault: &'static str) {
        self.shared.ledger.fault(self.call.sequence, fault);
    }
}
