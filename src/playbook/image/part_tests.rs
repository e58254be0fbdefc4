use super::*;
use crate::playbook::image::BLOCK;
use crate::playbook::image::digest::tests::block;

const IMAGE: u64 = 6 * BLOCK + 5;

/// The image's blocks up to `end`, taken by a digest that has some already.
fn go_on(mut digest: ImageDigest, end: u64) -> ImageDigest {
    for index in [1, 2, 4, 6] {
        if index < digest.next() || index >= end {
            continue;
        }
        while !digest.zeros(index, 1) {}
        let bytes = vec![u8::try_from(index).unwrap(); usize::try_from(super::super::length(IMAGE, index)).unwrap()];
        digest.add(&block(IMAGE, index, bytes)).unwrap();
    }
    while !digest.zeros(end, 1) {}
    digest
}

#[test]
fn it_goes_on_after_any_block_as_if_nothing_had_happened() {
    let whole = go_on(ImageDigest::new(IMAGE), 7).finish().unwrap();
    for stop in 0..=7 {
        let part = go_on(ImageDigest::new(IMAGE), stop).part();
        let text = serde_json::to_string(&part).unwrap();
        assert!(text.len() < 1000, "{} bytes", text.len());
        let part: Part = serde_json::from_str(&text).unwrap();
        let resumed = ImageDigest::resume(&part).unwrap();
        assert_eq!(resumed.part(), part);
        assert_eq!(go_on(resumed, 7).finish().unwrap(), whole, "stopped before block {stop}");
    }
}

#[test]
fn the_digest_of_a_part_is_that_of_the_bytes_so_far() {
    let mut digest = ImageDigest::new(IMAGE);
    digest.zeros(1, 9);
    // `head -c 524288 /dev/zero | sha256sum`
    let expected = "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541";
    assert_eq!(digest.part().image_digest.hex(), expected);
}

#[test]
fn a_part_that_is_not_what_it_says_is_refused() {
    let good = go_on(ImageDigest::new(IMAGE), 5).part();
    let other = go_on(ImageDigest::new(IMAGE), 3).part();
    let table: Vec<(&str, Box<dyn Fn(&mut Part)>)> = vec![
        ("version: 2 is not known", Box::new(|part| part.version = 2)),
        ("next: 8 can't be in an image of 3145733", Box::new(|part| part.next = 8)),
        ("written: 6 can't be", Box::new(|part| part.written = 6)),
        ("notZero: 4 can't be", Box::new(|part| part.not_zero = 4)),
        ("imageState: is no state", Box::new(|part| part.image_state.truncate(50))),
        ("imageState: is no state", Box::new(|part| part.image_state = "zz".to_owned())),
        ("manifestState: is no state", Box::new(|part| part.manifest_state = String::new())),
        ("imageState: is no state", Box::new(move |part| part.image_state.clone_from(&other.image_state))),
        ("imageDigest: says sha256:", Box::new(|part| part.image_state.replace_range(0..2, "ab"))),
        ("manifestBytes: 999 can't be", Box::new(|part| part.manifest_bytes = 999)),
        ("manifestDigest: says sha256:", Box::new(|part| part.manifest_digest = Digest::of(&[0; 32]))),
    ];
    for (says, spoil) in table {
        let mut part = good.clone();
        spoil(&mut part);
        let fault = ImageDigest::resume(&part).unwrap_err().to_string();
        assert!(fault.contains(says) && fault.ends_with("begin again"), "{fault}");
    }
    assert!(ImageDigest::resume(&good).is_ok());
}

#[test]
fn every_digit_of_the_state_counts() {
    let good = go_on(ImageDigest::new(IMAGE), 5).part();
    for at in 0..good.image_state.len() {
        let mut part = good.clone();
        let digit = if part.image_state.as_bytes()[at] == b'0' { "1" } else { "0" };
        part.image_state.replace_range(at..=at, digit);
        assert!(ImageDigest::resume(&part).is_err(), "digit {at}");
    }
}
