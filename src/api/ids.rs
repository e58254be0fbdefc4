//! Names that AWS and this project give to things, parsed where they enter.
//!
//! A value of one of these types has been checked once and is never checked again. The same rule stands in the CRD
//! schema as a pattern, so that the API server refuses what these parsers would refuse: were the schema weaker, one
//! malformed object would break the listing of all the others.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A value that does not follow the rule of its kind.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{kind}: {value:?} is not valid: {rule}")]
pub struct IdError {
    /// What the value was meant to be, in words: `instance id`.
    pub kind: &'static str,
    /// The value as it was given, cut to 128 characters.
    pub value: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// Defines one newtype: its words, its pattern for the schema, and the function that checks the same rule in Rust.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:literal, $pattern:expr, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The regular expression (RE2) that the CRD schema carries.
            pub const PATTERN: &'static str = $pattern;
            /// The greatest length, in characters.
            pub const MAX_LENGTH: usize = $max;
            /// The rule in words, as errors say it.
            pub const RULE: &'static str = $rule;

            /// Parses the value.
            ///
            /// # Errors
            /// Names the kind, the value and the rule.
            pub fn parse(value: &str) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if value.len() <= Self::MAX_LENGTH && check(value) {
                    Ok(Self(value.to_owned()))
                } else {
                    Err(IdError { kind: $kind, value: value.chars().take(128).collect(), rule: Self::RULE })
                }
            }

            /// The value as AWS writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(value: String) -> Result<Self, IdError> {
                Self::parse(&value)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(value: &str) -> Result<Self, IdError> {
                Self::parse(value)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "maxLength": $max, "pattern": $pattern })
            }
        }
    };
}

id!(
    /// An AWS account: 12 digits, such as `111122223333`. Quote it in YAML.
    AccountId, "account id", 12, "^[0-9]{12}$",
    "an AWS account id is 12 digits",
    |v| v.len() == 12 && v.bytes().all(|b| b.is_ascii_digit())
);
id!(
    /// An AWS Region, such as `eu-west-1`.
    RegionName, "Region", 32, "^[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$",
    "an AWS Region is written like eu-west-1",
    is_region
);
id!(
    /// An EC2 instance: `i-` and 8 or 17 hexadecimal digits in lower case.
    InstanceId, "instance id", 19, "^i-([0-9a-f]{8}|[0-9a-f]{17})$",
    "an instance id is i- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "i-")
);
id!(
    /// An EBS volume: `vol-` and 8 or 17 hexadecimal digits in lower case.
    VolumeId, "volume id", 21, "^vol-([0-9a-f]{8}|[0-9a-f]{17})$",
    "a volume id is vol- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "vol-")
);
id!(
    /// An EBS snapshot: `snap-` and 8 or 17 hexadecimal digits in lower case.
    SnapshotId, "snapshot id", 22, "^snap-([0-9a-f]{8}|[0-9a-f]{17})$",
    "a snapshot id is snap- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "snap-")
);
id!(
    /// A security group: `sg-` and 8 or 17 hexadecimal digits in lower case.
    SecurityGroupId, "security group id", 20, "^sg-([0-9a-f]{8}|[0-9a-f]{17})$",
    "a security group id is sg- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "sg-")
);
id!(
    /// A network interface: `eni-` and 8 or 17 hexadecimal digits in lower case.
    InterfaceId, "network interface id", 21, "^eni-([0-9a-f]{8}|[0-9a-f]{17})$",
    "a network interface id is eni- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "eni-")
);
id!(
    /// An elastic IP address: `eipalloc-` and 8 or 17 hexadecimal digits in lower case.
    AllocationId, "allocation id", 26, "^eipalloc-([0-9a-f]{8}|[0-9a-f]{17})$",
    "an allocation id is eipalloc- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "eipalloc-")
);
id!(
    /// A VPC: `vpc-` and 8 or 17 hexadecimal digits in lower case.
    VpcId, "VPC id", 21, "^vpc-([0-9a-f]{8}|[0-9a-f]{17})$",
    "a VPC id is vpc- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "vpc-")
);
id!(
    /// A subnet: `subnet-` and 8 or 17 hexadecimal digits in lower case.
    SubnetId, "subnet id", 24, "^subnet-([0-9a-f]{8}|[0-9a-f]{17})$",
    "a subnet id is subnet- followed by 8 or 17 hexadecimal digits in lower case",
    |v| is_resource(v, "subnet-")
);
id!(
    /// A KMS key by its ARN. Aliases are not taken: an alias can be pointed at another key later.
    KeyArn, "KMS key ARN", 160,
    "^arn:aws(-[a-z]{2,8}){0,3}:kms:[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}$",
    "a KMS key ARN is arn:aws:kms:REGION:ACCOUNT:key/ID (an alias will not do)",
    is_key_arn
);
id!(
    /// An IAM role by its ARN.
    RoleArn, "role ARN", 640,
    "^arn:aws(-[a-z]{2,8}){0,3}:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}$",
    "a role ARN is arn:aws:iam::ACCOUNT:role/NAME",
    is_role_arn
);
id!(
    /// An IAM role by its name, without its path.
    RoleName, "role name", 64, "^[A-Za-z0-9_+=,.@-]{1,64}$",
    "the name of a role is 1 to 64 letters, digits and characters of _+=,.@-",
    |v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
);
id!(
    /// A target group of an application, network or gateway load balancer, by its ARN.
    TargetGroupArn, "target group ARN", 200,
    "^arn:aws(-[a-z]{2,8}){0,3}:elasticloadbalancing:[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}:[0-9]{12}:targetgroup/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}$",
    "a target group ARN is arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID",
    is_target_group_arn
);
id!(
    /// A classic load balancer, by its name.
    LoadBalancerName, "name of a classic load balancer", 32, "^[A-Za-z0-9-]{1,32}$",
    "the name of a classic load balancer is 1 to 32 letters, digits and hyphens",
    |v| !v.is_empty() && is_hyphenated(v)
);
id!(
    /// A SHA-256 digest: `sha256:` and 64 hexadecimal digits in lower case.
    Digest, "digest", 71, "^sha256:[0-9a-f]{64}$",
    "a digest is sha256: followed by 64 hexadecimal digits in lower case",
    |v| v.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_lower_hex))
);

impl KeyArn {
    /// The account that owns the key.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }

    /// The Region that holds the key.
    #[must_use]
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl TargetGroupArn {
    /// Its name and the number that AWS gave it: `web/0123456789abcdef`.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split_once(":targetgroup/").map_or(self.0.as_str(), |(_, short)| short)
    }
}

impl RoleArn {
    /// The account that owns the role.
    #[must_use]
    pub fn account(&self) -> &str {
        self.0.split(':').nth(4).unwrap_or_default()
    }
}

impl AccountId {
    /// The account of what has none: AWS gives no account this number.
    #[must_use]
    pub fn none() -> Self {
        Self("000000000000".to_owned())
    }
}

impl RegionName {
    /// The Region of what has none: AWS calls no Region so.
    #[must_use]
    pub fn none() -> Self {
        Self("none".to_owned())
    }
}

impl Digest {
    /// The digest of 32 bytes that a hash function gave.
    #[must_use]
    pub fn of(bytes: &[u8; 32]) -> Self {
        Self(format!("sha256:{}", hex::encode(bytes)))
    }

    /// The 64 hexadecimal digits, without the name of the algorithm.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or_default()
    }
}

const fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_resource(value: &str, prefix: &str) -> bool {
    value.strip_prefix(prefix).is_some_and(|hex| matches!(hex.len(), 8 | 17) && hex.bytes().all(is_lower_hex))
}

fn is_region(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    let [first, words @ .., number] = parts.as_slice() else { return false };
    let lower = |word: &str| word.bytes().all(|b| b.is_ascii_lowercase());
    (2..=4).contains(&first.len())
        && lower(first)
        && (1..=3).contains(&words.len())
        && words.iter().all(|word| (2..=12).contains(&word.len()) && lower(word))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

fn is_partition(value: &str) -> bool {
    let mut parts = value.split('-');
    let rest: Vec<&str> = parts.by_ref().skip(1).collect();
    value.split('-').next() == Some("aws")
        && rest.len() <= 3
        && rest.iter().all(|p| (2..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_lowercase()))
}

fn is_account(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
}

fn is_key_arn(value: &str) -> bool {
    let parts: Vec<&str> = value.split(':').collect();
    let ["arn", partition, "kms", region, account, key] = parts.as_slice() else { return false };
    is_partition(partition)
        && is_region(region)
        && is_account(account)
        && key.strip_prefix("key/").is_some_and(|id| {
            (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
}

fn is_hyphenated(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_target_group_arn(value: &str) -> bool {
    let parts: Vec<&str> = value.split(':').collect();
    let ["arn", partition, "elasticloadbalancing", region, account, group] = parts.as_slice() else { return false };
    is_partition(partition)
        && is_region(region)
        && is_account(account)
        && group.strip_prefix("targetgroup/").and_then(|rest| rest.split_once('/')).is_some_and(|(name, id)| {
            (1..=32).contains(&name.len()) && is_hyphenated(name) && id.len() == 16 && id.bytes().all(is_lower_hex)
        })
}

fn is_role_arn(value: &str) -> bool {
    let parts: Vec<&str> = value.split(':').collect();
    let ["arn", partition, "iam", "", account, role] = parts.as_slice() else { return false };
    is_partition(partition)
        && is_account(account)
        && role.strip_prefix("role/").is_some_and(|name| {
            (1..=576).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@/-".contains(&b))
        })
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
