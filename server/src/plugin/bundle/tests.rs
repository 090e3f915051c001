use super::*;
use crate::entropy::SystemEntropy;
use sha2::{Digest as _, Sha256};

const TOML: &str = "name = \"erp\"\nversion = \"1.2.0\"\nkinds = [\"user-verifier\"]\nwants = [\"http\"]\n";

fn contents() -> BTreeMap<Part, Vec<u8>> {
    BTreeMap::from([
        (Part::PLUGIN_TOML, TOML.as_bytes().to_vec()),
        (Part::CONFIG_SCHEMA, br#"{"type":"object"}"#.to_vec()),
        (Part::COMPONENT, b"\0asm component".to_vec()),
    ])
}

fn bundle() -> Bundle {
    Bundle::new(contents()).unwrap()
}

fn key() -> VendorKey {
    VendorKey::generate(&SystemEntropy)
}

fn signed(keys: &[&VendorKey]) -> Bundle {
    let mut bundle = bundle();
    keys.iter().for_each(|key| bundle.sign(key).unwrap());
    bundle
}

#[test]
fn a_bundle_comes_back_as_it_was_made() {
    let (one, other, foreign) = (key(), key(), key());
    let bytes = signed(&[&one, &other, &one]).to_bytes();
    let read = Bundle::parse(&bytes).unwrap();
    assert_eq!(read.to_bytes(), bytes);
    assert_eq!((read.file_name().as_str(), read.about().kinds.len()), ("erp-1.2.0.pintle", 1));
    assert_eq!(read.code(), Code::Component(b"\0asm component"));
    assert!(read.schema().is_some());
    assert_eq!(read.signatures().len(), 2, "signing again replaces");
    for key in [&one, &other] {
        assert_eq!(read.signed_by(&[foreign.public(), key.public()]), Some(key.public()));
    }
    assert_eq!(read.signed_by(&[foreign.public()]), None);
    let names: Vec<&str> = read.parts().map(|(part, ..)| part.name()).collect();
    assert_eq!(names, ["component.wasm", "config.schema.json", "plugin.toml"]);
    let component: Option<[u8; 32]> = Some(Sha256::digest(b"\0asm component").into());
    assert_eq!((read.sha256(Part::COMPONENT), read.sha256(Part::README)), (component, None));
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let bytes = signed(&[&key()]).to_bytes();
    for length in 0..bytes.len() {
        assert!(Bundle::parse(&bytes[..length]).is_err(), "{length}");
    }
    assert_eq!(
        Bundle::parse(&[bytes, vec![0]].concat()).unwrap_err(),
        BundleError::Damaged("something stands behind its end")
    );
}

#[test]
fn every_flipped_bit_is_refused_or_leaves_no_signature_that_counts() {
    let (key, other) = (key(), key());
    let bytes = signed(&[&key, &other]).to_bytes();
    let (mut refused, mut unsigned) = (0, 0);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            match Bundle::parse(&changed) {
                Err(_) => refused += 1,
                Ok(read) => {
                    let both = [key.public(), other.public()];
                    let counting = both.iter().filter(|key| read.signed_by(&[**key]).is_some()).count();
                    assert!(counting < 2, "bit {bit} of byte {at} went unnoticed");
                    // Only the signatures may differ: what is run is what was signed.
                    assert_eq!(read.contents, contents());
                    unsigned += 1;
                }
            }
        }
    }
    // 96 bytes a signature; a key whose flipped bit breaks the order is refused.
    assert!(refused > 1000 && unsigned > 1000, "{refused} {unsigned}");
}

#[test]
fn a_signature_over_other_contents_or_of_another_domain_does_not_count() {
    let key = key();
    let signatures = signed(&[&key]).signatures().to_vec();
    let mut contents = contents();
    contents.insert(Part::COMPONENT, b"\0asm swapped".to_vec());
    let mut swapped = Bundle::new(contents).unwrap();
    swapped.head.signatures = signatures;
    let read = Bundle::parse(&swapped.to_bytes()).unwrap();
    assert_eq!(read.signed_by(&[key.public()]), None);
    let bare = BundleSignature { key: key.public(), signature: key.sign(&bundle().manifest) };
    let mut other = bundle();
    other.head.signatures = vec![bare];
    assert_eq!(other.signed_by(&[key.public()]), None);
}

/// The bytes of a valid bundle with something changed.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> BundleError {
    let mut bytes = bundle().to_bytes();
    change(&mut bytes);
    Bundle::parse(&bytes).unwrap_err()
}

#[test]
fn a_forged_head_is_refused_by_its_reason() {
    assert_eq!(changed(|bytes| bytes[1] = b'Q'), BundleError::Magic);
    assert_eq!(changed(|bytes| bytes[8] = 2), BundleError::Major(2));
    assert_eq!(changed(|bytes| bytes[10] = 9), BundleError::Damaged("it lists more entries than there can be"));
    let escaping = |bytes: &mut Vec<u8>| bytes[12..32].copy_from_slice(b"../../etc/cron.d/now");
    assert_eq!(changed(escaping), BundleError::Damaged("it lists an unknown entry"));
    let hidden = |bytes: &mut Vec<u8>| bytes[12 + 47] = b'x';
    assert_eq!(changed(hidden), BundleError::Damaged("it lists an unknown entry"));
    let order = "its entries are not in order, or one is there twice";
    assert_eq!(changed(|bytes| bytes.copy_within(12..96, 96)), BundleError::Damaged(order));
    // 64 MiB and one byte, of which nothing is there.
    let huge = |bytes: &mut Vec<u8>| bytes[60..64].copy_from_slice(&0x0400_0001_u32.to_le_bytes());
    assert!(matches!(changed(huge), BundleError::Contents(why) if why.starts_with("component.wasm: it has 67108865")));
    let longer = |bytes: &mut Vec<u8>| bytes[60..64].copy_from_slice(&0x0400_0000_u32.to_le_bytes());
    assert_eq!(changed(longer), BundleError::Damaged("it ends too early"));
    let signatures = |bytes: &mut Vec<u8>| bytes[12 + 3 * 84] = 9;
    assert_eq!(changed(signatures), BundleError::Damaged("it has more signatures than there can be"));
}

#[test]
fn what_makes_no_plugin_is_refused() {
    let library = Part::library("x86_64-unknown-linux-gnu").unwrap();
    let toml = |from: &str, to: &str| Some(TOML.replace(from, to).into_bytes());
    for (part, content, why) in [
        (Part::PLUGIN_TOML, None, "it has no plugin.toml"),
        (Part::PLUGIN_TOML, toml("1.2.0", "1.2"), "plugin.toml: version: \"1.2\" is no semantic version"),
        (Part::PLUGIN_TOML, toml("user-verifier", "user-verifyer"), "plugin.toml: kinds: there is no kind"),
        (Part::PLUGIN_TOML, toml("http", "htpp"), "plugin.toml: wants: there is no host interface"),
        (Part::PLUGIN_TOML, toml("erp", "../erp"), "plugin.toml: name: only"),
        (Part::PLUGIN_TOML, Some(vec![0xFF]), "plugin.toml: invalid utf-8"),
        (Part::CONFIG_SCHEMA, Some(b"{".to_vec()), "config.schema.json: it is no JSON"),
        (Part::COMPONENT, None, "it must have either"),
        (Part::COMPONENT, Some(Vec::new()), "component.wasm: it has 0 bytes"),
        (library, Some(b"\x7fELF".to_vec()), "it must have either"),
    ] {
        let mut contents = contents();
        match content {
            Some(content) => contents.insert(part, content),
            None => contents.remove(&part),
        };
        let error = Bundle::new(contents).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
}
