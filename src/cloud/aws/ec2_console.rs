//! What the host shows from outside: console output, screenshot, and the user data it was given.
//!
//! Long or private, so a digest and the size are kept. What a type of instance does not have is said as such; what we
//! may not read is an error, since a person can grant it before the host is gone.

use std::collections::BTreeMap;

use aws_smithy_types::base64;
use sha2::{Digest as _, Sha256};

use super::calls::Question;
use super::ec2_instances::user_data;
use super::errors::Fault;
use super::sessions::Session;
use crate::api::ids::{Digest, InstanceId};
use crate::cloud::error::ErrorClass;
use crate::playbook::seen::Blob;

const OUTPUT: Question = ("GetConsoleOutput", "ec2:GetConsoleOutput");
const SCREENSHOT: Question = ("GetConsoleScreenshot", "ec2:GetConsoleScreenshot");

/// Why the bytes are not kept.
const NOT_KEPT: &str = "NotKept: no evidence bucket is configured";

/// All three, by name. The failure that a person must act on comes before any other.
pub(super) async fn blobs(session: &Session, instance: &InstanceId) -> Result<BTreeMap<String, Blob>, Fault> {
    let (user_data, output, screenshot) =
        tokio::join!(user_data(session, instance), output(session, instance), screenshot(session, instance));
    Ok(BTreeMap::from([
        ("consoleOutput".to_owned(), blob(output)?),
        ("consoleScreenshot".to_owned(), blob(screenshot)?),
        ("userData".to_owned(), blob(user_data)?),
    ]))
}

/// EC2 `GetConsoleOutput`. The latest output is to be had of some types only (reference, `Latest`); of the others AWS has
/// what it collected at the last change of state.
async fn output(session: &Session, instance: &InstanceId) -> Result<Option<String>, Fault> {
    let request = session.ec2.get_console_output().instance_id(instance.as_str());
    let mut answer = session.ask(OUTPUT, request.clone().latest(true).send()).await;
    if matches!(&answer, Err(Fault::Failed(error)) if is_not_offered(error.class)) {
        answer = session.ask(OUTPUT, request.send()).await;
    }
    Ok(answer?.output().map(ToOwned::to_owned))
}

/// EC2 `GetConsoleScreenshot`, without `WakeUp`: that presses a key on the host.
async fn screenshot(session: &Session, instance: &InstanceId) -> Result<Option<String>, Fault> {
    let request = session.ec2.get_console_screenshot().instance_id(instance.as_str());
    Ok(session.ask(SCREENSHOT, request.send()).await?.image_data().map(ToOwned::to_owned))
}

/// AWS will not give it for this instance, in this state.
const fn is_not_offered(class: ErrorClass) -> bool {
    matches!(class, ErrorClass::Invalid | ErrorClass::Conflict)
}

fn blob(answer: Result<Option<String>, Fault>) -> Result<Blob, Fault> {
    match answer {
        Ok(text) => Ok(digested(text.as_deref().unwrap_or_default())),
        Err(Fault::Failed(error)) if is_not_offered(error.class) => {
            Ok(Blob::Unreadable { reason: format!("{}: {}", error.code, error.message) })
        }
        Err(fault) => Err(fault),
    }
}

/// AWS breaks long Base64 into lines.
fn digested(text: &str) -> Blob {
    let joined: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    if joined.is_empty() {
        return Blob::Empty;
    }
    let Ok(bytes) = base64::decode(&joined) else {
        return Blob::Unreadable { reason: "UnreadableReply: not in Base64".to_owned() };
    };
    let digest = Digest::of(&Sha256::digest(&bytes).into());
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Blob::Digested { digest: digest.to_string(), bytes: size, kept: NOT_KEPT.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::error::CloudError;

    #[test]
    fn the_digest_is_of_the_bytes_and_not_of_their_base64() {
        let Blob::Digested { digest, bytes, kept } = digested("YWJj\n") else { panic!("not digested") };
        assert_eq!(digest, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((bytes, kept.as_str()), (3, NOT_KEPT));
        assert_eq!(digested(" "), Blob::Empty);
        assert!(matches!(digested("%"), Blob::Unreadable { .. }));
    }

    #[test]
    fn what_is_not_offered_is_no_failure_and_what_is_denied_is_one() {
        let failed = |class| {
            let error = CloudError {
                class,
                operation: "GetConsoleScreenshot".to_owned(),
                code: "C".to_owned(),
                message: "m".to_owned(),
                action: None,
            };
            blob(Err(Fault::Failed(error)))
        };
        for class in [ErrorClass::Invalid, ErrorClass::Conflict] {
            assert!(matches!(failed(class), Ok(Blob::Unreadable { reason }) if reason == "C: m"));
        }
        for class in [ErrorClass::Denied, ErrorClass::Throttled, ErrorClass::Unavailable] {
            assert!(failed(class).is_err());
        }
    }
}
