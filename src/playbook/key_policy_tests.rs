//! Given a policy as KMS shows it, expect two statements beside what stands there, and every other byte as it was.

use super::*;
use crate::playbook::sample::{self, POLICY, forensics_id};

fn ours(key: &KeyArn) -> Ours<'_> {
    Ours { key, sid: "opsuid1" }
}

fn policy(text: &str) -> KeyPolicy {
    KeyPolicy(text.to_owned())
}

fn nobody() -> BTreeSet<AccountId> {
    BTreeSet::new()
}

fn forensics() -> BTreeSet<AccountId> {
    BTreeSet::from([forensics_id()])
}

fn two() -> BTreeSet<AccountId> {
    BTreeSet::from([forensics_id(), AccountId::parse("999999999999").unwrap()])
}

fn read(policy: &KeyPolicy) -> Json {
    serde_json::from_str(&policy.0).unwrap()
}

#[test]
fn the_two_statements_are_those_of_the_playbook() {
    let key = sample::key(0);
    let given = policy(POLICY).with(ours(&key), &forensics()).unwrap();
    let document = read(&given);
    let [_, uses, lets] = document["Statement"].as_array().unwrap().as_slice() else { panic!("{document:#}") };
    let them = json!({"AWS": "arn:aws:iam::444455556666:root"});
    let actions = json!(["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]);
    let expected = json!({
        "Sid": "opsuid1444455556666A", "Effect": "Allow", "Principal": them, "Action": actions, "Resource": "*",
    });
    assert_eq!(*uses, expected);
    let grants = json!(["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]);
    let expected = json!({
        "Sid": "opsuid1444455556666B", "Effect": "Allow", "Principal": them, "Action": grants, "Resource": "*",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    });
    assert_eq!(*lets, expected);
    assert_eq!(given.find(ours(&key)).unwrap().len(), 2);
    assert_eq!(sid("ops", "6f1c-a0"), "ops6f1ca0", "IAM takes letters and digits");
    let china = KeyArn::parse("arn:aws-cn:kms:cn-north-1:111122223333:key/k").unwrap();
    assert!(policy(POLICY).with(ours(&china), &forensics()).unwrap().0.contains("arn:aws-cn:iam::444455556666:root"));
}

#[test]
fn what_others_have_stays_to_the_byte_and_comes_back_to_the_byte() {
    let key = sample::key(0);
    let one = r#"{"Sid":"a","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","n":1.0}"#;
    let spaced = format!("{{\n\t\"Statement\" : [\r\n {one} ,{one}\n ] , \"Version\":\"2012-10-17\" }}\n");
    for text in [POLICY, &spaced, &format!("{{\"Statement\":[{one}]}}"), "{\"Statement\": [ ]}"] {
        let mut given = policy(text);
        for accounts in [two(), forensics(), two(), nobody()] {
            given = given.with(ours(&key), &accounts).unwrap();
            assert_eq!(given.find(ours(&key)).unwrap().len(), accounts.len() * 2);
            assert_eq!(given.others(ours(&key)), policy(text).others(ours(&key)));
            assert_eq!(given.with(ours(&key), &accounts).unwrap(), given, "and then it rests");
        }
        assert_eq!(given.0, text);
    }
    // One statement may stand without a list; then it stands in one, which means the same.
    let single = policy(&format!("{{\"Statement\":{one}}}"));
    let given = single.with(ours(&key), &forensics()).unwrap();
    assert_eq!(read(&given)["Statement"].as_array().unwrap().len(), 3);
    let back = given.with(ours(&key), &nobody()).unwrap();
    assert_eq!(plain(&read(&back)), plain(&read(&single)));
}

#[test]
fn a_statement_is_ours_by_its_name_and_every_word_of_it() {
    let key = sample::key(0);
    let given = policy(POLICY).with(ours(&key), &forensics()).unwrap();
    // As KMS may write it again: other order, a list of one, a truth that is no word.
    let mut again = read(&given);
    let statements = again["Statement"].as_array_mut().unwrap();
    statements[1]["Action"].as_array_mut().unwrap().reverse();
    statements[1]["Principal"] = json!({"AWS": ["arn:aws:iam::444455556666:root"]});
    statements[2]["Condition"] = json!({"Bool": {"kms:GrantIsForAWSResource": true}});
    statements.reverse();
    let again = policy(&again.to_string());
    assert!(again.find(ours(&key)).unwrap().values().all(|found| *found == Found::AsWritten));
    assert_eq!(again.others(ours(&key)), given.others(ours(&key)));

    let changes: [fn(&mut Json); 4] = [
        |s| s["Action"] = json!("kms:*"),
        |s| s["Principal"] = json!({"AWS": ["arn:aws:iam::444455556666:root", "arn:aws:iam::999999999999:root"]}),
        |s| s["Condition"] = json!({"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}),
        |s| s["Effect"] = json!("Deny"),
    ];
    for change in changes {
        let mut changed = read(&given);
        change(&mut changed["Statement"][1]);
        let changed = policy(&changed.to_string());
        let found = changed.find(ours(&key)).unwrap();
        assert!(matches!(found["opsuid1444455556666A"], Found::Changed(_)), "{found:?}");
        assert_eq!(found["opsuid1444455556666B"], Found::AsWritten);
        // Wished for it is put back, and else left: the other one goes.
        let wished = changed.with(ours(&key), &forensics()).unwrap();
        assert_eq!(plain(&read(&wished)), plain(&read(&given)));
        let left = changed.with(ours(&key), &nobody()).unwrap();
        assert_eq!(left.find(ours(&key)).unwrap().keys().collect::<Vec<_>>(), ["opsuid1444455556666A"]);
        assert_eq!(left.with(ours(&key), &nobody()).unwrap(), left);
    }
}

#[test]
fn statements_of_others_that_are_called_like_ours_are_theirs() {
    let key = sample::key(0);
    let given = policy(POLICY).with(Ours { sid: "opsuid2", ..ours(&key) }, &two()).unwrap();
    for name in ["opsuid1", "opsuid1A", "opsuid144445555666A", "opsuid1444455556666C", "xopsuid1444455556666A"] {
        let mut document = read(&given);
        document["Statement"][0]["Sid"] = json!(name);
        let document = policy(&document.to_string());
        assert_eq!(document.find(ours(&key)).unwrap(), BTreeMap::new(), "{name}");
        assert_eq!(document.with(ours(&key), &nobody()).unwrap(), document, "{name}");
    }
    // A second one with the name of ours, and other words.
    let ours_and_more = given.with(ours(&key), &forensics()).unwrap();
    let mut document = read(&ours_and_more);
    let mut forged = document["Statement"][5].clone();
    forged["Action"] = json!("kms:*");
    document["Statement"].as_array_mut().unwrap().push(forged);
    let document = policy(&document.to_string());
    assert!(document.find(ours(&key)).unwrap().values().any(|found| *found != Found::AsWritten));
    assert_eq!(plain(&read(&document.with(ours(&key), &forensics()).unwrap())), plain(&read(&ours_and_more)));
}

#[test]
fn what_is_no_policy_is_left_alone() {
    let key = sample::key(0);
    let twice = r#"{"Statement":[],"Statement":[]}"#;
    for text in ["", "{}", "[]", "no json", "{\"Statement\":[}", "{\"Statement\":7}", twice, "{\"Statement\":[]} x"] {
        assert_eq!(policy(text).with(ours(&key), &forensics()), None, "{text}");
        assert_eq!(policy(text).find(ours(&key)), None, "{text}");
        assert_eq!(policy(text).others(ours(&key)), None, "{text}");
    }
}

#[test]
fn what_other_evidence_of_ours_has_in_it_is_nobody_s_change() {
    let key = sample::key(0);
    let uid = sid("vault", "6c84fb90-12c4-11e1-840d-7b25c5ee775a");
    let base = policy(POLICY).with(ours(&key), &forensics()).unwrap();
    let others = base.others(ours(&key)).unwrap();
    assert_eq!(policy(POLICY).others(ours(&key)).as_ref(), Some(&others));
    let theirs = base.with(Ours { key: &key, sid: &uid }, &forensics()).unwrap();
    assert_ne!(theirs, base);
    assert_eq!(theirs.others(ours(&key)).as_ref(), Some(&others));
    // For an account that is none of ours it is a stranger's, whatever it looks like.
    assert_eq!(theirs.others_but(ours(&key), |account| *account == forensics_id()).as_ref(), Some(&others));
    assert_ne!(theirs.others_but(ours(&key), |_| false), Some(others.clone()));
    // Not to the word, or not of an object: somebody's.
    let changed = policy(&theirs.0.replace(&format!("{uid}444455556666A\",\"Effect\":\"Allow"), "x"));
    assert_eq!(changed, theirs, "members are sorted");
    let denied = policy(&theirs.0.replacen(
        &format!("\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"arn:aws:iam::444455556666:root\"}},\"Resource\":\"*\",\"Sid\":\"{uid}"),
        &format!("\"Effect\":\"Deny\",\"Principal\":{{\"AWS\":\"arn:aws:iam::444455556666:root\"}},\"Resource\":\"*\",\"Sid\":\"{uid}"),
        1,
    ));
    assert_ne!(denied, theirs);
    assert_ne!(denied.others(ours(&key)).as_ref(), Some(&others));
    let short = base.with(Ours { key: &key, sid: "vault7" }, &forensics()).unwrap();
    assert_ne!(short.others(ours(&key)), Some(others));
}
