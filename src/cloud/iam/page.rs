//! `docs/iam.md`: each statement of the policies, for who reviews them.

use std::fmt::Write as _;

use super::{Condition, Role, STATEMENTS, looks};

const BEGIN: &str = "# What the roles may do, and why

Generated from `src/cloud/iam/statements.rs`; do not edit. The controller assumes one role in each account. Which actions it
needs follows from what it can do (`iam_actions`) and look at (`READ_ACTIONS`); the tests let it do nothing else, and fail where
it may do more than it does.

| role | of | policy |
|---|---|---|
| responder | the account of the hosts | [iam/responder.json](iam/responder.json) |
| forensics | the account that evidence goes to | [iam/forensics.json](iam/forensics.json) |

The two files are examples: account 111122223333, which shares with 444455556666, in the partition `aws`, with the tag prefix `ops`.
Yours, from the manifests of your AwsAccounts (a responder's needs those of its destinations, too):

```sh
sequester policy responder workload examples/aws-account.yaml > responder.json
kubectl get awsaccounts -o yaml | sequester policy forensics forensics -
```

Print it anew when `naming.tagPrefix` or `evidence.destinations` of an AwsAccount changes; what is for sharing is left out where there
is no destination. Leave the old one attached while something is held that bears the earlier prefix. A permission that is missing is
named in the condition of the step that needs it (`PermissionMissing`).

Below, `{operation}` is the key of the tag that ours are born with, `ops:operation` where the prefix is `ops`; `{destination}` is each
account of `evidence.destinations`.

Who may take our tag off a group or a snapshot takes it out of the reach of what is bound to it: it can't be locked, shared or read
any more, and the condition says so, with the line that puts the tag back. AWS knows no other key by which a permission to lock
could tell evidence from other snapshots, and what is locked by mistake can't be undone: so it stays bound. Deny
everybody else to tag and to untag snapshots that bear it, by a policy of your organisation: locks are renewed for as long as it is
there. What only takes reach away is not bound to it.

None of it was observed on AWS yet. The conditions are those that AWS's pages name; the tests judge every call of the controller by
them.
";

const NOTHING: &str = "
Nothing here deletes, unlocks or shortens evidence, and nothing makes anything public: there is no action for it. Blocks of snapshots
are read by an examiner (`sequester digest`, `sequester changed`), under an identity of their own, which needs
`ebs:ListSnapshotBlocks`, `ebs:GetSnapshotBlock` and `ebs:ListChangedBlocks` on `arn:aws:ec2:*::snapshot/*`, and `kms:Decrypt` on the key
where one is encrypted.
";

/// The document.
#[must_use]
pub fn page() -> String {
    let mut text = String::from(BEGIN);
    for role in Role::ALL {
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "\n## {}\n\n| statement | actions | on | only if | why | page |\n|---|---|---|---|---|---|\n",
            role.name()
        );
        for (sid, actions, on, when) in looks(role) {
            let why = match sid {
                "Look" => "looks that AWS binds to no resource; STS asks no permission for `GetCallerIdentity`",
                "ReadOurBlocks" => "reads the bytes of evidence, and of no other snapshot",
                "DecryptBlocks" => "AWS checks it where they are encrypted; the key's policy must allow it, too",
                _ => "looks that AWS binds to a kind of resource",
            };
            let only: Vec<String> = when.iter().map(condition).collect();
            let _ = writeln!(text, "| {sid} | {} | {} | {} | {why} | |", code(&actions), code(on), only.join("; "));
        }
        for statement in STATEMENTS.iter().filter(|statement| statement.roles.contains(&role)) {
            let only: Vec<String> = statement.when.iter().map(condition).collect();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | [AWS]({}) |",
                statement.sid,
                code(statement.actions),
                code(statement.on),
                only.join("; "),
                statement.why,
                statement.page
            );
        }
    }
    text + NOTHING
}

fn condition((operator, key, values): &Condition) -> String {
    match (*operator, *values) {
        ("Null", ["true"]) => format!("`{key}` is absent"),
        ("Null", _) => format!("`{key}` is there"),
        (operator, values) => format!("{operator} `{key}`: {}", code(values)),
    }
}

fn code(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
