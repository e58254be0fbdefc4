"""Instance profiles: a replaced one is the instance's from then on."""

from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend

from bed.base import wraps


# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReplaceIamInstanceProfileAssociation.html
# Replaces the profile of the instance without a disassociation first; the association gets a new id.
@wraps(IamInstanceProfileAssociationBackend, "replace_iam_instance_profile_association")
def replace(former, self, association_id, iam_instance_profile_name=None, iam_instance_profile_arn=None):
    association = former(self, association_id, iam_instance_profile_name, iam_instance_profile_arn)
    profile = association.iam_instance_profile
    association.instance.iam_instance_profile = {"Arn": profile.arn, "Id": profile.id}
    return association
