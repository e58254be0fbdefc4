//! The scenes of the proof.

use sequester::api::evidence_snapshot::EvidenceSnapshotSpec;
use sequester::api::quarantine::{Level, Pulse, QuarantineSpec};

use super::deeds;
use super::stage::{self, Scene};
use super::state::Budget;

/// One interface is closed and kept closed.
pub fn isolation() -> Scene<QuarantineSpec> {
    Scene {
        name: "isolation",
        world: stage::world(1, 1, false),
        specs: vec![stage::quarantine(Level::Isolated, Pulse::Never)],
        account: stage::account(),
        limits: stage::limits(),
        budget: Budget { faults: 2, moves: 0, operator: 0, foreign: 1 },
        foreign: vec![deeds::REOPEN, deeds::FOREIGN_GROUP, deeds::FOREIGN_RULE, deeds::DELETE_GROUP],
        aws: Vec::new(),
        deletable: false,
        stalls: &[],
        over: |_| false,
    }
}

/// The same by two replicas.
pub fn isolation_by_two() -> Scene<QuarantineSpec> {
    Scene {
        name: "isolation by two replicas",
        budget: Budget { faults: 1, moves: 1, operator: 0, foreign: 1 },
        foreign: vec![deeds::REOPEN],
        ..isolation()
    }
}

/// Two interfaces and a volume to protect.
pub fn two_interfaces() -> Scene<QuarantineSpec> {
    Scene {
        name: "two interfaces and a volume",
        world: stage::world(2, 1, true),
        budget: Budget { faults: 1, moves: 0, operator: 0, foreign: 1 },
        foreign: vec![deeds::REOPEN, deeds::FOREIGN_RULE],
        ..isolation()
    }
}

/// The pulse.
pub fn pulse() -> Scene<QuarantineSpec> {
    Scene {
        name: "pulse",
        specs: vec![stage::quarantine(Level::Isolated, Pulse::Auto)],
        budget: Budget { faults: 1, moves: 0, operator: 0, foreign: 1 },
        foreign: vec![deeds::REOPEN, deeds::PUBLIC_ADDRESS],
        ..isolation()
    }
}

/// The pulse by two replicas.
pub fn pulse_by_two() -> Scene<QuarantineSpec> {
    Scene {
        name: "pulse by two replicas",
        budget: Budget { faults: 1, moves: 1, operator: 0, foreign: 0 },
        ..pulse()
    }
}

/// A level that rises and is released, with persons at both gates.
pub fn release() -> Scene<QuarantineSpec> {
    let levels = [Level::Protected, Level::Isolated, Level::Released];
    Scene {
        name: "level, approvals, release",
        specs: levels.map(|level| stage::quarantine(level, Pulse::Never)).to_vec(),
        account: stage::careful(),
        budget: Budget { faults: 1, moves: 0, operator: 4, foreign: 1 },
        foreign: vec![deeds::REOPEN, deeds::FOREIGN_GROUP],
        ..isolation()
    }
}

/// A release while things are on their way.
pub fn release_in_a_hurry() -> Scene<QuarantineSpec> {
    let levels = [Level::Isolated, Level::Released];
    Scene {
        name: "release in a hurry, by two replicas",
        specs: levels.map(|level| stage::quarantine(level, Pulse::Auto)).to_vec(),
        budget: Budget { faults: 1, moves: 1, operator: 2, foreign: 0 },
        ..isolation()
    }
}

/// Somebody deletes the object.
pub fn deletion() -> Scene<QuarantineSpec> {
    let levels = [Level::Isolated, Level::Released];
    Scene {
        name: "deletion",
        specs: levels.map(|level| stage::quarantine(level, Pulse::Never)).to_vec(),
        budget: Budget { faults: 1, moves: 1, operator: 1, foreign: 1 },
        foreign: vec![deeds::REOPEN],
        deletable: true,
        ..isolation()
    }
}

/// One set, whatever is lost, late or stale.
pub fn one_set() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "one set",
        world: stage::world(1, 2, false),
        specs: vec![stage::evidence(false)],
        account: stage::account(),
        limits: stage::limits(),
        budget: Budget { faults: 3, moves: 0, operator: 0, foreign: 0 },
        foreign: Vec::new(),
        aws: Vec::new(),
        deletable: false,
        stalls: &[],
        over: |record| record.set.is_some(),
    }
}

/// The same by two replicas.
pub fn one_set_by_two() -> Scene<EvidenceSnapshotSpec> {
    Scene { name: "one set by two replicas", budget: Budget { faults: 2, moves: 1, operator: 0, foreign: 0 }, ..one_set() }
}

/// From the set to what is shared.
pub fn kept() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "locked and shared",
        world: stage::encrypted(stage::world(1, 2, false)),
        specs: vec![stage::evidence(true)],
        budget: Budget { faults: 1, moves: 0, operator: 0, foreign: 1 },
        foreign: vec![
            deeds::UNTAG,
            deeds::SHARE_WIDELY,
            deeds::UNLOCK,
            deeds::DELETE_SNAPSHOT,
            deeds::BACKUP,
            deeds::FAIL_SNAPSHOT,
        ],
        aws: vec![deeds::COMPLETE],
        over: |_| false,
        ..one_set()
    }
}

/// The same by two replicas.
pub fn kept_by_two() -> Scene<EvidenceSnapshotSpec> {
    Scene { name: "locked and shared by two replicas", budget: Budget { faults: 0, moves: 1, operator: 0, foreign: 0 }, ..kept() }
}
