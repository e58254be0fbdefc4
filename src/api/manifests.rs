//! The files under `crds/`: what has to be in a cluster before the controller starts.

use k8s_openapi::Resource;
use serde::Serialize;
use serde_json::Value;

use super::policies::{self, PolicyConfig};
use super::{crds, roles};

/// One file to be applied.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Name of the file.
    pub file: &'static str,
    /// What it is for, as its first line says.
    pub about: &'static str,
    /// Its documents, in the order in which they are applied.
    pub documents: Vec<Value>,
}

/// All files, the same for the same configuration, byte for byte.
///
/// # Errors
/// None that can occur with these types: serializing them does not fail.
pub fn all(config: &PolicyConfig) -> Result<Vec<Manifest>, serde_json::Error> {
    let definitions = crds::all().iter().map(document).collect::<Result<_, _>>()?;
    let mut enforced = Vec::new();
    for (policy, binding) in policies::all(config) {
        enforced.push(document(&policy)?);
        enforced.push(document(&binding)?);
    }
    Ok(vec![
        Manifest { file: "crds.yaml", about: "The custom resources.", documents: definitions },
        Manifest { file: "policies.yaml", about: "Who may do what, enforced by the API server.", documents: enforced },
        Manifest {
            file: "roles.yaml",
            about: "RBAC: the controller, and the roles to bind people to.",
            documents: roles::all(config)?,
        },
    ])
}

/// An object as JSON, without the empty parts that only the server fills in.
fn document<K: Resource + Serialize>(object: &K) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(object)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    Ok(value)
}
