//! Shapes and CEL rules that several kinds share.
//!
//! A rule's message names the field, the value and the rule, in that order, because it is all that a person sees.

use kube::core::{Message, Rule};
use schemars::{Schema, SchemaGenerator, json_schema};

/// RFC 3339 with a zone, in the years 2000 to 2999. No `format: date-time` beside it: with that the API server (1.36)
/// takes a list of strings for a time, and years that our own time type cannot hold. One such object that we cannot read
/// would break the list of all the others.
pub const TIME_PATTERN: &str = "^2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// Names of objects that a field refers to (RFC 1123).
pub const NAME_PATTERN: &str = "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$";

/// The schema of a time.
#[must_use]
pub fn time(_: &mut SchemaGenerator) -> Schema {
    let real =
        Rule::new("timestamp(self) > timestamp('2000-01-01T00:00:00Z')").message("must be a date and time that exist");
    json_schema!({
        "type": "string",
        "maxLength": 40,
        "pattern": TIME_PATTERN,
        "x-kubernetes-validations": all(&[real]),
    })
}

/// The schema of a time that may be moved later only.
#[must_use]
pub fn later_time(field: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = time(generator);
    // The API server prints the value; a message expression with both would pass the cost budget.
    let later = Rule::new("timestamp(self) >= timestamp(oldSelf)")
        .message(format!("{field} may only be moved later, never earlier").as_str());
    if let Some(serde_json::Value::Array(rules)) = schema.get_mut("x-kubernetes-validations") {
        rules.push(serde_json::json!(later));
    }
    schema
}

/// The schema of a lock's end.
#[must_use]
pub fn lock_until(generator: &mut SchemaGenerator) -> Schema {
    later_time("lock.until", generator)
}

/// The schema of a retention date.
#[must_use]
pub fn retain_until(generator: &mut SchemaGenerator) -> Schema {
    later_time("retainUntil", generator)
}

/// A share of something. CEL, since the API server (1.36) cuts the minimum to a whole number where the value is one.
#[must_use]
pub fn share(field: &str) -> Rule {
    // The API server prints the value; string(self) would pass the cost budget.
    Rule::new("self >= 0.1 && self <= 1.0").message(format!("{field} must be from 0.1 to 1.0").as_str())
}

/// Rules as the schema carries them, for structs with a default of their own, which `KubeSchema` cannot derive.
#[must_use]
pub fn all(rules: &[Rule]) -> serde_json::Value {
    serde_json::json!(rules)
}

/// A field that never changes. A rule on an optional field does not run when the field is removed: for those use
/// [`optional_immutable`] on the parent.
#[must_use]
pub fn immutable(field: &str, why: &str) -> Rule {
    Rule::new("self == oldSelf")
        .message(format!("{field} is immutable: {why}").as_str())
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// The same for a string, with both values in the message.
#[must_use]
pub fn immutable_string(field: &str, why: &str) -> Rule {
    Rule::new("self == oldSelf")
        .message(Message::Expression(format!(
            "\"{field} is immutable: it is '\" + oldSelf + \"' and cannot become '\" + self + \"': {why}\""
        )))
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// The instance that a Quarantine holds, with both in the message.
#[must_use]
pub fn immutable_target(field: &str) -> Rule {
    let words = |of: &str| format!("{of}.accountRef + ' ' + {of}.region + ' ' + {of}.instanceId");
    Rule::new("self == oldSelf").message(Message::Expression(format!(
        "\"{field} is immutable: it is '\" + {} + \"' and cannot become '\" + {} + \"': make another Quarantine for another instance\"",
        words("oldSelf"),
        words("self"),
    )))
    .reason(kube::core::Reason::FieldValueForbidden)
}

/// On the parent: an optional field that, once set, neither changes nor vanishes. `shown` is what of it the message
/// shows: a path from the field on to a string, empty where the field is one.
#[must_use]
pub fn optional_immutable(field: &str, name: &str, shown: &str, why: &str) -> Rule {
    let value = |of: &str| format!("{of}.{name}{shown}");
    Rule::new(format!("!has(oldSelf.{name}) || (has(self.{name}) && self.{name} == oldSelf.{name})"))
        .message(Message::Expression(format!(
            "\"{field} is immutable once set: it is '\" + {} + \"' and cannot become \" + (has(self.{name}) ? \"'\" + {} + \"'\" : 'none') + \": {why}\"",
            value("oldSelf"),
            value("self"),
        )))
        .field_path(format!(".{name}"))
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// On the parent: an optional field that, once set, does not vanish.
#[must_use]
pub fn never_removed(field: &str, name: &str, why: &str) -> Rule {
    Rule::new(format!("!has(oldSelf.{name}) || has(self.{name})"))
        .message(format!("{field} cannot be removed once set: {why}").as_str())
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// The order of levels.
#[must_use]
pub fn level_order(field: &str) -> Rule {
    // A chain of comparisons: indexOf over a list of levels costs more than the API server's budget.
    Rule::new(
        "self == oldSelf || self == 'Released' || oldSelf == 'Protected' || (oldSelf == 'Detached' && self == 'Isolated')",
    )
    .message(Message::Expression(format!(
        "\"{field} cannot go from '\" + oldSelf + \"' to '\" + self + \"': levels only rise (Protected, Detached, Isolated), any of them may become Released, and Released is final\""
    )))
    .reason(kube::core::Reason::FieldValueForbidden)
}

/// On the parent: how a host is isolated, of one that is being given back. The plan of the release covers it, so that a
/// change would ask for another approval in the middle of what the first one allowed.
#[must_use]
pub fn isolation_until_released(field: &str) -> Rule {
    Rule::new("oldSelf.level != 'Released' || self.isolation == oldSelf.isolation")
        .message(Message::Expression(format!(
            "\"{field} is immutable once spec.level is 'Released': it is \" + {} + \" and cannot become \" + {} + \": the release that was asked for covers it\"",
            isolation("oldSelf.isolation"),
            isolation("self.isolation"),
        )))
        .field_path(".isolation")
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// An isolation in words of CEL.
fn isolation(of: &str) -> String {
    let words = ["pulse", "publicAddress", "metadataService", "credentials.sessions", "credentials.profile"];
    words.map(|word| format!("'{word} ' + {of}.{word}")).join(" + ', ' + ")
}

/// On the parent: what becomes of the Auto Scaling group, of a host that is being given back. As for the isolation.
#[must_use]
pub fn auto_scaling_until_released(field: &str) -> Rule {
    Rule::new("oldSelf.level != 'Released' || self.autoScaling == oldSelf.autoScaling")
        .message(
            format!("{field} is immutable once spec.level is 'Released': the release that was asked for covers it")
                .as_str(),
        )
        .field_path(".autoScaling")
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// A minimum that stands in nobody's way is not lowered.
#[must_use]
pub fn lower_minimum_with_decrement(field: &str) -> Rule {
    Rule::new("!self.lowerMinimum || !self.replace").message(
        format!(
            "{field}.lowerMinimum: true needs {field}.replace: false: a group that replaces the instance keeps its capacity, and \
             its minimum is in nobody's way"
        )
        .as_str(),
    )
}

/// Exactly one of two fields.
#[must_use]
pub fn exactly_one(field: &str, one: &str, other: &str) -> Rule {
    Rule::new(format!("has(self.{one}) != has(self.{other})")).message(Message::Expression(format!(
        "\"{field} must have exactly one of {one} and {other}, and has \" + (has(self.{one}) ? 'both' : 'neither')"
    )))
}

/// On the parent: what exists is kept from now on, and waits for no isolation.
#[must_use]
pub fn adopted_at_once() -> Rule {
    Rule::new("!has(self.source.snapshots) || !has(self.moment) || self.moment == 'AtOnce'")
        .message(Message::Expression(
            "\"spec.moment must be 'AtOnce' where spec.source.snapshots adopts what exists, and is '\" + self.moment + \"'\"".into(),
        ))
        .field_path(".moment")
}

/// On the object: a tag of AWS, of 256 characters at most, carries namespace and name.
#[must_use]
pub fn adopted_name_at_most(max: usize) -> Rule {
    Rule::new(format!("!has(self.spec.source.snapshots) || size(self.metadata.name) <= {max}")).message(
        Message::Expression(format!(
            "\"metadata.name '\" + self.metadata.name + \"' is too long: at most {max} characters where \
             spec.source.snapshots adopts what exists, since a tag carries it\""
        )),
    )
}

/// The name of an object, bounded.
#[must_use]
pub fn name_at_most(max: usize) -> Rule {
    Rule::new(format!("size(self.metadata.name) <= {max}")).message(Message::Expression(format!(
        "\"metadata.name '\" + self.metadata.name + \"' is too long: at most {max} characters\""
    )))
}

/// The name of a custody record says whose record it is and which.
#[must_use]
pub fn custody_name() -> Rule {
    // No regular expression, no string(index): both have unknown lengths, and the estimate would pass the budget.
    Rule::new(
        "self.metadata.name.contains('-' + self.spec.subject.uid + '-') && self.metadata.name.substring(size(self.metadata.name) - 6).matches('^[0-9]+$') && int(self.metadata.name.substring(size(self.metadata.name) - 6)) == self.spec.index",
    )
    .message("metadata.name must be <short kind>-<uid of the subject>-<index, 6 digits>")
}

/// The name of a hold is its instance, so that there is one hold for each.
#[must_use]
pub fn hold_name() -> Rule {
    Rule::new("self.metadata.name == self.spec.accountId + '-' + self.spec.region + '-' + self.spec.instanceId")
        .message(Message::Expression(
            "\"metadata.name must be '\" + self.spec.accountId + '-' + self.spec.region + '-' + self.spec.instanceId + \"'\"".into(),
        ))
}

/// Regions belong to the partition.
#[must_use]
pub fn regions_in_partition() -> Rule {
    Rule::new(
        "self.regions.all(r, self.partition == 'aws-cn' ? r.startsWith('cn-') : self.partition == 'aws-us-gov' ? r.startsWith('us-gov-') : !r.startsWith('cn-') && !r.startsWith('us-gov-'))",
    )
    .message(Message::Expression(
        "\"spec.regions: every Region must belong to partition '\" + self.partition + \"', and they are \" + self.regions.join(', ')".into(),
    ))
}

/// The assumed role belongs to the account: which account is worked in follows from one field only.
#[must_use]
pub fn role_in_account() -> Rule {
    Rule::new("!has(self.role) || self.role.arn.startsWith('arn:' + self.partition + ':iam::' + self.accountId + ':role/')")
        .message(Message::Expression(
            "\"spec.role.arn '\" + self.role.arn + \"' must be a role of partition '\" + self.partition + \"' and account '\" + self.accountId + \"'\"".into(),
        ))
}

/// The only approval that an account may add.
#[must_use]
pub fn only_isolate() -> Rule {
    Rule::new("self.all(a, a == 'Isolate')")
        .message(Message::Expression(
            "'spec.approval.required may list Isolate only, and lists ' + self.join(', ') + ': every other action always needs an approval'".into(),
        ))
}

/// A prefix that AWS keeps for itself.
#[must_use]
pub fn not_starting(field: &str, prefix: &str) -> Rule {
    Rule::new(format!("!self.startsWith('{prefix}')")).message(Message::Expression(format!(
        "\"{field} '\" + self + \"' must not start with '{prefix}': AWS keeps it for itself\""
    )))
}

/// A lock's mode may become Compliance and never Governance again.
#[must_use]
pub fn mode_never_weaker(field: &str) -> Rule {
    Rule::new("self == oldSelf || self == 'Compliance'")
        .message(format!("{field} cannot go from 'Compliance' to 'Governance': a lock is never weakened").as_str())
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// A key is used in its own Region alone.
#[must_use]
pub fn key_in_region(field: &str) -> Rule {
    Rule::new("self.kmsKeyArn.contains(':kms:' + self.region + ':')").message(Message::Expression(format!(
        "\"{field}.kmsKeyArn '\" + self.kmsKeyArn + \"' must be a key in the Region of the copy, '\" + self.region + \"': EBS encrypts a copy under a key of the Region that it lies in\""
    )))
    .field_path(".kmsKeyArn")
}

/// Targets of a case are never removed: a host must not fall out of a case unseen.
#[must_use]
pub fn targets_only_added() -> Rule {
    Rule::new(
        "oldSelf.all(o, self.exists(n, n.instanceId == o.instanceId && n.region == o.region && n.accountRef == o.accountRef))",
    )
    .message("spec.targets can be added, never removed or changed: a host does not fall out of a case unseen")
    .reason(kube::core::Reason::FieldValueForbidden)
}

/// Moments of a case are never removed: evidence that was asked for is kept.
#[must_use]
pub fn moments_only_added() -> Rule {
    Rule::new("oldSelf.all(o, o in self)")
        .message("spec.evidence.moments can be added, never removed")
        .reason(kube::core::Reason::FieldValueForbidden)
}

/// An instance is in one account and Region: with two for one id, one of them is a slip.
#[must_use]
pub fn instances_once() -> Rule {
    Rule::new("self.all(t, self.exists_one(o, o.instanceId == t.instanceId))").message(
        "spec.targets lists an instanceId more than once: an instance is in one account and one Region. Where a target that \
         is there already is wrong, open another case for the right one",
    )
}
