//! Row D8: capture what the host has in memory. A later version does that; until then the step is settled, and says so.
//!
//! Whoever needs the credentials of the host, the network or the metadata service for it asks [`is_over`] before it takes them.

use crate::api::conditions::Reason;
use crate::api::quarantine::Level;
use crate::playbook::Quarantine;
use crate::playbook::step::{State, Step, Turn, View};

/// The step.
pub const STEP: Step<Quarantine> = Step {
    name: "MemoryCaptured",
    after: &[],
    wanted: |view| view.spec.level != Level::Released,
    needs: None,
    next,
    undo: next,
    preview: |_| Vec::new(),
};

fn next(_view: &View<'_, Quarantine>) -> Turn<Quarantine> {
    Turn::new(State::skipped(Reason::NotBuilt, "a later version captures memory; this one captures none"))
}

/// Whether nothing of the host is needed for it any more: it is captured, or given up.
pub fn is_over(view: &View<'_, Quarantine>) -> bool {
    next(view).state.is_settled()
}
