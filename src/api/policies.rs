//! Who may do what: the `ValidatingAdmissionPolicies`, which the API server evaluates itself. There is no webhook to be
//! down, slow or bypassed.
//!
//! | policy | enforces |
//! |---|---|
//! | `sequester-requester` | who creates or changes a spec stands in it as `requestedBy`; a service account leaves it out |
//! | `sequester-approver` | who approves is who they say they are, is a person, is not the requester, and may |
//! | `sequester-withdrawal` | an Approval is taken back by its approver only |
//! | `sequester-status` | only the controller writes a status |
//! | `sequester-custody` | only the controller writes records and holds; nobody deletes a record |
//! | `sequester-marks` | only the controller sets and removes our finalizers and labels |
//! | `sequester-deletion` | what holds a host or evidence is not deleted, by no one: garbage collector and namespace controller included |
//! | `sequester-namespaces` | a namespace that an AwsAccount allows, or that holds something in one, is not deleted |
//! | `sequester-definitions` | our CRDs, and the controller's namespace, are not deleted |
//!
//! Break glass: a member of [`PolicyConfig::break_glass_group`] passes the last four, and may delete a hold and an
//! Approval, for the day on which the controller is broken beyond repair. Each such act leaves the annotation
//! `break-glass` in the audit log. Nobody passes the others: to approve alone there is the Approval's own `breakGlass`,
//! and nothing forges a record or a status.
//!
//! What a policy cannot do: see another object (that an Approval's requester is the subject's is checked by the
//! controller), or protect itself from a cluster administrator, who may delete it. That is why the controller compares
//! them all with what it ships, proves by a forged Approval in dry-run that [`APPROVER_REFUSAL`] comes back, and honours
//! no Approval where either fails.

use k8s_openapi::api::admissionregistration::v1::{
    AuditAnnotation, MatchCondition, MatchResources, NamedRuleWithOperations, ParamKind, ParamRef,
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{GROUP, VERSION};

/// How the refusal begins of an Approval whose approver is not the caller. The API server puts the name of the policy
/// before it, so look for it inside the message.
pub const APPROVER_REFUSAL: &str = "spec.approver must be the authenticated user";

/// Who the policies speak of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyConfig {
    /// User name of the controller.
    pub controller: String,
    /// Group whose members may delete what is held and remove finalizers, should the controller be broken. Nobody is in
    /// it until somebody is put there.
    pub break_glass_group: String,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            controller: "system:serviceaccount:sequester-system:sequester".into(),
            break_glass_group: "sequester.dev:break-glass".into(),
        }
    }
}

impl PolicyConfig {
    /// Namespace and name of the controller's service account; none if it is a user of another sort.
    #[must_use]
    pub fn service_account(&self) -> Option<(&str, &str)> {
        self.controller.strip_prefix("system:serviceaccount:")?.split_once(':')
    }

    fn is_controller(&self) -> String {
        format!("request.userInfo.username == {}", quoted(&self.controller))
    }

    fn is_break_glass(&self) -> String {
        format!("has(request.userInfo.groups) && {} in request.userInfo.groups", quoted(&self.break_glass_group))
    }
}

/// All policies, each with its binding.
#[must_use]
pub fn all(config: &PolicyConfig) -> Vec<(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)> {
    vec![
        requester(config).built(),
        approver().built(),
        withdrawal(config).built(),
        status(config).built(),
        custody(config).built(),
        marks(config).built(),
        deletion(config).built(),
        namespaces(config).built(),
        definitions(config).built(),
    ]
}

/// Who creates or changes a spec stands in it. Any change, not only one of the level: otherwise an approver could change
/// what somebody else asked for, and approve their own change under that name.
fn requester(config: &PolicyConfig) -> Policy {
    Policy::new("sequester-requester", GROUP, &["quarantines", "forensiccases", "evidencesnapshots"], &["CREATE", "UPDATE"])
        .only_when("not-the-controller", format!("!({})", config.is_controller()))
        .only_when("spec-is-new", "request.operation == 'CREATE' || object.spec != oldObject.spec")
        .variable("serviceAccount", "request.userInfo.username.startsWith('system:serviceaccount:')")
        .variable("named", "has(object.spec.requestedBy)")
        .refuse_unless(
            "!variables.serviceAccount || !variables.named",
            "'spec.requestedBy must be left out by a service account, and is \\'' + object.spec.requestedBy + '\\': remove it; each approval then needs two people'",
        )
        .refuse_unless(
            "variables.serviceAccount || (variables.named && object.spec.requestedBy == request.userInfo.username)",
            "'spec.requestedBy must be the authenticated user on create and on every change of the spec, and is ' + (variables.named ? '\\'' + object.spec.requestedBy + '\\'' : 'missing') + ': write requestedBy: ' + request.userInfo.username",
        )
        .note("requested-by", "'requested by ' + request.userInfo.username")
}

/// Who approves is who they say they are, is a person, is not the requester, and may.
fn approver() -> Policy {
    let may = "authorizer.group('sequester.dev').resource('actions').subresource(variables.action).namespace(request.namespace).check(variables.verb).allowed()";
    Policy::new("sequester-approver", GROUP, &["approvals"], &["CREATE"])
        .variable("action", "object.spec.action.lowerAscii()")
        .variable("breakGlass", "has(object.spec.breakGlass) && object.spec.breakGlass")
        .variable("verb", "variables.breakGlass ? 'breakglass' : 'approve'")
        // First, since the first refusal is the one that is told, and the controller's probe waits for this one.
        .refuse_unless(
            "object.spec.approver == request.userInfo.username",
            &format!("'{APPROVER_REFUSAL}, and is \\'' + object.spec.approver + '\\': write approver: ' + request.userInfo.username"),
        )
        .refuse_unless(
            "!object.spec.approver.startsWith('system:')",
            "'spec.approver \\'' + object.spec.approver + '\\' is no person: only a person can approve'",
        )
        .refuse_unless(
            "variables.breakGlass || !has(object.spec.requester) || object.spec.requester != object.spec.approver",
            "'spec.approver must differ from spec.requester, and both are \\'' + object.spec.approver + '\\': a second person must approve, or one person alone with breakGlass: true'",
        )
        .refuse_unless(
            may,
            "'spec.approver \\'' + object.spec.approver + '\\' may not ' + variables.verb + ' actions/' + variables.action + ' of sequester.dev in namespace ' + request.namespace + ': bind them to a role that may'",
        )
        .note(
            "approval",
            "object.spec.approver + (variables.breakGlass ? ' breaks the glass: ' : ': ') + object.spec.decision + ' ' + object.spec.action + ' of ' + object.spec.subject.kind + ' ' + object.spec.subject.name + ' ' + object.spec.planHash",
        )
}

/// An Approval is taken back by its approver only: else who was denied could remove the Deny.
fn withdrawal(config: &PolicyConfig) -> Policy {
    Policy::new("sequester-withdrawal", GROUP, &["approvals"], &["DELETE"])
        .variable("breakGlass", config.is_break_glass())
        .refuse_unless(
            // The namespace controller may, under either of its names: a namespace in use is not deleted in the first place.
            "variables.breakGlass || request.userInfo.username == oldObject.spec.approver || request.userInfo.username in ['system:serviceaccount:kube-system:namespace-controller', 'system:kube-controller-manager']",
            "'Approval \\'' + oldObject.metadata.name + '\\' can be deleted by its approver only, \\'' + oldObject.spec.approver + '\\''",
        )
        .note_break_glass()
}

/// Only the controller writes a status.
fn status(config: &PolicyConfig) -> Policy {
    Policy::new("sequester-status", GROUP, &["*/status"], &["CREATE", "UPDATE"]).refuse_unless(
        &config.is_controller(),
        "'status is written by the controller alone, and not by \\'' + request.userInfo.username + '\\''",
    )
}

/// Only the controller writes records and holds; nobody deletes a record.
fn custody(config: &PolicyConfig) -> Policy {
    Policy::new("sequester-custody", GROUP, &["custodyrecords", "instanceholds"], &["CREATE", "UPDATE", "DELETE"])
        .variable("isRecord", "request.resource.resource == 'custodyrecords'")
        .variable("isController", config.is_controller())
        .variable("breakGlass", config.is_break_glass())
        .refuse_unless(
            "!(variables.isRecord && request.operation == 'DELETE')",
            "'CustodyRecord \\'' + oldObject.metadata.name + '\\' cannot be deleted: a chain of custody has no gaps'",
        )
        .refuse_unless(
            "variables.isController || (variables.breakGlass && !variables.isRecord && request.operation != 'CREATE')",
            "request.kind.kind + ' is written by the controller alone, and not by \\'' + request.userInfo.username + '\\''",
        )
        .note_break_glass()
}

/// Only the controller sets and removes our finalizers and labels: a finalizer says that something is held, a label says
/// whose child it is.
fn marks(config: &PolicyConfig) -> Policy {
    let finalizers = |of: &str| {
        format!(
            "{of} != null && has({of}.metadata.finalizers) ? {of}.metadata.finalizers.filter(f, f.startsWith('{GROUP}/')) : []"
        )
    };
    let labels = |of: &str| {
        format!(
            "{of} != null && has({of}.metadata.labels) ? {of}.metadata.labels.filter(l, l.startsWith('{GROUP}/')).map(l, l + '=' + {of}.metadata.labels[l]) : []"
        )
    };
    Policy::new("sequester-marks", GROUP, &["*"], &["CREATE", "UPDATE"])
        .variable("passes", config.is_controller())
        .variable("breakGlass", config.is_break_glass())
        .variable("finalizers", finalizers("object"))
        .variable("oldFinalizers", finalizers("oldObject"))
        .variable("labels", labels("object"))
        .variable("oldLabels", labels("oldObject"))
        .refuse_unless(
            "variables.passes || variables.breakGlass || (variables.oldFinalizers.all(f, f in variables.finalizers) && variables.finalizers.all(f, f in variables.oldFinalizers))",
            "'metadata.finalizers that begin with sequester.dev/ are set and removed by the controller alone: they were [' + variables.oldFinalizers.join(', ') + '] and cannot become [' + variables.finalizers.join(', ') + ']'",
        )
        .refuse_unless(
            "variables.passes || variables.breakGlass || (variables.oldLabels.all(l, l in variables.labels) && variables.labels.all(l, l in variables.oldLabels))",
            "'metadata.labels that begin with sequester.dev/ are set and removed by the controller alone: they were [' + variables.oldLabels.join(', ') + '] and cannot become [' + variables.labels.join(', ') + ']'",
        )
        .note_break_glass()
}

/// What holds something is not deleted, by no one: garbage collector, namespace controller and `deletecollection` pass
/// here too. It holds something while our finalizer is there and its status, which only the controller writes, does not
/// say that it was released.
fn deletion(config: &PolicyConfig) -> Policy {
    Policy::new("sequester-deletion", GROUP, &["awsaccounts", "quarantines", "evidencesnapshots"], &["DELETE"])
        .variable("breakGlass", config.is_break_glass())
        .variable(
            "held",
            format!("has(oldObject.metadata.finalizers) && oldObject.metadata.finalizers.exists(f, f.startsWith('{GROUP}/'))"),
        )
        .variable(
            "released",
            "has(oldObject.status) && has(oldObject.status.conditions) && oldObject.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True' && c.reason == 'Released')",
        )
        .variable(
            "instead",
            "request.resource.resource == 'quarantines' ? 'set spec.level: Released, have it approved by a second person, and wait until Ready says Released' : request.resource.resource == 'evidencesnapshots' ? 'it stays while it is under legal hold, which spec.legalHold: false and an Approval of LiftHold lift, or under retention, which ends on the date in spec.retainUntil' : 'release what is held in it first'",
        )
        .refuse_unless(
            "variables.breakGlass || !variables.held || variables.released",
            "request.kind.kind + ' \\'' + oldObject.metadata.name + '\\' cannot be deleted while something is held: ' + variables.instead",
        )
        .note_break_glass()
}

/// A namespace that an AwsAccount allows is not deleted, nor one that it does not allow any more but that holds something
/// in it: in a terminating namespace no record and no Approval can be written. Evaluated once for each AwsAccount.
fn namespaces(config: &PolicyConfig) -> Policy {
    Policy::new("sequester-namespaces", "", &["namespaces"], &["DELETE"])
        .with_params("AwsAccount")
        .variable("breakGlass", config.is_break_glass())
        .refuse_unless(
            "variables.breakGlass || !has(params.spec.allowedNamespaces) || !(oldObject.metadata.name in params.spec.allowedNamespaces)",
            "'namespace \\'' + oldObject.metadata.name + '\\' cannot be deleted: AwsAccount \\'' + params.metadata.name + '\\' lists it in spec.allowedNamespaces, and cases in it may hold hosts and evidence'",
        )
        .refuse_unless(
            "variables.breakGlass || !has(params.status) || !has(params.status.namespacesInUse) || !(oldObject.metadata.name in params.status.namespacesInUse)",
            "'namespace \\'' + oldObject.metadata.name + '\\' cannot be deleted: hosts or evidence of AwsAccount \\'' + params.metadata.name + '\\' are held in it: kubectl get quarantines,evidencesnapshots -n ' + oldObject.metadata.name",
        )
        .note_break_glass()
}

/// Our CRDs are not deleted, since all their objects would go with them and no policy on the objects is asked; nor is
/// the controller's namespace, which keeps the chains of cluster-scoped kinds.
fn definitions(config: &PolicyConfig) -> Policy {
    let home = config.service_account().map_or("", |(namespace, _)| namespace);
    Policy::new("sequester-definitions", "apiextensions.k8s.io", &["customresourcedefinitions"], &["DELETE"])
        .also("", &["namespaces"], &["DELETE"])
        .variable("breakGlass", config.is_break_glass())
        .variable(
            "ours",
            format!(
                "request.resource.resource == 'namespaces' ? oldObject.metadata.name == {} : dyn(oldObject).spec.group == '{GROUP}'",
                quoted(home)
            ),
        )
        .refuse_unless(
            "variables.breakGlass || !variables.ours",
            "request.kind.kind + ' \\'' + oldObject.metadata.name + '\\' cannot be deleted: every case, hold and chain of custody would go with it'",
        )
        .note_break_glass()
}

/// A policy under construction.
struct Policy {
    name: &'static str,
    rules: Vec<NamedRuleWithOperations>,
    conditions: Vec<MatchCondition>,
    variables: Vec<Variable>,
    validations: Vec<Validation>,
    annotations: Vec<AuditAnnotation>,
    param_kind: Option<&'static str>,
}

impl Policy {
    fn new(name: &'static str, group: &str, resources: &[&str], operations: &[&str]) -> Self {
        let empty = Self {
            name,
            rules: Vec::new(),
            conditions: Vec::new(),
            variables: Vec::new(),
            validations: Vec::new(),
            annotations: Vec::new(),
            param_kind: None,
        };
        empty.also(group, resources, operations)
    }

    fn also(mut self, group: &str, resources: &[&str], operations: &[&str]) -> Self {
        let owned = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect());
        self.rules.push(NamedRuleWithOperations {
            api_groups: owned(&[group]),
            api_versions: owned(&["*"]),
            operations: owned(operations),
            resources: owned(resources),
            scope: Some("*".into()),
            resource_names: None,
        });
        self
    }

    fn only_when(mut self, name: &str, expression: impl Into<String>) -> Self {
        self.conditions.push(MatchCondition { name: name.into(), expression: expression.into() });
        self
    }

    fn variable(mut self, name: &str, expression: impl Into<String>) -> Self {
        self.variables.push(Variable { name: name.into(), expression: expression.into() });
        self
    }

    fn refuse_unless(mut self, expression: &str, message: &str) -> Self {
        self.validations.push(Validation {
            expression: expression.into(),
            message: None,
            message_expression: Some(message.into()),
            reason: Some("Forbidden".into()),
        });
        self
    }

    fn note(mut self, key: &str, value: &str) -> Self {
        self.annotations.push(AuditAnnotation { key: key.into(), value_expression: value.into() });
        self
    }

    /// An empty value leaves no annotation. No `request.name` here: a request that names no object has none, and an
    /// expression that fails is a refusal.
    fn note_break_glass(self) -> Self {
        self.note(
            "break-glass",
            "variables.breakGlass ? request.userInfo.username + ' ' + request.operation + ' ' + request.resource.resource : ''",
        )
    }

    fn with_params(mut self, kind: &'static str) -> Self {
        self.param_kind = Some(kind);
        self
    }

    fn built(self) -> (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding) {
        let metadata = || ObjectMeta { name: Some(self.name.into()), ..ObjectMeta::default() };
        let some = |empty: bool| (!empty).then_some(());
        let binding = ValidatingAdmissionPolicyBinding {
            metadata: metadata(),
            spec: Some(ValidatingAdmissionPolicyBindingSpec {
                policy_name: Some(self.name.into()),
                // Without an AwsAccount there is nothing that a namespace could hold.
                param_ref: self.param_kind.map(|_| ParamRef {
                    selector: Some(LabelSelector::default()),
                    parameter_not_found_action: Some("Allow".into()),
                    ..ParamRef::default()
                }),
                validation_actions: Some(vec!["Deny".into(), "Audit".into()]),
                ..ValidatingAdmissionPolicyBindingSpec::default()
            }),
        };
        let policy = ValidatingAdmissionPolicy {
            metadata: metadata(),
            spec: Some(ValidatingAdmissionPolicySpec {
                failure_policy: Some("Fail".into()),
                param_kind: self
                    .param_kind
                    .map(|kind| ParamKind { api_version: Some(format!("{GROUP}/{VERSION}")), kind: Some(kind.into()) }),
                match_constraints: Some(MatchResources {
                    match_policy: Some("Equivalent".into()),
                    namespace_selector: Some(LabelSelector::default()),
                    object_selector: Some(LabelSelector::default()),
                    resource_rules: Some(self.rules),
                    exclude_resource_rules: None,
                }),
                match_conditions: some(self.conditions.is_empty()).map(|()| self.conditions),
                variables: some(self.variables.is_empty()).map(|()| self.variables),
                validations: Some(self.validations),
                audit_annotations: some(self.annotations.is_empty()).map(|()| self.annotations),
            }),
            status: None,
        };
        (policy, binding)
    }
}

/// A CEL string literal. JSON's escapes are a part of CEL's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
