//! Calls whose client has been told nothing and that are applied later.

use super::call::Call;
use super::fault::Late;
use std::sync::Mutex;
use tokio::sync::oneshot;

struct Waiting {
    late: Late,
    /// Only reads that arrived after this one count.
    after: u64,
    due: oneshot::Sender<Applying>,
}

/// Kept while a late call is being applied.
pub(super) struct Applying(#[expect(dead_code, reason = "dropping it is the signal")] oneshot::Sender<()>);

#[derive(Default)]
pub(super) struct Lates(Mutex<Vec<Waiting>>);

impl Lates {
    /// Waits until the read that it waits for was answered by the upstream.
    pub async fn due(&self, late: Late, after: u64) -> Option<Applying> {
        let (due, comes) = oneshot::channel();
        self.0.lock().expect("no holder panics").push(Waiting { late, after, due });
        comes.await.ok()
    }

    /// A read was answered: has what waits for it applied, and returns when that is done.
    pub async fn answered(&self, read: &Call) {
        let is_due = |waiting: &mut Waiting| read.sequence > waiting.after && waiting.late.is_due_after(read);
        let due: Vec<_> = self.0.lock().expect("no holder panics").extract_if(.., is_due).collect();
        for waiting in due {
            let (applying, applied) = oneshot::channel();
            if waiting.due.send(Applying(applying)).is_ok() {
                // An error is what dropping gives.
                let _ = applied.await;
            }
        }
    }
}
