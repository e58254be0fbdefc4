//! The IAM policy of a role, for an account as it is declared.

use std::io::{self, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde_json::Value;

use super::CommandError;
use crate::api::aws_account::AwsAccount;
use crate::cloud::iam::{Names, Policy, Role};

/// Which role of which account.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Of the account of the hosts, or of one that evidence goes to.
    #[arg(value_enum)]
    role: Role,
    /// Name of the AwsAccount.
    account: String,
    /// Manifests with the AwsAccount, and with those that it names as destinations; `-` for standard input.
    manifests: PathBuf,
    /// Which, where one would be longer than IAM takes: then there are more to attach, and it is said.
    #[arg(long, default_value = "1")]
    part: NonZeroUsize,
}

/// Reads the manifests and prints.
pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let Arguments { role, account, manifests, part } = arguments;
    let refused = |why: String| CommandError::File(format!("{}: {why}", manifests.display()));
    let text = read(manifests).map_err(|error| refused(error.to_string()))?;
    let policies = declared(&text).and_then(|all| policies(*role, account, &all)).map_err(refused)?;
    let (part, parts) = (part.get(), policies.len());
    let wanted =
        policies.get(part - 1).ok_or_else(|| refused(format!("it makes {parts} policies, and no {part}th")))?;
    io::stdout().lock().write_all(wanted.as_bytes())?;
    if parts > 1 {
        writeln!(io::stderr(), "policy {part} of {parts}: the role needs all of them (--part)")?;
    }
    Ok(())
}

fn read(path: &PathBuf) -> io::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}

/// The AwsAccounts among the documents, those in a list included.
fn declared(text: &str) -> Result<Vec<AwsAccount>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| error.to_string())?;
    let listed = documents.into_iter().flat_map(|document| match document.get("items") {
        Some(Value::Array(items)) => items.clone(),
        _ => vec![document],
    });
    let accounts = listed.filter(|document| document["kind"] == "AwsAccount");
    accounts.map(|document| serde_json::from_value(document).map_err(|error| error.to_string())).collect()
}

fn policies(role: Role, name: &str, all: &[AwsAccount]) -> Result<Vec<String>, String> {
    let find = |name: &str| {
        let found = all.iter().find(|account| account.metadata.name.as_deref() == Some(name));
        found.map(|account| &account.spec).ok_or_else(|| format!("no AwsAccount {name} in it"))
    };
    let account = find(name)?;
    let destinations = &account.evidence.destinations;
    let destinations: Result<Vec<_>, String> =
        destinations.iter().map(|to| find(&to.account_ref).map(|found| found.account_id.clone())).collect();
    let policies = Policy::of(role, &Names::of(account, destinations?));
    policies.iter().map(|policy| policy.text().map_err(|error| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../examples/aws-account.yaml");

    #[test]
    fn the_example_accounts_have_the_example_policies() {
        let all = declared(EXAMPLE).unwrap();
        for (role, account) in [(Role::Responder, "workload"), (Role::Forensics, "forensics")] {
            for (n, policy) in policies(role, account, &all).unwrap().iter().enumerate() {
                // Tests run in the root of the package.
                let committed = std::fs::read_to_string(format!("docs/iam/{}", Policy::file(role, n))).unwrap();
                assert_eq!(*policy, committed);
            }
        }
    }

    #[test]
    fn a_list_is_read_as_kubectl_prints_it() {
        let items: Vec<Value> = serde_saphyr::from_multiple(EXAMPLE).unwrap();
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        assert_eq!(declared(&list).unwrap().len(), 2);
    }

    #[test]
    fn an_account_that_is_not_there_is_named() {
        let all = declared(EXAMPLE).unwrap();
        assert_eq!(policies(Role::Responder, "other", &all).unwrap_err(), "no AwsAccount other in it");
        let alone = &all[..1];
        assert_eq!(policies(Role::Responder, "workload", alone).unwrap_err(), "no AwsAccount forensics in it");
    }
}
