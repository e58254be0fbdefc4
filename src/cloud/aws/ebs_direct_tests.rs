use super::*;

fn strange<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> String {
    match answer {
        Err(Refusal::Strange(operation, what)) => format!("{operation}: {what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sizes_are_gib_or_bytes_and_nothing_else() {
    let block = i32::try_from(BLOCK).ok();
    let table = [(1, 1 << 30), (65_536, 1 << 46), (32_212_254_720, 30 << 30), (1 << 46, 1 << 46)];
    for (told, bytes) in table {
        assert_eq!(image(LIST, Some(told), block).unwrap(), bytes, "{told}");
    }
    for told in [None, Some(0), Some(-1), Some(65_537), Some((1 << 30) + 1), Some((1 << 46) + (1 << 30))] {
        assert!(strange(image(LIST, told, block)).starts_with("ListSnapshotBlocks: a volume size of"), "{told:?}");
    }
    for told in [None, Some(512), Some(-1)] {
        assert!(strange(image(CHANGED, Some(1), told)).contains("EBS has blocks of 524288"), "{told:?}");
    }
}

#[test]
fn a_list_that_is_not_in_order_is_no_list() {
    let image = 1 << 30;
    let ordered = |from, indexes: &[i32]| {
        in_order(LIST, from, image, indexes.iter().map(|index| (Some(*index), None)))
            .map(|kept| kept.into_iter().map(|(index, _)| index).collect::<Vec<_>>())
    };
    assert_eq!(ordered(0, &[0, 1, 7, 2047]).unwrap(), [0, 1, 7, 2047]);
    assert_eq!(ordered(5, &[]).unwrap(), [0; 0]);
    let table: &[(u64, &[i32], &str)] = &[
        (0, &[3, 3], "block Some(3) where one from 4 to 2047"),
        (0, &[3, 2], "block Some(2) where one from 4"),
        (4, &[3], "block Some(3) where one from 4"),
        (0, &[2048], "block Some(2048) where one from 0 to 2047"),
        (0, &[-1], "block Some(-1)"),
    ];
    for (from, indexes, says) in table {
        assert!(strange(ordered(*from, indexes)).contains(says), "{indexes:?}");
    }
    assert!(strange(in_order(LIST, 0, image, [(None, None)].into_iter())).contains("block None"));
}

#[test]
fn a_page_never_leads_to_itself() {
    let cursor = Cursor { from: 0, token: Some("abc".to_owned()) };
    assert_eq!(page_token(LIST, &cursor, Some("abd")).unwrap().as_deref(), Some("abd"));
    assert_eq!(page_token(LIST, &cursor, None).unwrap(), None);
    assert_eq!(page_token(LIST, &cursor, Some("")).unwrap(), None);
    for told in ["abc", &"x".repeat(257)] {
        assert!(strange(page_token(LIST, &cursor, Some(told))).contains("leads nowhere"));
    }
}

#[test]
fn waits_double_and_have_an_end() {
    for (tries, most) in [(1, 100), (2, 200), (5, 1600), (8, 10_000), (u32::MAX, 10_000)] {
        let (wait, most) = (wait(tries), Duration::from_millis(most));
        assert!(wait >= most / 2 && wait <= most, "{tries}: {wait:?}");
    }
}

#[test]
fn only_what_may_pass_is_tried_again() {
    use ErrorClass::{Ambiguous, Conflict, Denied, Invalid, Quota, Throttled, Unavailable};
    let again: Vec<ErrorClass> = [Throttled, Unavailable, Denied, Quota, Invalid, Conflict, Ambiguous]
        .into_iter()
        .filter(|class| passes(*class))
        .collect();
    assert_eq!(again, [Throttled, Unavailable]);
}
