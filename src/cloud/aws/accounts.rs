//! STS: who we are.

use super::calls::Question;
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, text};
use crate::cloud::error::CloudError;
use crate::playbook::Identity;

/// STS `GetCallerIdentity`. It needs no permission: only the credentials can be refused.
const IDENTITY: Question = ("GetCallerIdentity", "sts:GetCallerIdentity");

/// Who the session is.
pub(super) async fn identify(session: &Session) -> Result<Identity, CloudError> {
    let asked = session.ask(IDENTITY, session.sts.get_caller_identity().send()).await;
    let answer = asked.map_err(|fault| match fault {
        Fault::Failed(error) => error,
        Fault::Absent => session.puzzled(IDENTITY, "no such caller"),
    })?;
    let account = id(answer.account()).ok_or_else(|| session.puzzled(IDENTITY, "no account id"))?;
    Ok(Identity { account, arn: principal(&text(answer.arn(), 640)) })
}

/// The principal without the session: `arn:aws:sts::111122223333:assumed-role/name`. How a session is called is up to
/// who made it, and may change with every process.
fn principal(arn: &str) -> String {
    let Some((before, after)) = arn.split_once(":assumed-role/") else { return arn.to_owned() };
    let role = after.split('/').next().unwrap_or_default();
    format!("{before}:assumed-role/{role}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_no_name_of_its_own() {
        let cases = [
            (
                "arn:aws:sts::111122223333:assumed-role/responder/i-0123",
                "arn:aws:sts::111122223333:assumed-role/responder",
            ),
            ("arn:aws:sts::111122223333:assumed-role/responder", "arn:aws:sts::111122223333:assumed-role/responder"),
            ("arn:aws:iam::111122223333:user/path/ann", "arn:aws:iam::111122223333:user/path/ann"),
            ("", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(principal(given), expected);
        }
    }
}
