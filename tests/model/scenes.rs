//! The scenes of the proof. Each has its own budget: together they take what `make model` may take. A wide run takes
//! minutes and gigabytes more.

use sequester::api::conditions::Reason;
use sequester::api::evidence_snapshot::EvidenceSnapshotSpec;
use sequester::api::quarantine::{Level, Pulse, QuarantineSpec};

use super::budget::Budget;
use super::deeds;
use super::stage::{self, Scene};

const NOTHING: Budget = Budget { faults: 0, moves: 0, operator: 0, foreign: 0 };

fn wide<T>(narrow: T, wide: T) -> T {
    let is_wide = std::env::var("SEQUESTER_MODEL").is_ok_and(|width| width == "wide");
    if is_wide { wide } else { narrow }
}

fn levels(levels: &[Level], pulse: Pulse) -> Vec<QuarantineSpec> {
    levels.iter().map(|level| stage::quarantine(*level, pulse)).collect()
}

/// One interface is closed and kept closed.
pub fn isolation() -> Scene<QuarantineSpec> {
    Scene {
        name: "isolation",
        world: stage::world(1, 1, false),
        specs: levels(&[Level::Isolated], Pulse::Never),
        account: stage::account(),
        limits: stage::limits(),
        budget: Budget { faults: 2, foreign: wide(0, 1), ..NOTHING },
        foreign: vec![deeds::REOPEN, deeds::DELETE_GROUP],
        aws: Vec::new(),
        deletable: false,
        stalls: &[],
        over: |_| false,
    }
}

/// All that somebody can do to an interface and its group.
pub fn drift() -> Scene<QuarantineSpec> {
    Scene {
        name: "drift",
        budget: Budget { faults: 1, foreign: wide(1, 2), ..NOTHING },
        foreign: vec![deeds::REOPEN, deeds::FOREIGN_GROUP, deeds::FOREIGN_RULE, deeds::DELETE_GROUP],
        ..isolation()
    }
}

/// The same twice, without a fault.
pub fn drift_twice() -> Scene<QuarantineSpec> {
    Scene { name: "drift twice", budget: Budget { foreign: 2, ..NOTHING }, ..drift() }
}

/// One interface is closed by two replicas.
pub fn isolation_by_two() -> Scene<QuarantineSpec> {
    Scene {
        name: "isolation by two replicas",
        budget: Budget { faults: 1, moves: 1, foreign: 1, ..NOTHING },
        foreign: vec![deeds::REOPEN],
        ..isolation()
    }
}

/// Two interfaces and a volume to protect.
pub fn two_interfaces() -> Scene<QuarantineSpec> {
    Scene {
        name: "two interfaces and a volume",
        world: stage::world(2, 1, true),
        budget: Budget { faults: 1, foreign: 1, ..NOTHING },
        foreign: vec![deeds::REOPEN, deeds::FOREIGN_RULE],
        ..isolation()
    }
}

/// The pulse.
pub fn pulse() -> Scene<QuarantineSpec> {
    Scene {
        name: "pulse",
        specs: levels(&[Level::Isolated], Pulse::Auto),
        budget: Budget { faults: 1, foreign: 1, ..NOTHING },
        foreign: vec![deeds::REOPEN, deeds::PUBLIC_ADDRESS],
        ..isolation()
    }
}

/// The pulse by two replicas.
pub fn pulse_by_two() -> Scene<QuarantineSpec> {
    Scene { name: "pulse by two replicas", budget: Budget { faults: 1, moves: 1, ..NOTHING }, ..pulse() }
}

/// A level that rises, and a person at the gate.
pub fn approval() -> Scene<QuarantineSpec> {
    Scene {
        name: "approval",
        specs: levels(&[Level::Protected, Level::Isolated], Pulse::Never),
        account: stage::careful(),
        budget: Budget { faults: wide(1, 2), operator: 2, foreign: 1, ..NOTHING },
        foreign: vec![deeds::FOREIGN_GROUP],
        ..isolation()
    }
}

/// A release, and a person at the gate.
pub fn release() -> Scene<QuarantineSpec> {
    Scene {
        name: "release",
        world: stage::world(1, 1, true),
        specs: levels(&[Level::Isolated, Level::Released], Pulse::Never),
        budget: Budget { faults: 1, operator: 2, foreign: wide(0, 1), ..NOTHING },
        foreign: vec![deeds::REOPEN, deeds::FOREIGN_GROUP],
        ..isolation()
    }
}

/// A release of a host that others change, too.
pub fn release_with_drift() -> Scene<QuarantineSpec> {
    Scene {
        name: "release with drift",
        world: stage::world(1, 1, false),
        budget: Budget { faults: 1, operator: 2, foreign: 1, ..NOTHING },
        foreign: vec![deeds::FOREIGN_GROUP],
        ..release()
    }
}

/// A release while the pulse is on its way.
pub fn release_of_a_pulse() -> Scene<QuarantineSpec> {
    Scene {
        name: "release of a pulse",
        specs: levels(&[Level::Isolated, Level::Released], Pulse::Auto),
        budget: Budget { faults: 1, operator: 2, ..NOTHING },
        ..isolation()
    }
}

/// A release by two replicas.
pub fn release_by_two() -> Scene<QuarantineSpec> {
    Scene {
        name: "release by two replicas",
        specs: levels(&[Level::Isolated, Level::Released], Pulse::Never),
        budget: Budget { faults: 1, moves: 1, operator: 2, ..NOTHING },
        ..isolation()
    }
}

/// Somebody deletes the object.
pub fn deletion() -> Scene<QuarantineSpec> {
    Scene {
        name: "deletion",
        specs: levels(&[Level::Isolated, Level::Released], Pulse::Never),
        budget: Budget { faults: 1, operator: 2, foreign: 1, ..NOTHING },
        foreign: vec![deeds::REOPEN],
        deletable: true,
        ..isolation()
    }
}

/// A host leaves its Auto Scaling group and comes back.
pub fn group() -> Scene<QuarantineSpec> {
    Scene {
        name: "out of a group and back",
        world: stage::world(1, 0, false).with_fleet("fleet", &stage::instance(), (1, 2, 3)),
        specs: levels(&[Level::Detached, Level::Released], Pulse::Never),
        budget: Budget { faults: 1, operator: 2, foreign: wide(0, 1), ..NOTHING },
        foreign: vec![deeds::BACK_IN_SERVICE],
        ..isolation()
    }
}

/// A host leaves its load balancers and comes back.
pub fn balancers() -> Scene<QuarantineSpec> {
    Scene {
        name: "out of load balancers and back",
        world: stage::balanced(stage::world(1, 0, false)),
        specs: levels(&[Level::Detached, Level::Released], Pulse::Never),
        budget: Budget { faults: 1, operator: 2, foreign: wide(1, 2), ..NOTHING },
        foreign: vec![deeds::REGISTER],
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
        budget: Budget { faults: wide(3, 4), ..NOTHING },
        foreign: Vec::new(),
        aws: Vec::new(),
        deletable: false,
        stalls: &[],
        over: |record| record.set.is_some(),
    }
}

/// One set by two replicas.
pub fn one_set_by_two() -> Scene<EvidenceSnapshotSpec> {
    Scene { name: "one set by two replicas", budget: Budget { faults: wide(2, 3), moves: 1, ..NOTHING }, ..one_set() }
}

/// From the set to what is shared.
pub fn kept() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "locked and shared",
        world: stage::encrypted(stage::world(1, 2, false)),
        specs: vec![stage::evidence(true)],
        budget: Budget { faults: 1, foreign: 1, ..NOTHING },
        foreign: vec![
            deeds::UNTAG,
            deeds::SHARE_WIDELY,
            deeds::UNLOCK,
            deeds::DELETE_SNAPSHOT,
            deeds::BACKUP,
            deeds::FAIL_SNAPSHOT,
        ],
        aws: vec![deeds::COMPLETE],
        // What the attacker deleted, or AWS could not complete, a person is told.
        stalls: &[Reason::SnapshotFailed],
        over: |_| false,
        ..one_set()
    }
}

/// From the set to what is shared, by two replicas.
pub fn kept_by_two() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "locked and shared by two replicas",
        world: stage::encrypted(stage::world(1, wide(1, 2), false)),
        budget: Budget { moves: 1, faults: 1, ..NOTHING },
        ..kept()
    }
}

/// From the set to its copy.
pub fn copied() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "copied",
        world: stage::with_vault(stage::world(1, 1, false)),
        specs: vec![stage::copied()],
        budget: Budget { faults: wide(1, 2), ..NOTHING },
        aws: vec![deeds::COMPLETE],
        over: |_| false,
        ..one_set()
    }
}

/// The same under a key that is lent by its policy, in which others write, too.
pub fn lent() -> Scene<EvidenceSnapshotSpec> {
    Scene {
        name: "lent by its policy",
        world: stage::with_vault(stage::with_policy(stage::world(1, 1, false))),
        specs: vec![stage::lent()],
        budget: Budget { faults: wide(0, 1), foreign: 1, ..NOTHING },
        foreign: vec![deeds::TAKE_STATEMENT],
        // A copy that was asked for in the moment before that fails late, and a person is told.
        stalls: &[Reason::SnapshotFailed],
        ..copied()
    }
}
