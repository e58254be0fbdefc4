//! Traces in words.

use super::kind::Kind;
use super::machine::{Action, Fate, Lens, System};
use super::state::{Phase, State};

fn replica(r: u8) -> char {
    if r == 0 { 'A' } else { 'B' }
}

/// One step, and what it led to.
pub fn step<P: Kind>(system: &System<P>, before: &State<P>, action: Action, after: &State<P>) -> String
where
    P::Spec: Clone,
{
    let at = before.now;
    let words = match action {
        Action::Look(r, Lens::Fresh) => format!("{} looks", replica(r)),
        Action::Look(r, Lens::Stale(_)) => format!("{} looks, and is shown how it was", replica(r)),
        Action::Look(r, Lens::Mixed(_)) => format!("{} looks, and is shown in part how it was", replica(r)),
        Action::Write(r) => {
            let written = after.chain.as_ref().filter(|node| Some(node.head.index) != before.chain.as_ref().map(|n| n.head.index));
            let said = written.map_or("writes nothing".to_owned(), |node| {
                let names: Vec<String> = node.entries.iter().map(entry).collect();
                format!("writes link {}: {}", node.head.index, names.join(", "))
            });
            format!("{} decides and {said}", replica(r))
        }
        Action::Send(r, fate) => {
            let what = match &before.replicas[usize::from(r)].phase {
                Phase::Sending { queue, .. } => queue.first().map(|send| send.order.change.operation()).unwrap_or_default(),
                _ => "",
            };
            let how = match fate {
                Fate::Answered => "and AWS answers",
                Fate::Lost => "AWS carries it out, and the reply is lost",
                Fate::Late => "and no reply comes in time",
                Fate::Throttled => "and is throttled",
                Fate::Withheld => "but the fence does not let it go",
            };
            format!("{} sends {what}, {how}", replica(r))
        }
        Action::Crash(r) => format!("{} dies", replica(r)),
        Action::CrashSent(r) => format!("{} dies, its requests on their way", replica(r)),
        Action::Pause(r) => format!("{} stands still", replica(r)),
        Action::Move => "B gets the lease, and A does not know".to_owned(),
        Action::Land(n) => format!("{} arrives late, and is carried out", before.flights[usize::from(n)].effect.operation()),
        Action::Tick => "a minute passes".to_owned(),
        Action::Age => "a long time passes".to_owned(),
        Action::Edit => "the operator raises the level, or releases".to_owned(),
        Action::Approve(action) => format!("bob approves {action}"),
        Action::Delete => "the object is deleted".to_owned(),
        Action::Foreign(n) => system.scene.foreign[usize::from(n)].words.to_owned(),
        Action::Aws(n) => system.scene.aws[usize::from(n)].words.to_owned(),
    };
    format!("{at:>5} s  {words}")
}

fn entry(entry: &sequester::playbook::record::Entry) -> String {
    let json = serde_json::to_value(entry).unwrap_or_default();
    let word = |key: &str| json.get(key).and_then(|value| value.as_str()).map(ToOwned::to_owned);
    let operation = json.get("effect").and_then(|e| e.get("operation")).and_then(|o| o.as_str());
    match (word("entry").as_deref(), word("fact"), word("result"), operation) {
        (Some("fact"), Some(fact), ..) => fact,
        (Some("outcome"), _, Some(result), _) => format!("outcome {result}"),
        (Some("intent"), .., Some(operation)) => format!("intent {operation}"),
        (Some(kind), ..) => kind.to_owned(),
        _ => "?".to_owned(),
    }
}
