use super::*;

/// Calls `look` with the path of every property below a schema, and with its schema.
fn walk(schema: &JSONSchemaProps, path: &str, look: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        look(&path, property);
        walk(property, &path, look);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        let path = format!("{path}[]");
        look(&path, items);
        walk(items, &path, look);
    }
}

fn each(look: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    for crd in all() {
        let kind = crd.spec.names.kind.clone();
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
            walk(schema, &kind, &mut |path, property| {
                // The API server describes metadata, apiVersion and kind itself.
                if !path.ends_with(".metadata") {
                    look(path, property);
                }
            });
        }
    }
}

fn list_type(property: &JSONSchemaProps) -> &str {
    property.x_kubernetes_list_type.as_deref().unwrap_or("atomic")
}

#[test]
fn every_field_is_explained() {
    each(&mut |path, property| {
        let text = property.description.as_deref().unwrap_or_default();
        // An item of strings is explained where the list is.
        let bare_item = path.ends_with("[]") && property.type_.as_deref() == Some("string");
        assert!(bare_item || text.len() >= 4, "{path} says nothing");
        assert!(!text.contains("Self::") && !text.contains("super::"), "{path} speaks to Rust programmers: {text}");
        if property.default.is_some() && path.contains(".spec.") {
            let explained = text.contains("efault") || property.type_.as_deref() == Some("object");
            assert!(explained, "{path} does not say its default");
        }
    });
}

/// The cost of a CEL rule, and the size of an object, are known only where everything has a bound.
#[test]
fn everything_is_bounded() {
    each(&mut |path, property| match property.type_.as_deref() {
        Some("string") => assert!(property.max_length.is_some() || property.enum_.is_some(), "{path} has no bound"),
        Some("array") => assert!(property.max_items.is_some(), "{path} has no bound"),
        Some("integer" | "number") => assert!(property.minimum.is_some(), "{path} has no bound"),
        Some("boolean" | "object") => {}
        other => panic!("{path} has type {other:?}"),
    });
}

#[test]
fn nothing_that_the_api_server_reads_otherwise() {
    each(&mut |path, property| {
        assert_eq!(property.nullable, None, "{path}");
        // With these formats the API server takes values of other types.
        let format = property.format.as_deref();
        assert!(matches!(format, None | Some("int32" | "int64" | "double")), "{path}: {format:?}");
        assert!(property.any_of.is_none() && property.one_of.is_none(), "{path} is not structural");
    });
}

#[test]
fn defaults_are_where_they_belong() {
    each(&mut |path, property| {
        let default = property.default.as_ref().map(|JSON(value)| value);
        if path.ends_with(".status") && path.matches('.').count() == 1 {
            assert_eq!(default, Some(&serde_json::json!({ "observedGeneration": -1 })), "{path}");
        } else if path.contains(".status.") || path.contains("[]") {
            assert_eq!(default, None, "{path}");
        }
    });
}

#[test]
fn lists_that_must_not_repeat_say_so() {
    let mut seen = 0;
    each(&mut |path, property| {
        let keyed = [".targets", ".share", ".spec.copies", ".evidence.copies", ".destinations", ".conditions"]
            .iter()
            .any(|end| path.ends_with(end));
        let set =
            [".regions", ".moments", ".allowedNamespaces", ".excludeVolumeIds"].iter().any(|end| path.ends_with(end));
        if property.type_.as_deref() == Some("array") && (keyed || set) {
            assert_eq!(list_type(property), if keyed { "map" } else { "set" }, "{path}");
            seen += 1;
        }
    });
    assert_eq!(seen, 15);
}

#[test]
fn all_kinds_are_of_our_group_and_category() {
    for crd in all() {
        assert_eq!(crd.spec.group, crate::api::GROUP);
        assert_eq!(crd.spec.versions[0].name, crate::api::VERSION);
        assert_eq!(crd.spec.names.categories, Some(vec!["forensics".to_owned()]));
    }
}
