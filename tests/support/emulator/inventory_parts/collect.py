"""Reads what AWS holds about an instance: only Describe, Get and List calls."""

import hashlib
import json

import boto3
import botocore.config
import botocore.exceptions


class Failed(Exception):
    """A call that the inventory can't do without was refused."""


class Reader:
    def __init__(self, options):
        session = boto3.Session(options.access_key, options.secret_key, options.session_token, options.region)
        config = botocore.config.Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3})
        self.clients = {name: session.client(name, endpoint_url=options.endpoint, config=config)
                        for name in ("ec2", "kms", "sts", "autoscaling", "elb", "elbv2")}

    def call(self, service, operation, optional=False, **parameters):
        """All pages of an answer; None for an optional call that is refused."""
        client = self.clients[service]
        try:
            if client.can_paginate(operation):
                return client.get_paginator(operation).paginate(**parameters).build_full_result()
            return getattr(client, operation)(**parameters)
        except botocore.exceptions.ClientError as error:
            if optional:
                return None
            raise Failed(str(error)) from error
        except botocore.exceptions.BotoCoreError as error:
            raise Failed(str(error)) from error


def everything(options):
    reader = Reader(options)
    identity = reader.call("sts", "get_caller_identity")
    reservations = reader.call("ec2", "describe_instances", InstanceIds=[options.instance])["Reservations"]
    instance = reservations[0]["Instances"][0]
    groups = security_groups(reader)
    volumes = volumes_of(reader, instance)
    snapshots = snapshots_of(reader, volumes, options.set_tag)
    found = {
        "account": identity["Account"], "region": options.region, "read_as": identity["Arn"],
        "instance": summary(instance), "protection": protection(reader, instance), "volumes": volumes,
        "interfaces": interfaces(reader, instance, groups), "service": service(reader, instance), "snapshots": snapshots,
        "grants": grants(reader, {one["key"] for one in [*volumes, *snapshots] if one["key"]}),
    }
    if options.bystanders:
        found["bystanders"] = bystanders(reader, options.instance, groups)
    return found


def tags_of(item):
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags") or item.get("TagSet") or []}


def summary(instance):
    return {
        "id": instance["InstanceId"], "name": tags_of(instance).get("Name", ""), "state": instance["State"]["Name"],
        "type": instance["InstanceType"], "image": instance["ImageId"], "tags": tags_of(instance),
        "profile": (instance.get("IamInstanceProfile") or {}).get("Arn"),
    }


def protection(reader, instance):
    identifier = instance["InstanceId"]

    def attribute(name):
        answer = reader.call("ec2", "describe_instance_attribute", InstanceId=identifier, Attribute=name)
        return answer[name[0].upper() + name[1:]].get("Value")

    return {"termination": attribute("disableApiTermination"), "stop": attribute("disableApiStop"),
            "shutdown": attribute("instanceInitiatedShutdownBehavior")}


def service(reader, instance):
    """Its place in an Auto Scaling group, and which load balancers have it."""
    identifier = instance["InstanceId"]
    names = {identifier, *(address["PrivateIpAddress"] for one in instance.get("NetworkInterfaces", [])
                           for address in one["PrivateIpAddresses"])}
    members = reader.call("autoscaling", "describe_auto_scaling_instances", optional=True, InstanceIds=[identifier])
    groups = [{"name": one["AutoScalingGroupName"], "state": one["LifecycleState"]}
              for one in (members or {}).get("AutoScalingInstances", [])]
    targets = []
    for group in (reader.call("elbv2", "describe_target_groups", optional=True) or {}).get("TargetGroups", []):
        health = reader.call("elbv2", "describe_target_health", TargetGroupArn=group["TargetGroupArn"])
        targets += [{"group": group["TargetGroupName"], "port": one["Target"].get("Port"),
                     "state": one["TargetHealth"]["State"]}
                    for one in health["TargetHealthDescriptions"] if one["Target"]["Id"] in names]
    classic = (reader.call("elb", "describe_load_balancers", optional=True) or {}).get("LoadBalancerDescriptions", [])
    return {"groups": groups, "targets": targets,
            "classic": [one["LoadBalancerName"] for one in classic
                        if identifier in [each["InstanceId"] for each in one["Instances"]]]}


def volumes_of(reader, instance):
    mappings = {one["Ebs"]["VolumeId"]: one for one in instance.get("BlockDeviceMappings", []) if one.get("Ebs")}
    if not mappings:
        return []
    described = reader.call("ec2", "describe_volumes", VolumeIds=list(mappings))["Volumes"]
    return [{
        "id": one["VolumeId"], "device": mappings[one["VolumeId"]]["DeviceName"], "size": one["Size"],
        "key": one.get("KmsKeyId"), "state": one["State"],
        "delete_on_termination": mappings[one["VolumeId"]]["Ebs"]["DeleteOnTermination"],
    } for one in sorted(described, key=lambda one: list(mappings).index(one["VolumeId"]))]


def security_groups(reader):
    return {one["GroupId"]: {"id": one["GroupId"], "name": one["GroupName"],
                             "ingress": rules(one["IpPermissions"]), "egress": rules(one["IpPermissionsEgress"])}
            for one in reader.call("ec2", "describe_security_groups")["SecurityGroups"]}


def rules(permissions):
    """How many rules there are: one for each range, group and prefix list of each permission."""
    return sum(len(one.get(name, [])) for one in permissions
               for name in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"))


def interfaces(reader, instance, groups):
    found = reader.call("ec2", "describe_network_interfaces", Filters=[
        {"Name": "attachment.instance-id", "Values": [instance["InstanceId"]]}])["NetworkInterfaces"]
    return [{
        "id": one["NetworkInterfaceId"], "index": one["Attachment"]["DeviceIndex"], "subnet": one["SubnetId"],
        "private": [address["PrivateIpAddress"] for address in one["PrivateIpAddresses"]],
        "ipv6": [address["Ipv6Address"] for address in one.get("Ipv6Addresses", [])],
        "public": (one.get("Association") or {}).get("PublicIp"),
        "elastic": bool((one.get("Association") or {}).get("AllocationId")),
        "groups": [groups.get(group["GroupId"], {"id": group["GroupId"], "name": "?", "ingress": "?", "egress": "?"})
                   for group in one["Groups"]],
    } for one in sorted(found, key=lambda one: one["Attachment"]["DeviceIndex"])]


def snapshots_of(reader, volumes, set_tag):
    if not volumes:
        return []
    devices = {one["id"]: one["device"] for one in volumes}
    found = reader.call("ec2", "describe_snapshots", OwnerIds=["self"], Filters=[
        {"Name": "volume-id", "Values": list(devices)}])["Snapshots"]
    locks = reader.call("ec2", "describe_locked_snapshots", optional=True,
                        SnapshotIds=[one["SnapshotId"] for one in found]) if found else None
    locks = {one["SnapshotId"]: one for one in (locks or {}).get("Snapshots", [])}
    order = list(devices)
    found.sort(key=lambda one: (one["StartTime"], order.index(one["VolumeId"])))
    return [snapshot(reader, one, devices[one["VolumeId"]], locks.get(one["SnapshotId"]), set_tag) for one in found]


def snapshot(reader, one, device, lock, set_tag):
    tags, start = tags_of(one), one["StartTime"].isoformat()
    shared = reader.call("ec2", "describe_snapshot_attribute", optional=True, SnapshotId=one["SnapshotId"],
                         Attribute="createVolumePermission")
    return {
        "id": one["SnapshotId"], "volume": one["VolumeId"], "device": device, "state": one["State"],
        "progress": one["Progress"], "message": one.get("StateMessage"), "started": start,
        "description": one["Description"], "key": one.get("KmsKeyId"), "tags": tags,
        "set": tags.get(set_tag, "") if set_tag else f"{start} {one['Description']}".strip(),
        "lock": lock and {"state": lock["LockState"], "expires": lock["LockExpiresOn"].isoformat()
                          if lock.get("LockExpiresOn") else None},
        "shared": sorted(grant.get("UserId") or grant["Group"]
                         for grant in (shared or {}).get("CreateVolumePermissions", [])),
    }


def grants(reader, keys):
    found = []
    for key in sorted(keys):
        answer = reader.call("kms", "list_grants", optional=True, KeyId=key) or {}
        found += [{"key": key, "id": one["GrantId"], "name": one.get("Name", ""),
                   "grantee": one.get("GranteePrincipal", ""), "operations": sorted(one["Operations"])}
                  for one in answer.get("Grants", [])]
    return found


def bystanders(reader, but, groups):
    """Every other instance, with a digest over all that AWS tells of it."""
    found = []
    for reservation in reader.call("ec2", "describe_instances")["Reservations"]:
        for one in reservation["Instances"]:
            if one["InstanceId"] == but:
                continue
            state = {"instance": one, "volumes": volumes_of(reader, one),
                     "interfaces": interfaces(reader, one, groups)}
            if one["State"]["Name"] not in ("terminated", "shutting-down"):
                state["protection"] = protection(reader, one)
            found.append({**summary(one), "digest": digest(state),
                          "groups": sorted(f"{group['GroupName']}" for group in one.get("SecurityGroups", []))})
    found.sort(key=lambda one: one["id"])
    return {"instances": found, "digest": digest([[one["id"], one["digest"]] for one in found])}


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
