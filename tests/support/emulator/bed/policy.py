"""Resource policies as far as the bed needs them: trust policies of roles, and key policies.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
An explicit Deny wins; otherwise something has to allow. A condition that is not known here does not hold in an
Allow and holds in a Deny.
"""

import fnmatch
import json
import re


def listed(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def principal_matches(principal, caller):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html

    The account, as id or as the ARN of its root, stands for every principal in it that the account itself allows.
    """
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    for name in listed(principal.get("AWS")):
        whole = re.fullmatch(r"arn:[\w-]+:iam::(\d{12}):root", name)
        account = whole.group(1) if whole else name
        if name == "*" or account == caller.account or name in (caller.principal, caller.arn):
            return True
    return False


def matches(patterns, value, fold=False):
    if fold:
        patterns, value = [pattern.lower() for pattern in patterns], value.lower()
    return any(fnmatch.fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in patterns)


OPERATORS = {
    "StringEquals": lambda wanted, value: value in wanted,
    "StringNotEquals": lambda wanted, value: value not in wanted,
    "StringLike": matches,
    "StringNotLike": lambda wanted, value: not matches(wanted, value),
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda wanted, value: value.lower() in [want.lower() for want in wanted],
}
NEGATED = ("StringNotEquals", "StringNotLike")


def condition_holds(condition, context, unknown):
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html"""
    context = {name.lower(): value for name, value in context.items()}
    for operator, pairs in (condition or {}).items():
        optional = operator.endswith("IfExists")
        plain = operator.removesuffix("IfExists")
        if plain not in OPERATORS:
            return unknown
        for name, wanted in pairs.items():
            value = context.get(name.lower())
            if value is None:
                if optional or plain in NEGATED:
                    continue
                return False
            if not OPERATORS[plain]([str(want) for want in listed(wanted)], value):
                return False
    return True


def decide(document, action, caller, context=None):
    """True if the policy allows the action to the caller, False if it denies it, None if it says nothing."""
    context = {"aws:PrincipalArn": caller.principal, "aws:PrincipalAccount": caller.account, **(context or {})}
    allowed = None
    for statement in listed(json.loads(document).get("Statement")):
        denies = statement.get("Effect") == "Deny"
        if "NotPrincipal" in statement or "NotAction" in statement:
            continue
        if (principal_matches(statement.get("Principal"), caller)
                and matches(listed(statement.get("Action")), action, fold=True)
                and condition_holds(statement.get("Condition"), context, unknown=denies)):
            if denies:
                return False
            allowed = True
    return allowed
