//! States that differ only by names are one.
//!
//! An operation's name is a hash over the index of its link, and nothing depends on which one it is. So wherever nothing
//! is under way, operations are named anew by what they are, and links are counted anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sequester::cloud::sim::World;
use sequester::playbook::record::{OperationId, Record};

use super::deeds::BACKUP_OPERATION;
use super::kind::Kind;
use super::machine::System;
use super::mutants::Mutation;
use super::state::{Lease, Node, Replica, Snap, State, hash_of};

/// Index of the last link of a chain that was counted anew: it was not the first one.
const ANEW: u64 = 999;

/// New names.
pub type Names = BTreeMap<OperationId, OperationId>;

impl<P: Kind> System<P> {
    /// Names anew what can be, and forgets what no longer matters.
    pub(super) fn canonical(&self, state: &mut State<P>) {
        if state.budget.faults == 0 {
            // Nobody is shown an older world any more, and whoever lost the lease begins no other turn.
            state.past.clear();
            for replica in &mut state.replicas {
                if replica.is_idle() && matches!(replica.lease, Lease::Deposed(_)) {
                    *replica = Replica::new(Lease::Standby);
                }
            }
        }
        if state.chain.index.is_none() || !state.replicas.iter().all(Replica::is_idle) {
            return;
        }
        if !state.flights.is_empty() || !state.replicas.iter().all(Replica::is_fresh) {
            state.chain = self.settled.or_make(state.chain.hash, || self.known(state.chain.settled()));
            return;
        }
        let key = hash_of(&(state.chain.hash, state.world.hash, &state.carried_out));
        let named = self.canonicals.or_make(key, || {
            let names = names(&state.chain.record, &state.world, &state.carried_out);
            Arc::new((self.known(renamed(&state.chain.settled(), &names)), names))
        });
        let (chain, names) = &*named;
        state.chain = chain.clone();
        state.world = self.called(&state.world, names);
        for (_, snap) in &mut state.past {
            *snap = self.called(snap, names);
        }
        state.carried_out = state.carried_out.iter().map(|id| called(id, names)).collect();
        for replica in &mut state.replicas {
            // What a process knows that remembers nothing matters to one bug alone.
            let restarted = replica.known.is_none() && self.is(Mutation::StatusAsLog);
            replica.known = (!restarted).then_some(ANEW);
        }
    }

    fn called(&self, snap: &Snap, names: &Names) -> Snap {
        if snap.snapshots.is_empty() && snap.groups.values().all(|group| group.operation.is_none()) {
            return snap.clone();
        }
        self.worlds.or_make(hash_of(&(snap.hash, names)), || {
            let mut world = World::clone(snap);
            let copies = world.copies.values_mut().flat_map(BTreeMap::values_mut);
            for exhibit in world.snapshots.values_mut().chain(copies) {
                let tags = exhibit.tags.get_mut("ops:operation").into_iter().chain(&mut exhibit.snapshot.operation);
                for tag in tags {
                    *tag = called(&OperationId(tag.clone()), names).0;
                }
            }
            for tag in world.groups.values_mut().filter_map(|group| group.operation.as_mut()) {
                *tag = called(&OperationId(tag.clone()), names).0;
            }
            Snap::new(world)
        })
    }
}

fn called(id: &OperationId, names: &Names) -> OperationId {
    names.get(id).unwrap_or(id).clone()
}

/// Names by what an operation is, where it left traces, and whether AWS has carried it out.
fn names(record: &Record, world: &World, carried_out: &BTreeSet<OperationId>) -> Names {
    let mut traces: BTreeMap<OperationId, Vec<u64>> = BTreeMap::new();
    let mut trace = |id: &OperationId, what: u64| traces.entry(id.clone()).or_default().push(what);
    for (id, operation) in &record.operations {
        trace(id, hash_of(&(0_u8, operation)));
    }
    for (attribute, applied) in &record.applied {
        trace(&applied.operation, hash_of(&(1_u8, attribute)));
    }
    if let Some((id, set)) = &record.set {
        trace(id, hash_of(&(2_u8, set)));
    }
    for id in carried_out {
        trace(id, hash_of(&3_u8));
    }
    for (snapshot, exhibit) in world.snapshots.iter().chain(world.copies.values().flatten()) {
        let tags = exhibit.tags.get("ops:operation").into_iter().chain(&exhibit.snapshot.operation);
        tags.filter(|tag| *tag != BACKUP_OPERATION)
            .for_each(|tag| trace(&OperationId(tag.clone()), hash_of(&(4_u8, snapshot))));
    }
    for (group, made) in &world.groups {
        made.operation.iter().for_each(|tag| trace(&OperationId(tag.clone()), hash_of(&(5_u8, group))));
    }
    let mut known: Vec<(Vec<u64>, OperationId)> = traces.into_iter().map(|(id, traces)| (traces, id)).collect();
    known.sort();
    known.into_iter().enumerate().map(|(n, (_, id))| (id, OperationId(format!("op-{n}")))).collect()
}

fn renamed(node: &Node, names: &Names) -> Node {
    let mut record = node.record.clone();
    record.operations = record.operations.into_iter().map(|(id, operation)| (called(&id, names), operation)).collect();
    for applied in record.applied.values_mut() {
        applied.operation = called(&applied.operation, names);
    }
    if let Some((id, _)) = &mut record.set {
        *id = called(id, names);
    }
    let named = |id: &OperationId| names.get(id).cloned();
    let intents = node.intents.iter().filter_map(|(id, effect)| Some((named(id)?, *effect))).collect();
    let closed = node.closed.iter().filter_map(named).collect();
    Node::new(Some(ANEW), record, intents, closed)
}
