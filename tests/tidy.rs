//! Rules of the house that can be read off the sources. Each says which file and which line breaks it.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, reason = "that is how tests fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sequester::cloud::READ_ACTIONS;
use sequester::cloud::iam::STATEMENTS;
use sequester::playbook::step::{Procedure, Step};
use sequester::playbook::{AWS_ACCOUNT, EVIDENCE_SNAPSHOT, FORENSIC_CASE, QUARANTINE};

/// A source file: its path from the root, and its lines.
struct Source {
    path: String,
    lines: Vec<String>,
}

impl Source {
    fn is_under(&self, room: &str) -> bool {
        self.path.starts_with(room)
    }

    /// Lines of the product with their numbers: without comments, and without tests and what they share.
    fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = self.path.ends_with("_tests.rs") || self.path.contains("/sample/");
        let lines = self.lines.iter().map(|line| line.trim()).take_while(|line| !line.starts_with("mod tests"));
        (1..).zip(lines).filter(move |(_, line)| !is_test && !line.starts_with("//"))
    }
}

fn read(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = fs::read_to_string(&path).unwrap().lines().map(ToOwned::to_owned).collect();
            sources.push(Source { path: path.display().to_string(), lines });
        }
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in folders {
        // Tests run in the root of the package.
        read(Path::new(folder), &mut sources);
    }
    assert!(sources.len() > 20, "too few sources: a rule that reads nothing proves nothing");
    sources
}

/// None of these words in the product's files that `wanted` picks.
fn never(rule: &str, words: &str, wanted: impl Fn(&Source) -> bool) {
    let mut broken = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| wanted(source)) {
        for (number, line) in source.product() {
            let found = words.split_whitespace().filter(|word| line.contains(word));
            broken.extend(found.map(|word| format!("{}:{number}: {word}", source.path)));
        }
    }
    assert!(broken.is_empty(), "{rule}\n{}", broken.join("\n"));
}

/// Calls without arguments whose name begins with one of these verbs, in the room that knows AWS: where, and the name.
fn calls(verbs: &[&str]) -> Vec<(String, String)> {
    let mut calls = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| source.is_under("src/cloud/aws")) {
        for (number, line) in source.product() {
            for name in line.split('.').skip(1).filter_map(|piece| piece.split_once("()")).map(|(name, _)| name) {
                let verb = name.split_once('_').map(|(verb, _)| verb).filter(|_| !name.contains('('));
                if verb.is_some_and(|verb| verbs.contains(&verb)) {
                    calls.push((format!("{}:{number}", source.path), name.to_owned()));
                }
            }
        }
    }
    calls
}

#[test]
fn rooms_know_whom_they_may() {
    never("api knows nobody", "crate::playbook crate::cloud crate::controller", |s| s.is_under("src/api"));
    let others = "crate::controller crate::cloud::{ crate::cloud::a crate::cloud::o crate::cloud::s";
    never("the playbook knows api and cloud/error.rs", others, |s| s.is_under("src/playbook"));
    let by_hand = "crate::commands sequester::commands";
    never("nobody but main knows the commands", by_hand, |s| !s.is_under("src/commands") && !s.is_under("src/main.rs"));
    never("nobody but main knows the controller", "crate::controller sequester::controller", |s| {
        !s.is_under("src/controller") && !s.is_under("src/main.rs")
    });
}

#[test]
fn the_playbook_awaits_nothing_and_has_no_clock_and_no_client() {
    let impure = "async .await? .await; tokio kube:: std::time ::now clock:: fastrand std::fs std::env";
    never("the playbook is pure", impure, |s| s.is_under("src/playbook"));
    let sdk = "aws_sdk aws_smithy aws_config aws_credential";
    never("the AWS SDK is in one room", sdk, |s| !s.is_under("src/cloud/aws"));
}

#[test]
fn one_file_writes_to_kubernetes_and_one_makes_conditions() {
    let writes = "PostParams PatchParams DeleteParams Patch::";
    never("cluster.rs writes to Kubernetes", writes, |s| !s.is_under("src/controller/cluster.rs"));
    never("project.rs makes conditions", "last_transition_time:", |s| !s.is_under("src/playbook/project.rs"));
}

/// First words of the names of calls that change something.
const VERBS: &str = "accept add allocate apply associate attach authorize cancel copy create delete deregister detach \
    disable disassociate enable enter exit import lock modify move put reboot record register reject release replace reset restore retire \
    revoke run schedule send start stop tag terminate unassign unlock untag update";
/// All that AWS is ever asked to change.
const CHANGES: &str = "create_security_group authorize_security_group_ingress authorize_security_group_egress \
    revoke_security_group_ingress revoke_security_group_egress modify_network_interface_attribute \
    modify_instance_attribute create_snapshots lock_snapshot modify_snapshot_attribute modify_snapshot_tier create_grant copy_snapshot revoke_grant put_key_policy enter_standby \
    exit_standby detach_instances attach_instances update_auto_scaling_group record_lifecycle_action_heartbeat \
    deregister_targets register_targets deregister_instances_from_load_balancer register_instances_with_load_balancer \
    put_role_policy delete_role_policy modify_instance_metadata_options associate_iam_instance_profile \
    disassociate_iam_instance_profile associate_address disassociate_address";
/// Members of answers that are called like changes.
const MEMBERS: &str = "delete_on_termination disable_api_termination disable_api_stop lock_state lock_expires_on \
    create_volume_permissions restore_expiry_time start_time";
const DEADLY: &str = "DeleteSnapshot UnlockSnapshot DeregisterImage DeleteVolume ScheduleKeyDeletion DisableKey \
    EnableSnapshotBlock DisableSnapshotBlock PublicAccessBlock DeleteObject DeleteTags TerminateInstances ResetSnapshotAttribute";

/// S1: nothing on the list destroys, unlocks or shortens, and nothing is called that is not on it.
#[test]
fn nothing_destroys_evidence() {
    let found = calls(&VERBS.split_whitespace().collect::<Vec<_>>());
    let known: Vec<&str> = CHANGES.split_whitespace().chain(MEMBERS.split_whitespace()).collect();
    let others: Vec<_> = found.iter().filter(|(_, name)| !known.contains(&name.as_str())).collect();
    assert!(others.is_empty(), "a change in AWS that is not on the list: {others:?}");
    let idle: Vec<_> = CHANGES.split_whitespace().filter(|c| !found.iter().any(|(_, name)| name == c)).collect();
    assert!(idle.is_empty(), "on the list, and never called: {idle:?}");
    never("no name of a call that destroys evidence", DEADLY, |_| true);
}

/// S6: everybody is named in one place, which can only take them away.
#[test]
fn nothing_is_shared_with_all() {
    let evidence = "src/cloud/aws/ec2_evidence.rs";
    let grouped = "set_group_names( .group_names( VolumePermissionModifications";
    never("groups are named in one file", grouped, |s| s.path != evidence);
    let lines: Vec<String> =
        sources(&["src"]).into_iter().filter(|s| s.path == evidence).flat_map(|s| s.lines).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("\"all\"")).count(), 1, "everybody is named once");
    let adds: Vec<&String> = lines.iter().filter(|line| line.contains("OperationType::Add")).collect();
    assert!(adds.len() == 1 && adds[0].ends_with("accounts, false).await"), "a call that adds a group: {adds:?}");
}

#[test]
fn every_step_is_in_one_table_and_comes_after_earlier_ones() {
    fn names<P: Procedure>(table: &[Step<P>]) -> usize {
        for (at, step) in table.iter().enumerate() {
            let earlier: Vec<&str> = table[..at].iter().map(|step| step.name).collect();
            assert!(!earlier.contains(&step.name), "{} stands twice", step.name);
            assert!(step.after.iter().all(|name| earlier.contains(name)), "{} waits for a later one", step.name);
        }
        table.len()
    }
    let listed = names(QUARANTINE) + names(EVIDENCE_SNAPSHOT) + names(FORENSIC_CASE) + names(AWS_ACCOUNT);
    let sources = sources(&["src/playbook"]);
    let steps = sources
        .iter()
        .flat_map(Source::product)
        .filter(|(_, line)| line.starts_with("pub const") && line.contains(": Step<"));
    assert_eq!(steps.count(), listed, "a step that is in no table, or in two");
}

#[test]
fn every_read_names_its_permission() {
    let granted: BTreeSet<String> = READ_ACTIONS
        .iter()
        .flat_map(|(_, actions)| *actions)
        .filter_map(|action| action.split_once(':').map(|(_, name)| name.to_lowercase()))
        .collect();
    let asked = calls(&["describe", "get", "list"]);
    assert!(asked.len() > 10, "too few reads: {asked:?}");
    let lacking: Vec<_> = asked.iter().filter(|(_, name)| !granted.contains(&name.replace('_', ""))).collect();
    assert!(lacking.is_empty(), "not in READ_ACTIONS: {lacking:?}");
}

/// What effects name is what the policies allow, both ways; what they look at beside it is granted with the reads.
#[test]
fn every_permission_of_an_effect_is_bound_by_a_statement_and_none_is_left_over() {
    let mut named = BTreeSet::new();
    for source in sources(&["src/playbook"]) {
        let mut inside = false;
        for (_, line) in source.product() {
            inside = if line.contains("fn ") { line.contains("fn iam_actions") } else { inside };
            let quoted = line.split('"').skip(1).step_by(2).filter(|_| inside);
            named.extend(quoted.map(ToOwned::to_owned));
        }
    }
    let reads: BTreeSet<&str> = READ_ACTIONS.iter().flat_map(|(_, actions)| *actions).copied().collect();
    named.retain(|action| !reads.contains(action.as_str()));
    let bound = STATEMENTS.iter().flat_map(|statement| statement.actions).filter(|action| !reads.contains(*action));
    let bound: BTreeSet<String> = bound.map(ToString::to_string).collect();
    assert!(named.len() > 20, "too few: {named:?}");
    assert_eq!(named, bound);
}

#[test]
fn files_are_short() {
    for source in sources(&["src", "tests"]) {
        let lines = source.lines.len();
        assert!(lines <= 400, "{} has {lines} lines", source.path);
        let tests = source.lines.iter().position(|line| line.starts_with("mod tests {")).map_or(0, |at| lines - at);
        assert!(tests <= 120, "{} has {tests} lines of tests: they go into a file beside", source.path);
    }
}
