//! EC2 instances: what they are, and the attributes that protect them.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, DeviceType, EbsInstanceBlockDeviceSpecification, InstanceAttributeName,
    InstanceBlockDeviceMapping, InstanceBlockDeviceMappingSpecification, InstanceLifecycleType,
    InstanceMetadataEndpointState, InstanceMetadataOptionsResponse, InstanceMetadataOptionsState, InstanceStateName,
    InstanceType, Tag,
};

use super::calls::{Order, Question};
use super::errors::Fault;
use super::sessions::Session;
use super::words::{id, read, some_text, text, time};
use crate::api::ids::InstanceId;
use crate::clock::now;
use crate::cloud::error::CloudError;
use crate::playbook::credentials::MetadataOptions;
use crate::playbook::effect::Receipt;
use crate::playbook::seen::{AttachedVolume, Instance, InstanceState, Protections, Read, ShutdownBehavior};

const INSTANCES: Question = ("DescribeInstances", "ec2:DescribeInstances");
const ATTRIBUTE: Question = ("DescribeInstanceAttribute", "ec2:DescribeInstanceAttribute");
const CHANGE: &str = "ModifyInstanceAttribute";

/// AWS allows 50 tags on a resource, keys of 128 and values of 256 characters (EC2 guide, tag restrictions).
const TAGS: usize = 50;

/// EC2 `DescribeInstances`, by id.
pub(super) async fn instance(session: &Session, wanted: &InstanceId) -> Read<Instance> {
    let asked_at = now();
    let request = session.ec2.describe_instances().instance_ids(wanted.as_str());
    let answer = session.ask(INSTANCES, request.send()).await.and_then(|answer| {
        let mut all = answer.reservations().iter().flat_map(|reservation| {
            reservation.instances().iter().map(move |instance| (reservation.owner_id(), instance))
        });
        let found = all.find(|(_, instance)| instance.instance_id() == Some(wanted.as_str()));
        let (owner, instance) = found.ok_or(Fault::Absent)?;
        ours(wanted, owner, instance).map_err(|what| session.puzzled(INSTANCES, what).into())
    });
    read(asked_at, answer)
}

/// Whose it is and in which state decides what is done; without either the answer is none. The rest describes.
fn ours(
    wanted: &InstanceId,
    owner: Option<&str>,
    found: &aws_sdk_ec2::types::Instance,
) -> Result<Instance, &'static str> {
    let state = match found.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(InstanceStateName::Stopping) => InstanceState::Stopping,
        Some(InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => return Err("an unknown instance state"),
    };
    Ok(Instance {
        id: wanted.clone(),
        owner: id(owner).ok_or("no owner of the instance")?,
        state,
        instance_type: text(found.instance_type().map(InstanceType::as_str), 64),
        image: text(found.image_id(), 64),
        launched: time(found.launch_time()).map(|time| time.to_string()).unwrap_or_default(),
        zone: text(found.placement().and_then(|placement| placement.availability_zone()), 64),
        vpc: id(found.vpc_id()),
        subnet: id(found.subnet_id()),
        spot: found.instance_lifecycle() == Some(&InstanceLifecycleType::Spot),
        root_device_type: text(found.root_device_type().map(DeviceType::as_str), 32),
        profile: some_text(found.iam_instance_profile().and_then(|profile| profile.arn()), 2048),
        metadata: found.metadata_options().and_then(metadata),
        key_name: some_text(found.key_name(), 255),
        tags: tags(found.tags()),
        // None may be missing: the set of volumes is what the evidence is measured by.
        volumes: found
            .block_device_mappings()
            .iter()
            .filter(|mapping| mapping.ebs().is_some())
            .map(|mapping| volume(mapping, found.root_device_name()))
            .collect::<Option<_>>()
            .ok_or("a volume without an id")?,
    })
}

fn volume(mapping: &InstanceBlockDeviceMapping, root: Option<&str>) -> Option<AttachedVolume> {
    let ebs = mapping.ebs()?;
    Some(AttachedVolume {
        volume: id(ebs.volume_id())?,
        device: text(mapping.device_name(), 255),
        root: root.is_some() && mapping.device_name() == root,
        delete_on_termination: ebs.delete_on_termination().unwrap_or_default(),
    })
}

/// Where AWS does not say whether it answers, nothing is said of it.
fn metadata(found: &InstanceMetadataOptionsResponse) -> Option<MetadataOptions> {
    let others = [
        ("httpTokens", found.http_tokens().map(|value| value.as_str().to_owned())),
        ("httpPutResponseHopLimit", found.http_put_response_hop_limit().map(|hops| hops.to_string())),
        ("httpProtocolIpv6", found.http_protocol_ipv6().map(|value| value.as_str().to_owned())),
        ("instanceMetadataTags", found.instance_metadata_tags().map(|value| value.as_str().to_owned())),
    ];
    let others = others.into_iter().filter_map(|(name, value)| Some((name.to_owned(), text(Some(&value?), 32))));
    Some(MetadataOptions {
        enabled: *found.http_endpoint()? != InstanceMetadataEndpointState::Disabled,
        pending: found.state() == Some(&InstanceMetadataOptionsState::Pending),
        others: others.collect(),
    })
}

/// EC2 `ModifyInstanceMetadataOptions`: what is not named stays as it is.
pub(super) async fn set_metadata_service(
    order: &Order<'_>,
    instance: &InstanceId,
    enabled: bool,
) -> Result<Receipt, CloudError> {
    let endpoint =
        if enabled { InstanceMetadataEndpointState::Enabled } else { InstanceMetadataEndpointState::Disabled };
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_instance_metadata_options()
        .instance_id(instance.as_str())
        .http_endpoint(endpoint)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send("ModifyInstanceMetadataOptions", &mark, request.send()).await?.1)
}

fn tags(tags: &[Tag]) -> BTreeMap<String, String> {
    tags.iter().take(TAGS).map(|tag| (text(tag.key(), 128), text(tag.value(), 256))).collect()
}

/// EC2 `DescribeInstanceAttribute`: one attribute a call, so three calls side by side.
pub(super) async fn protections(session: &Session, instance: &InstanceId) -> Read<Protections> {
    let asked_at = now();
    let ask = async |name| {
        let request = session.ec2.describe_instance_attribute().instance_id(instance.as_str()).attribute(name);
        session.ask(ATTRIBUTE, request.send()).await
    };
    let answers = tokio::try_join!(
        ask(InstanceAttributeName::DisableApiTermination),
        ask(InstanceAttributeName::DisableApiStop),
        ask(InstanceAttributeName::InstanceInitiatedShutdownBehavior),
    );
    let flag = |value: Option<&AttributeBooleanValue>, what| {
        value.and_then(AttributeBooleanValue::value).ok_or_else(|| Fault::from(session.puzzled(ATTRIBUTE, what)))
    };
    let answer = answers.and_then(|(termination, stop, shutdown)| {
        let behavior = shutdown.instance_initiated_shutdown_behavior().and_then(AttributeValue::value);
        Ok(Protections {
            termination: flag(termination.disable_api_termination(), "no disableApiTermination")?,
            stop: flag(stop.disable_api_stop(), "no disableApiStop")?,
            shutdown: match behavior {
                Some("stop") => ShutdownBehavior::Stop,
                Some("terminate") => ShutdownBehavior::Terminate,
                _ => return Err(session.puzzled(ATTRIBUTE, "no instanceInitiatedShutdownBehavior").into()),
            },
        })
    });
    read(asked_at, answer)
}

/// The user data, in Base64, where there are any.
pub(super) async fn user_data(session: &Session, instance: &InstanceId) -> Result<Option<String>, Fault> {
    let name = InstanceAttributeName::UserData;
    let request = session.ec2.describe_instance_attribute().instance_id(instance.as_str()).attribute(name);
    let answer = session.ask(ATTRIBUTE, request.send()).await?;
    Ok(answer.user_data().and_then(AttributeValue::value).map(ToOwned::to_owned))
}

/// `disableApiTermination`.
pub(super) async fn set_termination(
    order: &Order<'_>,
    instance: &InstanceId,
    enabled: bool,
) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_instance_attribute()
        .instance_id(instance.as_str())
        .disable_api_termination(AttributeBooleanValue::builder().value(enabled).build())
        .customize()
        .interceptor(mark.clone());
    Ok(order.send(CHANGE, &mark, request.send()).await?.1)
}

/// `disableApiStop`.
pub(super) async fn set_stop(order: &Order<'_>, instance: &InstanceId, enabled: bool) -> Result<Receipt, CloudError> {
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_instance_attribute()
        .instance_id(instance.as_str())
        .disable_api_stop(AttributeBooleanValue::builder().value(enabled).build())
        .customize()
        .interceptor(mark.clone());
    Ok(order.send(CHANGE, &mark, request.send()).await?.1)
}

/// `instanceInitiatedShutdownBehavior`.
pub(super) async fn set_shutdown(
    order: &Order<'_>,
    instance: &InstanceId,
    behavior: ShutdownBehavior,
) -> Result<Receipt, CloudError> {
    let value = match behavior {
        ShutdownBehavior::Stop => "stop",
        ShutdownBehavior::Terminate => "terminate",
    };
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_instance_attribute()
        .instance_id(instance.as_str())
        .instance_initiated_shutdown_behavior(AttributeValue::builder().value(value).build())
        .customize()
        .interceptor(mark.clone());
    Ok(order.send(CHANGE, &mark, request.send()).await?.1)
}

/// `blockDeviceMapping.ebs.deleteOnTermination`, by the name of the device. AWS leaves all other devices as they are.
pub(super) async fn set_delete_on_termination(
    order: &Order<'_>,
    instance: &InstanceId,
    device: &str,
    enabled: bool,
) -> Result<Receipt, CloudError> {
    let mapping = InstanceBlockDeviceMappingSpecification::builder()
        .device_name(device)
        .ebs(EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(enabled).build())
        .build();
    let mark = order.mark();
    let request = order
        .session
        .ec2_once
        .modify_instance_attribute()
        .instance_id(instance.as_str())
        .block_device_mappings(mapping)
        .customize()
        .interceptor(mark.clone());
    Ok(order.send(CHANGE, &mark, request.send()).await?.1)
}
