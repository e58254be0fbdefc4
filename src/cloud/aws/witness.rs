//! The mark that every change carries, and what is known of its way.
//!
//! `custody/<uid>/<index>/<hash>` is appended to the User-Agent, which CloudTrail keeps in an account that the
//! cluster's administrator does not own. The SDK sends two such headers, and CloudTrail's reference does not say
//! which one it takes, so both carry it. The hook runs before signing: `x-amz-user-agent` is signed.
//!
//! The same hook answers the question that decides about a lost reply: can the request have left at all? It can't
//! before the last hook ran, and not before a connection was picked for it; whatever fails earlier (credentials,
//! name resolution, connecting, TLS) was not sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::words::some_text;
use crate::cloud::Witness;
use crate::playbook::effect::Receipt;

/// Headers that say who asks.
const AGENTS: [&str; 2] = ["user-agent", "x-amz-user-agent"];

/// The mark of one change. Clones are the same mark.
#[derive(Clone, Debug)]
pub(super) struct Mark(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    product: String,
    way: Mutex<Way>,
}

#[derive(Debug, Default)]
struct Way {
    handed_over: bool,
    connection: Option<CaptureSmithyConnection>,
    request_id: Option<String>,
    server_date: Option<String>,
}

impl Mark {
    pub(super) fn new(witness: &Witness) -> Self {
        Self(Arc::new(Inner { product: product(witness), way: Mutex::default() }))
    }

    /// Whether the request may have been written to a connection. Errs on the side of yes.
    pub(super) fn may_have_left(&self) -> bool {
        let way = self.way();
        way.handed_over && way.connection.as_ref().is_none_or(|connection| connection.get().is_some())
    }

    /// What the reply's headers said.
    pub(super) fn receipt(&self) -> Receipt {
        let way = self.way();
        Receipt { request_id: way.request_id.clone(), server_date: way.server_date.clone(), created: Vec::new() }
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.0.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The product token. The uid is the API server's, but a header takes no space and no line end from anybody.
fn product(witness: &Witness) -> String {
    let uid: String =
        witness.uid.chars().take(64).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    format!("custody/{uid}/{}/{}", witness.index, witness.hash.hex())
}

#[dyn_dispatch_hint]
impl Intercept for Mark {
    fn name(&self) -> &'static str {
        "Witness"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.request_mut().headers_mut();
        for name in AGENTS {
            // A change without its witness does not go out: the error ends the call before it is sent.
            let agent = headers.get(name).ok_or("the SDK set no User-Agent that could carry the witness")?;
            let agent = format!("{agent} {}", self.0.product);
            headers.try_insert(name, agent)?;
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut way = self.way();
        way.handed_over = true;
        way.connection = config.load::<CaptureSmithyConnection>().cloned();
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let mut way = self.way();
        way.request_id = some_text(headers.get("x-amzn-requestid"), 128);
        way.server_date = some_text(headers.get("date"), 64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ids::Digest;

    #[test]
    fn the_product_names_the_link() {
        let witness = Witness { uid: "7a3b-1".to_owned(), index: 12, hash: Digest::of(&[0xab; 32]) };
        assert_eq!(product(&witness), format!("custody/7a3b-1/12/{}", "ab".repeat(32)));
        let hostile = Witness { uid: "x\r\nHost: a b".to_owned(), ..witness };
        assert!(product(&hostile).starts_with("custody/x__Host__a_b/12/"));
    }

    #[test]
    fn nothing_has_left_before_the_last_hook() {
        let mark = Mark::new(&Witness { uid: "u".to_owned(), index: 0, hash: Digest::of(&[0; 32]) });
        assert!(!mark.may_have_left());
        mark.way().handed_over = true;
        assert!(mark.may_have_left());
        mark.way().connection = Some(CaptureSmithyConnection::new());
        assert!(!mark.may_have_left());
    }
}
