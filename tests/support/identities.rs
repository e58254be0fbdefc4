//! Who may speak to the bed's API server, and the two files that tell it so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;

/// The people and machines of the tests. What they may do is for the installed RBAC to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// May do everything (`system:masters`).
    Admin,
    /// A responder, who requests.
    Alice,
    /// An approver.
    Bob,
    /// A second approver.
    Carol,
    /// Reads.
    Auditor,
    /// Argo CD's application controller: a service account that requests.
    Argo,
    /// May do everything, and passes the policies that have a break-glass group.
    Breaker,
    /// Kubernetes' own controllers, where a test starts them.
    ControllerManager,
}

impl Identity {
    pub const ALL: [Self; 8] = [
        Self::Admin,
        Self::Alice,
        Self::Bob,
        Self::Carol,
        Self::Auditor,
        Self::Argo,
        Self::Breaker,
        Self::ControllerManager,
    ];

    /// The user name that the API server sees.
    pub fn user(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Auditor => "auditor",
            Self::Argo => "system:serviceaccount:argocd:argocd-application-controller",
            Self::Breaker => "dora",
            Self::ControllerManager => "system:kube-controller-manager",
        }
    }

    /// The groups beside `system:authenticated`.
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Admin | Self::ControllerManager => &["system:masters"],
            Self::Breaker => &["system:masters", "sequester.dev:break-glass"],
            Self::Alice => &["responders"],
            Self::Bob | Self::Carol => &["approvers"],
            Self::Auditor => &["auditors"],
            Self::Argo => &["system:serviceaccounts", "system:serviceaccounts:argocd"],
        }
    }
}

/// One bearer token an identity, new for each control plane.
pub struct Tokens(BTreeMap<Identity, String>);

impl Tokens {
    pub fn new() -> Self {
        Self(Identity::ALL.map(|identity| (identity, hex::encode(random::<16>()))).into())
    }

    pub fn of(&self, identity: Identity) -> &str {
        &self.0[&identity]
    }

    /// The contents of the API server's `--token-auth-file`.
    pub fn file(&self) -> String {
        self.0.iter().fold(String::new(), |mut file, (identity, token)| {
            let (user, groups) = (identity.user(), identity.groups().join(","));
            writeln!(file, "{token},{user},{user},\"{groups}\"").expect("write to a string");
            file
        })
    }
}

/// A new key for service account tokens: a P-256 key as RFC 5915 writes it. The public half is left out, as it may be,
/// so what is between the fixed bytes is just a random number, and neither openssl nor a crate is needed.
pub fn signing_key() -> String {
    const BEFORE: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
    const CURVE: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let mut scalar = random::<32>();
    // Below the order of the curve, which begins with ff ff ff ff, and not zero.
    scalar[0] &= 0x7f;
    scalar[31] |= 0x01;
    let der = [&BEFORE[..], &scalar, &CURVE].concat();
    format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", base64(&der))
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).expect("read /dev/urandom");
    bytes
}

/// Base64 of a length that needs no padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert!(bytes.len().is_multiple_of(3), "no padding here");
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let word = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[(word >> shift & 63) as usize]))
        })
        .collect()
}
