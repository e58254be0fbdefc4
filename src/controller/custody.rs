//! Finding the head of a chain, and folding what lies before it.

use super::cluster::{Cluster, ClusterError};
use crate::playbook::chain::{self, Head, ObjectRef};
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
        /// What stands before it.
        prefix: Box<Chain>,
    },
    /// The API server did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Reads on from where `known` stands until there is no next link. No watch: a list can lag, a get of a name can't.
pub async fn catch_up(cluster: &Cluster, short: &str, subject: &ObjectRef, known: Chain) -> Result<Chain, ChainError> {
    let mut chain = known;
    while let Some(bytes) = cluster.record(short, subject, chain::next_index(chain.head.as_ref())).await? {
        follow(subject, &mut chain, &bytes)?;
    }
    Ok(chain)
}

fn follow(subject: &ObjectRef, chain: &mut Chain, bytes: &str) -> Result<(), ChainError> {
    match chain::follow(subject, chain.head.as_ref(), &mut chain.record, bytes) {
        Ok((head, _)) => {
            chain.head = Some(head);
            Ok(())
        }
        Err(broken) => Err(ChainError::Broken { why: broken.to_string(), prefix: Box::new(chain.clone()) }),
    }
}

/// Reads a whole chain from its first link: an edit anywhere in it is found before anything is decided.
pub async fn open(cluster: &Cluster, short: &str, subject: &ObjectRef) -> Result<Chain, ChainError> {
    let mut chain = Chain::default();
    for bytes in cluster.all_records(subject).await? {
        follow(subject, &mut chain, &bytes)?;
    }
    catch_up(cluster, short, subject, chain).await
}
