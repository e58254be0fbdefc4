//! What becomes of a host's AWS credentials while it is held: a part of how a Quarantine isolates.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of the credentials that the instance has by the role of its instance profile. Whoever took them from it
/// uses them elsewhere, so that closing the network does not end that.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credentials {
    /// What is denied to sessions of the role, by one inline policy of the role for all of its hosts that are held.
    /// `RevokeInstance`: everything, to the sessions of this instance. `RevokeRole`: that, and everything to every session of
    /// the role that was issued before, on whichever host; each is denied until its host gets new credentials, which may take
    /// hours. `Leave`: nothing. What was denied stays denied until the release. A service-linked role can't be revoked: the
    /// reason is `InvalidRequest`. Sessions that the instance chained by AssumeRole are not covered. Default:
    /// `RevokeInstance`.
    pub sessions: Sessions,
    /// Whether the instance profile is taken from the instance. Credentials that it got before stay valid until they end,
    /// so that this goes with `sessions`, and not in its place. `Remove`: taken, and given back at release. `Leave`: left.
    /// Default: `Leave`.
    pub profile: InstanceProfile,
}

/// Which sessions of the role are denied everything.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Sessions {
    /// Those of this instance.
    #[default]
    RevokeInstance,
    /// Those too that were issued before, on whichever host.
    RevokeRole,
    /// None.
    Leave,
}

/// Whether the instance profile is taken from the instance.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum InstanceProfile {
    /// Taken, and given back at release.
    Remove,
    /// Left.
    #[default]
    Leave,
}

/// Whether the metadata service of the instance is switched off.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum MetadataService {
    /// Switched off when memory needs it no more, and on again at release where it was on.
    #[default]
    Disable,
    /// Left.
    Leave,
}
