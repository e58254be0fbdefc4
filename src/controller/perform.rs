//! From an order to the port: an AWS change always has a place, an intent and a witness.

use super::context::Context;
use crate::cloud::error::{CloudError, ErrorClass};
use crate::cloud::{Cloud, Place, Witness};
use crate::playbook::effect::{Effect, Receipt};
use crate::playbook::executor::Send as Sending;

/// Sends one AWS change. Without its intent in the chain nothing leaves.
pub async fn aws<C: Cloud>(
    ctx: &Context<C>,
    place: Option<&Place>,
    sending: &Sending<Effect>,
    witness: Option<&Witness>,
) -> Result<Receipt, CloudError> {
    let effect = &sending.order.change;
    let (Some(place), Some(id), Some(witness)) = (place, &sending.order.id, witness) else {
        return Err(CloudError {
            class: ErrorClass::Unavailable,
            operation: effect.operation().to_owned(),
            code: "NotRecorded".to_owned(),
            message: "no place or no intent in the chain; nothing was sent".to_owned(),
            action: None,
        });
    };
    tracing::info!(
        step = sending.step,
        operation = effect.operation(),
        id = %id.0,
        index = witness.index,
        account = %place.access.account,
        region = %place.region,
        "sends a change"
    );
    ctx.cloud.perform(place, id, effect, witness).await
}
