//! Row D10, beside it: whether the account lets snapshots be shared with the public. It keeps nothing of ours from being
//! private, and tells how far a mistake, or an intruder, could go.

use crate::playbook::EvidenceSnapshot;
use crate::playbook::copies::own;
use crate::playbook::record::Fact;
use crate::playbook::step::View;

/// For the chain: at first, and what it is by now, no more often than is worth a record.
pub(super) fn fact(view: &View<'_, EvidenceSnapshot>) -> Option<Fact> {
    let state = view.seen.public_sharing.value()?;
    let said = view.record.public_sharing.as_ref().is_some_and(|(known, at)| {
        known == state || view.now.as_second() - at.as_second() < view.limits.coalesce_seconds
    });
    (!said).then(|| Fact::PublicSharing { state: state.clone() })
}

/// For people: what it is now, or was when it was read last.
pub(super) fn told(view: &View<'_, EvidenceSnapshot>) -> String {
    let region = own(view.spec, view.account).region;
    let why = view.seen.public_sharing.failure().map(|failure| failure.message.as_str());
    match (view.seen.public_sharing.value(), &view.record.public_sharing) {
        (Some(state), _) => sentence(state, region.as_str()),
        (None, Some((state, at))) => {
            let why = why.unwrap_or("it was not asked again");
            format!("{} (so it was on {at}; now: {why})", sentence(state, region.as_str()))
        }
        (None, None) => match why {
            Some(why) => format!("Whether the account blocks public sharing of snapshots could not be read: {why}"),
            None => "Whether the account blocks public sharing of snapshots was not asked yet".to_owned(),
        },
    }
}

fn sentence(state: &str, region: &str) -> String {
    match state {
        "block-all-sharing" => format!("The account blocks all public sharing of snapshots in {region}"),
        "block-new-sharing" => format!(
            "The account blocks new public sharing of snapshots in {region}; what was public before is so still"
        ),
        "unblocked" => format!(
            "The account does not block public sharing of snapshots in {region}: turn on block public access for snapshots there"
        ),
        other => format!("The account calls public sharing of snapshots in {region} {other}"),
    }
}
