//! Row C6, what the playbook forgets: paths that can still carry traffic of a host whose interfaces are closed.
//!
//! A report: one line a path, with why it is open and what closes it, from what was seen of this host. It changes nothing;
//! what a line names is a field of the spec, or a call that a person has to weigh, since others feel it too. Whether
//! anything still flows only flow logs show, and they are not read yet: so the condition never says more than Unknown.

use super::isolate::{given_back, unread};
use super::survivors;
use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::seen::Read;
use crate::playbook::step::{Part, State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: NAME,
    after: &["Isolated"],
    wanted: |view| view.spec.level == Level::Isolated,
    needs: None,
    next,
    undo: |_| Turn::new(given_back("a report of what was closed; nothing to give back")),
    preview: |_| Vec::new(),
};

/// Its name, by which its parts are told from those of others.
pub const NAME: &str = "FlowsCut";

fn next(view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    let Some(interfaces) = view.seen.interfaces.value() else { return unread(&view.seen.interfaces) };
    let Some(instance) = view.seen.instance.value() else { return unread(&view.seen.instance) };
    let survivors = survivors::of(view, instance, interfaces);
    let count = match survivors.len() {
        1 => "1 path".to_owned(),
        more => format!("{more} paths"),
    };
    let lacking = match &view.seen.ways {
        Read::Found { .. } => String::new(),
        Read::Failed(failure) => format!(
            "; routes, endpoints, shared volumes and the serial console are not among them: {}",
            failure.message
        ),
        Read::NotRead | Read::Absent { .. } => {
            "; routes, endpoints, shared volumes and the serial console were not read yet".to_owned()
        }
    };
    let told = format!(
        "{count} may still carry traffic: status.survivors says which, why, and what closes them; whether any does is not \
         known, since flow logs are not read{lacking}"
    );
    let parts = survivors.into_iter().map(|survivor| Part {
        kind: "survivor",
        name: survivor.path,
        state: "MayCarry".to_owned(),
        message: format!("{}; closed by {}", survivor.why, survivor.closed_by),
    });
    Turn::new(State::unknown(Reason::FlowLogsNotRead, told)).with_parts(parts.collect())
}

#[cfg(test)]
#[path = "cut_flows_tests.rs"]
mod tests;
