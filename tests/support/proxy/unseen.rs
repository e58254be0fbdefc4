//! How EC2 answers about something that was made a moment ago and that it does not show yet.

use super::call::{Call, Protocol};
use super::reply::Reply;

/// Parameters by which reads name what they ask for, and the error that says that there is none such.
const IDS: [(&str, &str); 6] = [
    ("InstanceId.1", "InvalidInstanceID.NotFound"),
    ("VolumeId.1", "InvalidVolume.NotFound"),
    ("SnapshotId.1", "InvalidSnapshot.NotFound"),
    ("GroupId.1", "InvalidGroup.NotFound"),
    ("NetworkInterfaceId.1", "InvalidNetworkInterfaceID.NotFound"),
    ("ImageId.1", "InvalidAMIID.NotFound"),
];

/// The error for a read that asks by id.
pub(super) fn not_found(call: &Call) -> Option<Reply> {
    if call.protocol != Protocol::Ec2 {
        return None;
    }
    let asked = |(name, code)| call.parameter(name).map(|id| (id, code));
    let (id, code) = IDS.into_iter().find_map(asked)?;
    Some(Reply::error(call, 400, code, &format!("The ID '{id}' does not exist")))
}

/// A reply to a read by filter, with the outermost list emptied.
pub(super) fn without_items(reply: Reply) -> Reply {
    let text = reply.text();
    let Some(end) = text.find("Set>").map(|at| at + "Set>".len()) else { return reply };
    let Some(begin) = text[..end].rfind('<') else { return reply };
    let closing = format!("</{}", &text[begin + 1..end]);
    match text.rfind(&closing) {
        Some(close) if close >= end => reply.with_body(format!("{}{}", &text[..end], &text[close..])),
        _ => reply,
    }
}
