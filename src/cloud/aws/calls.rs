//! The two ways to call: a question, and a change.

use std::error::Error;

use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::errors::{Call, Fault, Kind, expires, fault, unreadable};
use super::sessions::Session;
use super::witness::Mark;
use super::words::text;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{Place, Witness};
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::record::OperationId;

/// A question: as AWS names it, and the IAM action that it needs.
pub(super) type Question = (&'static str, &'static str);

impl Session {
    /// Asks. The SDK may ask again; nothing is changed by it.
    pub(super) fn ask<T, E>(
        &self,
        (operation, action): Question,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<T, Fault>> + Send
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        // The SDK's futures have kilobytes each, and many are out side by side.
        let request = Box::pin(request);
        async move {
            request.await.map_err(|error| {
                let actions = [action];
                let call = Call { operation, actions: &actions, role: self.access.role.as_ref(), kind: Kind::Read };
                let fault = fault(&call, &error, true);
                if let Fault::Failed(error) = &fault
                    && expires(error)
                {
                    self.end();
                }
                fault
            })
        }
    }

    /// The answer came and can't be taken for one.
    pub(super) fn puzzled(&self, (operation, action): Question, what: &str) -> CloudError {
        let actions = [action];
        let call = Call { operation, actions: &actions, role: self.access.role.as_ref(), kind: Kind::Read };
        unreadable(&call, what)
    }
}

/// A change that is to be made once.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// As whom, and where.
    pub(super) session: &'a Session,
    /// Where, in our words.
    pub(super) place: &'a Place,
    /// The intent.
    pub(super) operation: &'a OperationId,
    /// The change.
    pub(super) effect: &'a Effect,
    /// The link of the chain that it goes out under.
    pub(super) witness: &'a Witness,
}

impl Order<'_> {
    /// A mark for one call.
    pub(super) fn mark(&self) -> Mark {
        Mark::new(self.witness)
    }

    /// Sends, once.
    pub(super) fn send<T, E>(
        &self,
        operation: &'static str,
        mark: &Mark,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> impl Future<Output = Result<(T, Receipt), CloudError>> + Send
    where
        T: RequestId,
        E: Error + ProvideErrorMetadata + 'static,
    {
        // As in `ask`.
        let request = Box::pin(request);
        async move { self.settle(operation, mark, request.await) }
    }

    fn settle<T, E>(
        &self,
        operation: &'static str,
        mark: &Mark,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<(T, Receipt), CloudError>
    where
        T: RequestId,
        E: Error + ProvideErrorMetadata + 'static,
    {
        match answer {
            Ok(output) => {
                let mut receipt = mark.receipt();
                if receipt.request_id.is_none() {
                    receipt.request_id = output.request_id().map(|id| text(Some(id), 128));
                }
                Ok((output, receipt))
            }
            Err(error) => match fault(&self.call(operation), &error, mark.may_have_left()) {
                Fault::Failed(error) => {
                    if expires(&error) {
                        self.session.end();
                    }
                    Err(error)
                }
                Fault::Absent => Err(self.refused("NotFound", "the target is not there")),
            },
        }
    }

    /// AWS says yes and not to what: it was applied, and only a look tells what came into being.
    pub(super) fn puzzled(&self, what: &str) -> CloudError {
        unreadable(&self.call(self.effect.operation()), what)
    }

    /// What is never sent.
    pub(super) fn refused(&self, code: &str, message: &str) -> CloudError {
        CloudError {
            class: ErrorClass::Invalid,
            operation: self.effect.operation().to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
            action: None,
        }
    }

    fn call(&self, operation: &'static str) -> Call<'_> {
        Call {
            operation,
            actions: self.effect.iam_actions(),
            role: self.session.access.role.as_ref(),
            kind: Kind::Write,
        }
    }
}
