//! Crash points: everything stands still at a chosen call, so that a test can kill the process just there.

use super::call::Call;
use super::fault::Late;
use super::serve::Shared;
use super::when::When;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::watch;

/// What has become of the chosen call when the process dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// It never arrived.
    BeforeApplied,
    /// It was applied; the process did not learn it.
    AfterApplied,
    /// It is applied when the process has been started again.
    Late(Late),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Armed,
    Reached,
    Over,
}

pub(super) struct Point {
    when: When,
    mode: CrashMode,
    victim: OnceLock<Call>,
    phase: watch::Sender<Phase>,
}

/// What happens to a call at the gate.
pub(super) enum Verdict {
    Pass,
    /// Its process was killed while it was under way.
    Lost,
    Late(Late),
}

#[derive(Default)]
pub(super) struct Gate {
    point: Mutex<Option<Arc<Point>>>,
    /// How many processes were killed so far. A connection of an earlier one carries nothing any more.
    pub age: AtomicU64,
}

impl Gate {
    pub fn arm(&self, when: When, mode: CrashMode) -> Arc<Point> {
        let point = Point { when, mode, victim: OnceLock::new(), phase: watch::Sender::new(Phase::Armed) };
        let point = Arc::new(point);
        let before = self.point.lock().expect("no holder panics").replace(Arc::clone(&point));
        if let Some(before) = before {
            before.phase.send_replace(Phase::Over);
        }
        point
    }

    /// On the way to the upstream.
    pub async fn before(&self, call: &Call, age: u64) -> Verdict {
        let Some(point) = self.current() else { return self.fate(age) };
        let is_victim = point.when.takes(call) && point.victim.set(call.clone()).is_ok();
        if is_victim && point.mode != CrashMode::AfterApplied {
            point.phase.send_if_modified(reach);
        }
        point.stand_still().await;
        match (self.fate(age), &point.mode) {
            (Verdict::Lost, CrashMode::Late(late)) if is_victim => Verdict::Late(late.clone()),
            (fate, _) => fate,
        }
    }

    /// On the way back.
    pub async fn after(&self, call: &Call, age: u64) -> Verdict {
        let Some(point) = self.current() else { return self.fate(age) };
        if point.victim.get().is_some_and(|victim| victim.sequence == call.sequence) {
            point.phase.send_if_modified(reach);
        }
        point.stand_still().await;
        self.fate(age)
    }

    fn fate(&self, age: u64) -> Verdict {
        if age < self.age.load(Ordering::SeqCst) { Verdict::Lost } else { Verdict::Pass }
    }

    fn current(&self) -> Option<Arc<Point>> {
        let point = self.point.lock().expect("no holder panics");
        point.as_ref().filter(|point| *point.phase.borrow() != Phase::Over).map(Arc::clone)
    }
}

fn reach(phase: &mut Phase) -> bool {
    let armed = *phase == Phase::Armed;
    if armed {
        *phase = Phase::Reached;
    }
    armed
}

impl Point {
    /// Holds a call while the crash point is reached and not over.
    async fn stand_still(&self) {
        let mut phase = self.phase.subscribe();
        // The sender lives in the point.
        let _ = phase.wait_for(|phase| *phase != Phase::Reached).await;
    }
}

/// An armed crash point. Dropping it lets everything go on.
pub struct Crash {
    pub(super) shared: Arc<Shared>,
    pub(super) point: Arc<Point>,
}

impl Crash {
    /// Resolves when the chosen call has come as far as the mode says. From then on no call reaches the upstream and no
    /// reply a client, until `killed` or `pass`.
    pub async fn reached(&self) -> Call {
        let mut phase = self.point.phase.subscribe();
        let _ = phase.wait_for(|phase| *phase != Phase::Armed).await;
        self.point.victim.get().cloned().expect("the point was passed over before it was reached")
    }

    /// Whether it has come to that.
    pub fn is_reached(&self) -> bool {
        *self.point.phase.borrow() == Phase::Reached
    }

    /// The process is dead: what it had under way is lost, but for the chosen call where it is to be late. All
    /// connections that are open now count as the dead process's own, so give other clients a proxy of their own, and say
    /// this before the process is started again.
    pub fn killed(self) {
        self.shared.gate.age.fetch_add(1, Ordering::SeqCst);
    }

    /// The process lives on (it was only stopped, say): everything that was held goes on.
    pub fn pass(self) {
        drop(self);
    }
}

impl Drop for Crash {
    fn drop(&mut self) {
        self.point.phase.send_replace(Phase::Over);
    }
}
