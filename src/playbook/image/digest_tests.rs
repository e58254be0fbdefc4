use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A block of an image as the service would send it.
pub(in crate::playbook::image) fn block(image: u64, index: u64, bytes: Vec<u8>) -> Block<Vec<u8>> {
    let told = STANDARD.encode(Sha256::digest(&bytes));
    Block::checked(image, index, bytes, "SHA256", &told).unwrap()
}

/// Digests an image of which only the given blocks were written.
fn digest(image: u64, written: &[(u64, u8)]) -> (Digests, String) {
    let mut digest = ImageDigest::new(image);
    let mut manifest = ImageDigest::manifest_header(image);
    for (index, fill) in written {
        while !digest.zeros(*index, 3) {}
        let bytes = vec![*fill; usize::try_from(length(image, *index)).unwrap()];
        manifest += &digest.add(&block(image, *index, bytes)).unwrap().unwrap_or_default();
    }
    while !digest.zeros(u64::MAX, 3) {}
    (digest.finish().unwrap(), manifest)
}

// The digests of images are those that `sha256sum` prints (coreutils 9.1): for `head -c BYTES /dev/zero`, for "abc" (FIPS
// 180-4), and for zeros in which blocks are replaced (`tr '\0' '\101'` for 0x41).
#[test]
fn known_images_have_their_known_digests() {
    let table: &[(u64, &[(u64, u8)], &str)] = &[
        (0, &[], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (1, &[], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (BLOCK, &[], "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541"),
        (BLOCK, &[(0, 0)], "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541"),
        (BLOCK, &[(0, 0x41)], "5f7a26e1d78cd171b1aab0208da133e996c75285b94aa8ef06c6578ea0b26903"),
        (
            8 * BLOCK,
            &[(2, 0x41), (3, 0), (7, 0x41)],
            "ab8df783d6e54295516a0d2feebdbd6d0264a2a6934187354819aff6b6c219c5",
        ),
        (2 * BLOCK + 1000, &[(2, 0x41)], "59301830738b713498aeabe353ef9754ee7750e9bac7f5bc2f62237dbfb50d81"),
        (1 << 30, &[], "49bc20df15e412a64472421e13fe86ff1c5165e18b2afccf160d4dc19fe68a14"),
    ];
    for (image, written, expected) in table {
        assert_eq!(digest(*image, written).0.image.hex(), *expected, "{written:?} of {image}");
    }
}

#[test]
fn the_manifest_names_what_is_not_zero() {
    let (images, manifest) = digest(8 * BLOCK, &[(2, 0x41), (3, 0), (7, 0x41)]);
    let block = "5f7a26e1d78cd171b1aab0208da133e996c75285b94aa8ef06c6578ea0b26903";
    assert_eq!(manifest, format!("image 4194304 block 524288\n2 {block}\n7 {block}\n"));
    assert_eq!(images.manifest, Digest::of(&Sha256::digest(&manifest).into()));
    assert_eq!((images.bytes, images.written, images.not_zero), (8 * BLOCK, 3, 2));
}

#[test]
fn a_written_block_of_zeros_is_as_one_that_was_never_written() {
    let (written, never) = (digest(4 * BLOCK, &[(1, 0), (3, 9)]).0, digest(4 * BLOCK, &[(3, 9)]).0);
    assert_eq!((written.image, written.manifest), (never.image, never.manifest), "a copy may list other blocks");
    assert_eq!((written.written, never.written), (2, 1));
}

#[test]
fn images_of_other_sizes_have_other_manifests() {
    assert_ne!(digest(4 * BLOCK, &[]).0.manifest, digest(5 * BLOCK, &[]).0.manifest);
}

#[test]
fn blocks_come_in_order_and_none_is_left_out() {
    let image = 3 * BLOCK;
    let bytes = || vec![1; usize::try_from(BLOCK).unwrap()];
    let mut digest = ImageDigest::new(image);
    assert_eq!(digest.add(&block(image, 1, bytes())), Err(DigestFault::Order { due: 0, got: 1 }));
    digest.add(&block(image, 0, bytes())).unwrap();
    assert_eq!(digest.add(&block(image, 0, bytes())), Err(DigestFault::Order { due: 1, got: 0 }));
    assert_eq!((digest.next(), digest.bytes(), digest.written()), (1, BLOCK, 1), "what is refused leaves no trace");
    let told = digest.clone().finish().unwrap_err();
    assert_eq!(told, DigestFault::Unfinished { done: 1, all: 3 });
}

#[test]
fn zeros_are_taken_in_pieces() {
    let mut digest = ImageDigest::new(10 * BLOCK + 1);
    assert!(!digest.zeros(9, 4));
    assert_eq!((digest.next(), digest.bytes()), (4, 4 * BLOCK));
    assert!(!digest.zeros(9, 4));
    assert!(digest.zeros(9, 4));
    assert!(digest.zeros(5, 4), "what is behind stays");
    assert_eq!(digest.next(), 9);
    assert!(digest.zeros(u64::MAX, 4));
    assert_eq!((digest.next(), digest.bytes()), (11, 10 * BLOCK + 1));
}
