//! A link put behind a chain: what it opened, what it closed, and what was reached by it.

use sequester::playbook::attribute::Attribute;
use sequester::playbook::chain::Link;
use sequester::playbook::copy_change::CopyChange;
use sequester::playbook::effect::Effect;
use sequester::playbook::record::{Entry, Fact, OutcomeKind, Record};

use super::marks::Mark;
use super::state::{Node, hash_of};

/// The chain with a link behind it. The record is that of the link, as long as no mutation made another of it. What it
/// says in words takes longer than all the rest, and is for traces.
pub fn after(before: &Node, link: &Link, record: Record, in_words: bool) -> Node {
    let (mut intents, mut closed, mut outcomes) = (before.intents.clone(), before.closed.clone(), Vec::new());
    for entry in &link.body.entries {
        match entry {
            Entry::Intent { id, effect, .. } => {
                intents.insert(id.clone(), hash_of(effect));
            }
            Entry::Outcome { id, result, .. } => {
                closed.insert(id.clone());
                outcomes.push((id.clone(), *result));
            }
            _ => {}
        }
    }
    let words: Vec<String> = link.body.entries.iter().filter(|_| in_words).map(words).collect();
    let marks = link.body.entries.iter().filter_map(mark).collect();
    Node { outcomes, marks, words: words.join(", "), ..Node::new(Some(link.head.index), record, intents, closed) }
}

fn words(entry: &Entry) -> String {
    let json = serde_json::to_value(entry).unwrap_or_default();
    let word = |key: &str| json.get(key).and_then(|value| value.as_str()).map(ToOwned::to_owned);
    let operation = json.get("effect").and_then(|e| e.get("operation")).and_then(|o| o.as_str());
    match (word("entry").as_deref(), word("fact"), word("result"), operation) {
        (Some("fact"), Some(fact), ..) => match word("attribute") {
            Some(attribute) => format!("{fact} {attribute}"),
            None => fact,
        },
        (Some("outcome"), _, Some(result), _) => format!("outcome {result}"),
        (Some("intent"), .., Some(operation)) => format!("intent {operation}"),
        (Some(kind), ..) => kind.to_owned(),
        _ => "?".to_owned(),
    }
}

fn mark(entry: &Entry) -> Option<Mark> {
    Some(match entry {
        Entry::Outcome { result, .. } => match result {
            OutcomeKind::Adopted => Mark::Adopted,
            OutcomeKind::Unknown => Mark::Unknown,
            OutcomeKind::Failed => Mark::Failed,
            _ => return None,
        },
        Entry::Intent { effect, retry_of, .. } => match effect {
            Effect::CreateSecurityGroup { .. } => Mark::GroupMade,
            Effect::ReplaceSecurityGroups { .. } => Mark::Isolated,
            Effect::RevokeRules { .. } => Mark::RulesRevoked,
            Effect::OpenForPulse { .. } => Mark::Opened,
            Effect::SetDeleteOnTermination { .. } => Mark::Protected,
            Effect::UnshareSnapshot { .. } => Mark::StrangersOut,
            Effect::CreateGrant { .. } => Mark::Granted,
            Effect::Copying(CopyChange::PutKeyPolicy { accounts, .. }) if accounts.is_empty() => Mark::TakenBack,
            Effect::Copying(CopyChange::PutKeyPolicy { .. }) => Mark::Lent,
            Effect::CreateSnapshots { .. } if retry_of.is_some() => Mark::Resent,
            Effect::CreateSnapshots { .. } => Mark::SetTaken,
            Effect::Copying(CopyChange::CopySnapshot { .. }) if retry_of.is_some() => Mark::CopiedAgain,
            Effect::Copying(CopyChange::CopySnapshot { .. }) => Mark::Copied,
            _ => return None,
        },
        Entry::Decision(_) => Mark::Decided,
        Entry::Fact(fact) => match fact {
            Fact::Metadata { .. } => Mark::Described,
            Fact::Surroundings { .. } => Mark::Surrounded,
            Fact::Contained => Mark::Contained,
            Fact::Deregistered => Mark::Deregistered,
            Fact::Drift { .. } => Mark::Drift,
            Fact::ForeignRules { .. } => Mark::ForeignRules,
            Fact::PlanPublished(_) => Mark::PlanPublished,
            Fact::Verified { attribute: Attribute::AutoScalingGroup } => Mark::Detached,
            Fact::Restored { attribute: Attribute::Groups(_) } => Mark::GroupsBack,
            Fact::Restored { attribute: Attribute::AutoScalingGroup } => Mark::BackInGroup,
            Fact::Restored { attribute } if attribute.is_registration() => Mark::BackWithBalancers,
            Fact::Restored { .. } => Mark::ProtectionBack,
            Fact::LeftAsFound { .. } => Mark::Left,
            Fact::Released => Mark::Released,
            Fact::SentAgain { .. } => Mark::Failed,
            Fact::SnapshotSettled { .. } => Mark::SnapshotSettled,
            Fact::Locked { .. } => Mark::Locked,
            Fact::EvidencePreserved => Mark::Preserved,
            Fact::Shared { .. } => Mark::Shared,
            Fact::Digested(_) => Mark::Digested,
            _ => return None,
        },
        Entry::Opened { .. } => return None,
    })
}
