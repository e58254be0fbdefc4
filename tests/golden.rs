//! Generated files are what the types generate, and the examples are read strictly.
#![allow(clippy::disallowed_methods, reason = "the product starts no processes, a test of a generator does")]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test ends where it fails")]

use sequester::api::manifests;
use sequester::api::policies::PolicyConfig;
use sequester::api::{Approval, AwsAccount, EvidenceSnapshot, ForensicCase, Quarantine};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn documents(path: &Path) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs the generator into a new folder.
fn generate(arguments: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("make a folder");
    let status = Command::new(env!("CARGO_BIN_EXE_crdgen")).arg(folder.path()).args(arguments).status();
    assert!(status.expect("run crdgen").success());
    folder
}

#[test]
fn committed_files_are_what_is_generated() {
    let folder = generate(&[]);
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        let (fresh, committed) = (read(&folder.path().join(&name)), read(&root().join("crds").join(&name)));
        let differs = fresh.lines().zip(committed.lines()).position(|(a, b)| a != b);
        assert!(fresh == committed, "crds/{name} is not what crdgen makes (line {differs:?}); run `make generate`");
        names.insert(name);
    }
    let committed: BTreeSet<String> = std::fs::read_dir(root().join("crds"))
        .expect("crds/")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(names, committed);
}

#[test]
fn yaml_says_what_the_types_say() {
    let folder = generate(&[]);
    for manifest in manifests::all(&PolicyConfig::default()).expect("serializable types") {
        let parsed = documents(&folder.path().join(manifest.file));
        // Whole numbers and numbers with a point are the same to the API server.
        let plain = |value: &Value| value.to_string().replace(".0,", ",").replace(".0}", "}");
        let same = parsed.iter().map(plain).eq(manifest.documents.iter().map(plain));
        assert!(same, "{}", manifest.file);
    }
}

#[test]
fn another_controller_is_named_everywhere() {
    let folder =
        generate(&["--controller", "system:serviceaccount:ir-tools:held", "--break-glass-group", "corp:break-glass"]);
    let (policies, roles) = (read(&folder.path().join("policies.yaml")), read(&folder.path().join("roles.yaml")));
    assert!(policies.contains("system:serviceaccount:ir-tools:held") && policies.contains("corp:break-glass"));
    assert!(policies.contains("ir-tools"), "its namespace is guarded");
    assert!(roles.contains("namespace: ir-tools") && roles.contains("name: held"));
    for text in [policies, roles] {
        assert!(!text.contains("sequester-system"), "the default is still there");
        assert!(!text.contains("sequester.dev:break-glass"), "the default is still there");
    }
    let user = generate(&["--controller", "operator@example.com"]);
    let roles = documents(&user.path().join("roles.yaml"));
    assert!(roles.iter().all(|role| role["kind"] != "ServiceAccount"));
    assert_eq!(roles.last().expect("a binding")["subjects"][0]["name"], "operator@example.com");
}

/// Every field of the manifest is a field of the type: what serde would drop is found by writing it again.
fn strictly<K: DeserializeOwned + Serialize>(value: &Value) {
    let object: K = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
    contained(value, &serde_json::to_value(object).expect("an object"), "");
}

fn contained(part: &Value, whole: &Value, at: &str) {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            for (key, value) in part {
                let at = format!("{at}/{key}");
                contained(value, whole.get(key).unwrap_or_else(|| panic!("unknown field {at}")), &at);
            }
        }
        (Value::Array(part), Value::Array(whole)) => {
            assert_eq!(part.len(), whole.len(), "{at}");
            part.iter().zip(whole).for_each(|(a, b)| contained(a, b, at));
        }
        (part, whole) => assert_eq!(part, whole, "{at}"),
    }
}

#[test]
fn examples_are_read_strictly() {
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("examples")).expect("examples/") {
        let path = entry.expect("an entry").path();
        for document in documents(&path) {
            let kind = document["kind"].as_str().expect("a kind").to_owned();
            match kind.as_str() {
                "AwsAccount" => strictly::<AwsAccount>(&document),
                "ForensicCase" => strictly::<ForensicCase>(&document),
                "EvidenceSnapshot" => strictly::<EvidenceSnapshot>(&document),
                "Quarantine" => strictly::<Quarantine>(&document),
                "Approval" => strictly::<Approval>(&document),
                other => panic!("{}: no test for {other}", path.display()),
            }
            kinds.insert(kind);
        }
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}

#[test]
fn the_committed_pages_and_policies_are_what_is_generated() {
    let docs = tempfile::tempdir().expect("make a folder");
    generate(&["--docs", &docs.path().to_string_lossy()]);
    let policies = |folder: &Path| -> BTreeSet<String> {
        let files = std::fs::read_dir(folder.join("iam")).expect("iam/");
        files.map(|entry| format!("iam/{}", entry.expect("an entry").file_name().to_string_lossy())).collect()
    };
    assert_eq!(
        policies(docs.path()),
        policies(&root().join("docs")),
        "run `make generate`, and remove what it does not make"
    );
    for name in policies(docs.path()).into_iter().chain(["playbook.md".to_owned(), "iam.md".to_owned()]) {
        let (fresh, committed) = (read(&docs.path().join(&name)), read(&root().join("docs").join(&name)));
        assert!(fresh == committed, "docs/{name} is not what crdgen makes; run `make generate`");
    }
}
