//! What a client gets, and that it gets it once.

use super::call::Outcome;
use super::reply::Reply;
use super::serve::Shared;
use super::upstream::{Body, Error};
use futures::StreamExt;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame};
use hyper::header::CONTENT_LENGTH;
use std::sync::Arc;
use tokio::sync::oneshot;

pub(super) enum Answer {
    Reply(Reply),
    /// Only so many bytes of the body, and then the end of the connection.
    Cut(Reply, usize),
    /// Not buffered: it may never end.
    Stream(Response<Body>),
    /// The end of the connection, with no reply.
    Close,
}

impl Answer {
    /// With another reply, where it is one.
    pub fn map(self, change: impl FnOnce(Reply) -> Reply) -> Self {
        match self {
            Self::Reply(reply) => Self::Reply(change(reply)),
            other => other,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Reply(reply) => Outcome::Replied { status: reply.status.as_u16(), code: reply.code() },
            Self::Cut(reply, _) => Outcome::Replied { status: reply.status.as_u16(), code: Some("cut".into()) },
            Self::Stream(response) => Outcome::Replied { status: response.status().as_u16(), code: None },
            Self::Close => Outcome::Dropped,
        }
    }

    /// As an HTTP response. The error is what makes the server close the connection.
    pub fn into_response(self) -> Result<Response<Body>, Error> {
        match self {
            Self::Reply(reply) => {
                let body = Full::new(reply.body.clone()).map_err(|never| match never {}).boxed_unsync();
                Ok(response(&reply, body))
            }
            Self::Cut(reply, bytes) => {
                let begin = reply.body.slice(..bytes.min(reply.body.len()));
                let begin = futures::stream::once(async { Ok(Frame::data(begin)) });
                // The server sends what it has when there is nothing more for the moment, and only then.
                let end = futures::stream::once(async {
                    tokio::task::yield_now().await;
                    Err(Error::other("cut"))
                });
                let body = BodyExt::boxed_unsync(StreamBody::new(begin.chain(end)));
                let mut response = response(&reply, body);
                response.headers_mut().insert(CONTENT_LENGTH, reply.body.len().into());
                Ok(response)
            }
            Self::Stream(response) => Ok(response),
            Self::Close => Err(Error::other("no reply")),
        }
    }
}

fn response(reply: &Reply, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers.clone();
    response
}

/// Gives the answer to the connection, and writes down which. Dropped without one (a test's own function panicked),
/// it closes the connection.
pub(super) struct Replier {
    to: Option<oneshot::Sender<Answer>>,
    record: Option<(Arc<Shared>, u64)>,
}

impl Replier {
    pub fn new(to: oneshot::Sender<Answer>) -> Self {
        Self { to: Some(to), record: None }
    }

    pub fn recorded(&mut self, shared: &Arc<Shared>, sequence: u64) {
        self.record = Some((Arc::clone(shared), sequence));
    }

    pub fn send(mut self, answer: Answer) {
        self.finish(answer);
    }

    fn finish(&mut self, answer: Answer) {
        let Some(to) = self.to.take() else { return };
        let Some((shared, sequence)) = self.record.take() else { return };
        // Written down first: whoever sees the reply finds the call ended.
        shared.ledger.ended(sequence, answer.outcome(), !to.is_closed());
        if to.send(answer).is_err() {
            shared.ledger.undelivered(sequence);
        }
    }
}

impl Drop for Replier {
    fn drop(&mut self) {
        self.finish(Answer::Close);
    }
}
