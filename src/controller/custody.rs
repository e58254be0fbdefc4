//! Finding the head of a chain, and folding what lies before it.

use super::cluster::{Cluster, ClusterError};
use crate::api::quarantine::RecordStatus;
use crate::playbook::chain::{self, Body, Head, ObjectRef};
use crate::playbook::record::Record;

/// A chain as far as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its last link; none while it has none.
    pub head: Option<Head>,
    /// What follows from it.
    pub record: Record,
}

/// Why a chain can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// It was edited, cut or reordered.
    #[error("{why}")]
    Broken {
        /// What is wrong with the first link that does not follow.
        why: String,
        /// What all of it says, good or not: no reason to do anything, and enough to know what was held.
        readable: Box<Chain>,
    },
    /// The API server did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Reads on from where `known` stands until there is no next link. No watch: a list can lag, a get of a name can't.
pub async fn catch_up(cluster: &Cluster, short: &str, subject: &ObjectRef, known: Chain) -> Result<Chain, ChainError> {
    let mut chain = known;
    while let Some(bytes) = cluster.record(short, subject, chain::next_index(chain.head.as_ref())).await? {
        if let Err(why) = follow(subject, &mut chain, &bytes) {
            salvage(subject, &mut chain, &bytes);
            return Err(ChainError::Broken { why, readable: Box::new(chain) });
        }
    }
    Ok(chain)
}

/// Reads a whole chain from its first link: an edit anywhere in it is found before anything is decided. `noted` is a
/// link that the object's status names: a chain that was cut, or written anew from some link on, is whole in itself.
pub async fn open(
    cluster: &Cluster,
    short: &str,
    subject: &ObjectRef,
    noted: Option<&RecordStatus>,
) -> Result<Chain, ChainError> {
    let mut chain = Chain::default();
    let records = cluster.all_records(subject).await?;
    for (at, bytes) in records.iter().enumerate() {
        if let Err(why) = follow(subject, &mut chain, bytes).and_then(|()| agrees(&chain, noted)) {
            for bytes in &records[at..] {
                salvage(subject, &mut chain, bytes);
            }
            return Err(ChainError::Broken { why, readable: Box::new(chain) });
        }
    }
    let chain = catch_up(cluster, short, subject, chain).await?;
    match noted.filter(|noted| noted.index >= chain::next_index(chain.head.as_ref())) {
        None => Ok(chain),
        Some(noted) => {
            let why = format!("record {} is gone, which the object's status names", noted.index);
            Err(ChainError::Broken { why, readable: Box::new(chain) })
        }
    }
}

fn follow(subject: &ObjectRef, chain: &mut Chain, bytes: &str) -> Result<(), String> {
    let followed = chain::follow(subject, chain.head.as_ref(), &mut chain.record, bytes);
    let (head, _) = followed.map_err(|broken| broken.to_string())?;
    chain.head = Some(head);
    Ok(())
}

/// Whether the last link read is the one that was noted, where it stands in its place.
fn agrees(chain: &Chain, noted: Option<&RecordStatus>) -> Result<(), String> {
    let replaced = |head: &&Head| noted.is_some_and(|noted| noted.index == head.index && noted.hash != head.hash);
    match chain.head.as_ref().filter(replaced) {
        None => Ok(()),
        Some(head) => Err(format!("record {} is another than the object's status names", head.index)),
    }
}

/// Takes what a link says without asking whether it follows.
fn salvage(subject: &ObjectRef, chain: &mut Chain, bytes: &str) {
    let body = serde_json::from_str::<Body>(bytes).ok();
    let Some(body) = body.filter(|body| body.subject.uid == subject.uid) else { return };
    chain.record.fold(&body.entries, body.time);
    chain.head = Some(Head { index: body.index, hash: chain::sha256(bytes.as_bytes()), state: body.state });
}
