//! An AWS in memory, with faults: for unit tests, crash tests and the model.
//!
//! [`World`] is what stands there and what a change does to it; [`SimCloud`] puts it behind the port. Nothing here asks
//! for the time or waits: the clock is given, and what is late comes when the caller delivers it.

mod addresses;
mod apply;
mod balancers;
mod bytes;
mod copies;
mod faults;
mod fleets;
mod look;
mod roles;
mod world;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use balancers::Registrations;
pub use faults::{Fault, Faults, When};
pub use fleets::Fleet;
pub use roles::SimRole;
pub use world::{Disk, Exhibit, Host, Port, UNPROTECTED, World};

use super::blocks::{Advance, ReadError, Reading, Tell};
use super::error::CloudError;
use super::{Access, AskCopies, AskEvidence, AskQuarantine, Cloud, Place, Witness};
use crate::api::ids::{RegionName, SnapshotId};
use crate::playbook::copies::{CopiesSeen, Destination};
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::image::{Digests, ImageDigest};
use crate::playbook::record::OperationId;
use crate::playbook::{EvidenceSeen, Identity, QuarantineSeen, Time};

/// How many older worlds are kept for stale answers.
const PAST: usize = 32;

/// One change that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When.
    pub at: Time,
    /// The account it was made in.
    pub account: String,
    /// The intent it was made under.
    pub operation: OperationId,
    /// The change.
    pub effect: Effect,
    /// The link of the chain that it named.
    pub witness: Witness,
    /// What went wrong with it.
    pub fault: Option<Fault>,
    /// Whether AWS has applied it by now.
    pub applied: bool,
}

/// The port to an AWS in memory. Clones share it.
#[derive(Clone)]
pub struct SimCloud {
    shared: Arc<Mutex<Shared>>,
    clock: Arc<dyn Fn() -> Time + Send + Sync>,
}

struct Shared {
    world: World,
    past: VecDeque<World>,
    faults: Faults,
    journal: Vec<Call>,
    digests: Vec<(SnapshotId, u64)>,
    late: Vec<usize>,
    crashed: bool,
}

impl Shared {
    fn change<T>(&mut self, change: impl FnOnce(&mut World) -> T) -> T {
        let before = self.world.clone();
        let result = change(&mut self.world);
        if before != self.world {
            self.past.push_front(before);
            self.past.truncate(PAST);
        }
        result
    }

    fn shown(&mut self) -> World {
        match self.faults.of_look() {
            0 => self.world.clone(),
            age => self.past.get(age - 1).or_else(|| self.past.back()).unwrap_or(&self.world).clone(),
        }
    }
}

impl fmt::Debug for SimCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.lock();
        f.debug_struct("SimCloud")
            .field("world", &shared.world)
            .field("calls", &shared.journal.len())
            .finish_non_exhaustive()
    }
}

impl SimCloud {
    /// An AWS in which this world stands, by this clock.
    pub fn new(world: World, clock: impl Fn() -> Time + Send + Sync + 'static) -> Self {
        let shared = Shared {
            world,
            past: VecDeque::new(),
            faults: Faults::none(),
            journal: Vec::new(),
            digests: Vec::new(),
            late: Vec::new(),
            crashed: false,
        };
        Self { shared: Arc::new(Mutex::new(shared)), clock: Arc::new(clock) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Data without invariants between its parts: what a thread that panicked left is as good as any.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What goes wrong from now on; counting starts anew.
    pub fn plan(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// The operation works again.
    pub fn mend(&self, operation: &'static str) {
        self.lock().faults.mend(operation);
    }

    /// The world as it stands.
    pub fn world(&self) -> World {
        self.lock().world.clone()
    }

    /// Somebody else changes the world, or AWS does its own work.
    pub fn elsewhere<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.lock().change(change)
    }

    /// Every change that was asked for so far.
    pub fn journal(&self) -> Vec<Call> {
        self.lock().journal.clone()
    }

    /// Every digest that was begun so far: of which snapshot, and with which block.
    pub fn digests(&self) -> Vec<(SnapshotId, u64)> {
        self.lock().digests.clone()
    }

    /// Whether a call hung up its caller for good: the caller is to be dropped, as a killed process is.
    pub fn crashed(&self) -> bool {
        self.lock().crashed
    }

    /// A new process calls.
    pub fn restarted(&self) {
        self.lock().crashed = false;
    }

    /// What is late arrives: how many changes that were.
    pub fn deliver(&self) -> usize {
        let mut shared = self.lock();
        let late = std::mem::take(&mut shared.late);
        for position in &late {
            let Some((effect, id)) = shared.journal.get(*position).map(|c| (c.effect.clone(), c.operation.clone()))
            else {
                continue;
            };
            let applied = shared.change(|world| world.apply(&effect, &id)).is_ok();
            shared.journal[*position].applied = applied;
        }
        late.len()
    }

    /// What the caller is told; nothing where it is dead.
    fn request(&self, mut call: Call) -> Option<Result<Receipt, CloudError>> {
        let mut shared = self.lock();
        let fault = shared.faults.of_change(&call.effect);
        call.fault.clone_from(&fault);
        let position = shared.journal.len();
        let (effect, id) = (call.effect.clone(), call.operation.clone());
        shared.journal.push(call);
        let Some(fault) = fault else {
            let reply = shared.change(|world| world.apply(&effect, &id));
            shared.journal[position].applied = reply.is_ok();
            return Some(reply);
        };
        if fault.applies() {
            shared.journal[position].applied = shared.change(|world| world.apply(&effect, &id)).is_ok();
        }
        if fault.applies_late() {
            shared.late.push(position);
        }
        if fault.crashes() {
            shared.crashed = true;
            return None;
        }
        Some(Err(fault.error(&effect)))
    }
}

impl Cloud for SimCloud {
    async fn identify(&self, access: &Access) -> Result<Identity, CloudError> {
        let account = self.lock().world.account.clone();
        let arn = access.role.as_ref().map_or_else(|| format!("arn:aws:iam::{account}:user/sim"), ToString::to_string);
        Ok(Identity { account, arn })
    }

    async fn observe_quarantine(&self, _place: &Place, ask: &AskQuarantine) -> QuarantineSeen {
        let now = (self.clock)();
        self.lock().shown().see_quarantine(ask, now)
    }

    async fn observe_evidence(&self, _place: &Place, ask: &AskEvidence) -> EvidenceSeen {
        let now = (self.clock)();
        self.lock().shown().see_evidence(ask, now)
    }

    async fn digest(
        &self,
        _place: &Place,
        snapshot: &SnapshotId,
        _reading: Reading,
        from: Option<ImageDigest>,
        tell: Tell<'_>,
    ) -> Result<Digests, ReadError> {
        let (world, fault) = {
            let mut shared = self.lock();
            shared.digests.push((snapshot.clone(), from.as_ref().map_or(0, ImageDigest::next)));
            (shared.world.clone(), shared.faults.of_digest())
        };
        // What it told until then holds, as it does on AWS.
        let mut tell = |step: Advance<'_>| {
            tell(step)?;
            if fault.is_some() { Err(std::io::Error::other("stops here")) } else { Ok(()) }
        };
        let digested = world.digest(snapshot, from, &mut tell);
        match (fault, digested) {
            (Some(fault), Err(ReadError::Told(_))) if fault.crashes() => std::future::pending().await,
            (Some(fault), Err(ReadError::Told(_))) => {
                let error = Box::new(fault.of_read("GetSnapshotBlock"));
                Err(ReadError::Call { snapshot: snapshot.clone(), error })
            }
            (_, digested) => digested,
        }
    }

    async fn observe_copies(&self, place: &Place, ask: &AskCopies, _source: Option<&RegionName>) -> CopiesSeen {
        let now = (self.clock)();
        let at = Destination { account: place.access.account.clone(), region: place.region.clone() };
        self.lock().shown().see_copies(&at, ask, now)
    }

    async fn perform(
        &self,
        place: &Place,
        operation: &OperationId,
        effect: &Effect,
        witness: &Witness,
    ) -> Result<Receipt, CloudError> {
        let call = Call {
            at: (self.clock)(),
            account: place.access.account.to_string(),
            operation: operation.clone(),
            effect: effect.clone(),
            witness: witness.clone(),
            fault: None,
            applied: false,
        };
        match self.request(call) {
            Some(reply) => reply,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
#[path = "sim_tests.rs"]
mod tests;
