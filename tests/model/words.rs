//! Traces in words.

use super::action::{Action, Fate, Lens};
use super::kind::Kind;
use super::machine::System;
use super::state::{OLD, Phase, State, TICK};

fn replica(r: u8) -> char {
    if r == 0 { 'A' } else { 'B' }
}

/// How long a step takes.
pub const fn seconds(action: Action) -> i64 {
    match action {
        Action::Tick | Action::Pause(_) => TICK,
        Action::Age => OLD,
        _ => 0,
    }
}

/// One step, and what it led to.
pub fn step<P: Kind>(system: &System<P>, before: &State<P>, action: Action) -> String {
    match action {
        Action::Look(r, Lens::Fresh) => format!("{} looks", replica(r)),
        Action::Look(r, Lens::Stale(_)) => format!("{} looks, and is shown how it was", replica(r)),
        Action::Look(r, Lens::Mixed(_)) => format!("{} looks, and is shown in part how it was", replica(r)),
        Action::Write(r) => {
            // States name links anew; what was written is in the step itself.
            let Some(after) = system.step(before, action) else { return "?".to_owned() };
            let said = match &after.replicas[usize::from(r)].unwritten {
                Some(node) => format!("will write: {}", node.words),
                None if after.chain.hash != before.chain.hash => format!("writes: {}", after.chain.words),
                None if before.chain.index != node_of(before, r) => "is refused: the other wrote first".to_owned(),
                None => "writes nothing".to_owned(),
            };
            format!("{} decides and {said}", replica(r))
        }
        Action::Send(r, fate) => {
            let what = match &before.replicas[usize::from(r)].phase {
                Phase::Sending { queue, .. } => queue.first().map(|order| order.order.change.operation()),
                _ => None,
            };
            let how = match fate {
                Fate::Answered => "and AWS answers",
                Fate::Lost => "AWS carries it out, and the reply is lost",
                Fate::Late => "and no reply comes in time",
                Fate::Throttled => "and is throttled",
                Fate::Withheld => "but the fence does not let it go",
            };
            format!("{} sends {}, {how}", replica(r), what.unwrap_or("nothing"))
        }
        Action::Crash(r) => format!("{} dies", replica(r)),
        Action::CrashSent(r) => format!("{} dies, its requests on their way", replica(r)),
        Action::Pause(r) => format!("{} stands still", replica(r)),
        Action::Move => "B gets the lease, and A does not know".to_owned(),
        Action::Land(n) => {
            let operation = before.flights[usize::from(n)].order.order.change.operation();
            format!("{operation} arrives late, and is carried out")
        }
        Action::Tick => "a while passes".to_owned(),
        Action::Age => "a long time passes".to_owned(),
        Action::Edit => "the operator raises the level, or releases".to_owned(),
        Action::Approve(action) => format!("bob approves {action}"),
        Action::Delete => "the object is deleted".to_owned(),
        Action::Foreign(n) => system.scene.foreign[usize::from(n)].words.to_owned(),
        Action::Aws(n) => system.scene.aws[usize::from(n)].words.to_owned(),
    }
}

/// The link that a replica has looked at.
fn node_of<P: Kind>(state: &State<P>, r: u8) -> Option<u64> {
    match &state.replicas[usize::from(r)].phase {
        Phase::Looked { node, .. } => node.index,
        _ => None,
    }
}
