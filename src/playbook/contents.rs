//! The rows of the playbook that work, whole, and where: the source of `docs/playbook.md`.
//!
//! A row stands here when all of it works. One half of which works stands nowhere.

use std::fmt::Write as _;

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the design.
    pub number: &'static str,
    /// What the playbook says, in our words.
    pub says: &'static str,
    /// What is done for it.
    pub does: &'static str,
    /// The kind that does it.
    pub kind: &'static str,
    /// The step file under `src/playbook/`.
    pub step: &'static str,
    /// Condition type of the step.
    pub condition: &'static str,
    /// Date of the conformance run on AWS, where there was one.
    pub observed_on_aws: Option<&'static str>,
}

/// All rows that work on the emulator.
pub const ROWS: &[Row] = &[
    Row {
        number: "D7",
        says: "capture metadata: type, id, addresses, groups, VPC, subnet, Region, AMI, launch time",
        does: "all of it, and volumes, interfaces, profile, tags, membership of Auto Scaling groups and load balancers, \
               and the digests of user data, console output and screenshot, into the chain of custody",
        kind: "Quarantine",
        step: "acquisition/capture_metadata",
        condition: "MetadataCaptured",
        observed_on_aws: None,
    },
    Row {
        number: "D9",
        says: "take a snapshot of each volume, with a description and tags",
        does: "one crash-consistent set of all volumes at once, and another after isolation; description and tags from birth, in \
               neutral words; what is excluded, detached or in an instance store is named; a volume that \
               fails is named and the rest goes on; snapshots that exist are adopted, and never called a set of ours",
        kind: "EvidenceSnapshot",
        step: "preservation/snapshot_volumes`, `preservation/adopt_snapshots",
        condition: "VolumesSnapshotted",
        observed_on_aws: None,
    },
    Row {
        number: "D10",
        says: "share snapshots privately with account ids; public is not for evidence",
        does: "shared with exactly the declared accounts, each allowed by the AwsAccount, after the lock; strangers and the public lose \
               what they were given, and are recorded; the public can't be named; whether the account blocks public sharing is told",
        kind: "EvidenceSnapshot",
        step: "preservation/share_snapshots",
        condition: "Shared",
        observed_on_aws: None,
    },
    Row {
        number: "D11",
        says: "use an unencrypted shared snapshot: make a volume of it, or copy it to another Region",
        does: "copied by the forensic account into itself, in any Region that the AwsAccount allows, re-encrypted under a key of that \
               place and locked there; a set is preserved when the copies that are declared stand; a Region or an account that is \
               not allowed, and a key of another place, are named and get nothing",
        kind: "EvidenceSnapshot",
        step: "preservation/copy_and_reencrypt",
        condition: "Copied",
        observed_on_aws: None,
    },
    Row {
        number: "D12",
        says: "encrypted snapshots: two statements in the key's policy, then share; the other side copies under its own key",
        does: "a named grant, or the two statements (`keyAccess`), tried from the other account until it has its effect; both taken \
               back when the copies stand, the policy as it was but for what others changed; under the default aws/ebs key a copy \
               under the transfer key first; a policy without room, a key that can't be used and a missing permission are named",
        kind: "EvidenceSnapshot",
        step: "preservation/share_snapshots`, `preservation/copy_and_reencrypt",
        condition: "Shared",
        observed_on_aws: None,
    },
    Row {
        number: "D17",
        says: "retention of data and evidence, and the archive tier",
        does: "a legal hold and a retention date, for which locks of the set and of its copies are renewed before they end, or an \
               alarm says that they are not; a hold is lifted by an Approval alone, and a date is never moved earlier; set and \
               copies in the archive tier after so many days, once all copies stand and all digests are in the chain",
        kind: "EvidenceSnapshot",
        step: "preservation/lock_snapshots`, `preservation/lift_hold`, `preservation/archive_snapshots",
        condition: "Archived",
        observed_on_aws: None,
    },
    Row {
        number: "C2",
        says: "disable termination, set the shutdown behaviour to stop, turn DeleteOnTermination off for all volumes",
        does: "those three, and stop protection; given back at release where our value still stands",
        kind: "Quarantine",
        step: "containment/protect",
        condition: "Protected",
        observed_on_aws: None,
    },
    Row {
        number: "C3",
        says: "detach the instance from its Auto Scaling group, with a replacement or a lower desired capacity",
        does: "scale-in protection and Standby at once, without an Approval; detached at `Detached`, with another instance in its \
               place or a desired capacity lower by one, within the minimum size, which is lowered by an Approval of its own; what \
               is terminating already is held up by heartbeats where a lifecycle hook exists; given back at release",
        kind: "Quarantine",
        step: "containment/stop_replacement`, `containment/detach_from_asg`, `containment/lower_minimum",
        condition: "Detached",
        observed_on_aws: None,
    },
    Row {
        number: "C4",
        says: "deregister the instance from its load balancers",
        does: "out of classic load balancers, and of every target group that has it by instance id or by an address of any \
               interface, IPv4 and IPv6; settled when AWS has accepted it, and that it drains is said; registered again is taken \
               back and recorded; given back at release as it was registered, where nobody else did",
        kind: "Quarantine",
        step: "containment/deregister_from_load_balancers",
        condition: "Deregistered",
        observed_on_aws: None,
    },
];

/// The document.
pub fn document() -> String {
    let mut text = String::from(
        "# The playbook, row by row\n\n\
         Generated from `src/playbook/contents.rs`; do not edit. A row is listed when all of it works; what was only seen on \
         an emulator is not called observed on AWS.\n\n\
         | row | the playbook says | what is done | kind, step | works on the emulator | observed on AWS |\n\
         |---|---|---|---|---|---|\n",
    );
    for row in ROWS {
        // Writing to a String can't fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}, `{}` | yes | {} |",
            row.number,
            row.says,
            row.does,
            row.kind,
            row.step,
            row.observed_on_aws.unwrap_or("no")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_a_step_that_is_in_a_table() {
        for row in ROWS {
            let known = crate::playbook::QUARANTINE
                .iter()
                .map(|step| step.name)
                .chain(crate::playbook::EVIDENCE_SNAPSHOT.iter().map(|step| step.name))
                .any(|name| name == row.condition);
            assert!(known, "{}: no step is called {}", row.number, row.condition);
        }
    }
}
