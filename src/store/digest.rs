//! Digests: plain ones for names of plans, keyed ones in the place of secrets.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::json;

const SECRET: &str = "$secret";
/// How a fingerprint begins that was sealed.
pub(super) const SEALED: &str = "hmac:";
const KEY_BYTES: usize = 32;

/// The key of one user's digests, kept in the state directory: without it a digest cannot be tried against guesses.
pub struct DigestKey(SecretBox<[u8; KEY_BYTES]>);

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(***)")
    }
}

impl DigestKey {
    /// What stands in a file in the place of `value`: `{"$secret": "<HMAC-SHA-256, hex>"}`.
    ///
    /// The field's name goes in as well, so that equal values of two fields do not show that they are equal.
    pub fn digest(&self, field: &str, value: &Value) -> Value {
        // HMAC fills a key with zeros up to its block of 64 bytes (RFC 2104 §2).
        let mut block = [0; 64];
        block[..KEY_BYTES].copy_from_slice(self.0.expose_secret());
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(field.as_bytes());
        mac.update(&[0]);
        mac.update(json::to_text(value).unwrap_or_default().as_bytes());
        Value::Object(Map::from_iter([(SECRET.to_owned(), Value::String(hex(&mac.finalize().into_bytes())))]))
    }

    /// What stands in a file in the place of a credential's fingerprint, which could be tried against guesses.
    pub(super) fn seal(&self, fingerprint: &str) -> String {
        let digest = self.digest("credential fingerprint", &Value::from(fingerprint));
        format!("{SEALED}{}", digest[SECRET].as_str().unwrap_or_default())
    }

    /// A new key from the operating system's randomness.
    pub(super) fn generate() -> Self {
        let mut hash = Sha256::new();
        let mut from_device = [0; KEY_BYTES];
        let device = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut from_device));
        if device.is_ok() {
            hash.update(from_device);
        }
        // Where there is no such device (Windows): std keys each thread's hash maps with 128 bits from the system.
        for _ in 0..4 {
            let words = std::thread::spawn(|| {
                let state = RandomState::new();
                (0u64..8).map(|index| state.hash_one(index)).collect::<Vec<u64>>()
            });
            for word in words.join().unwrap_or_default() {
                hash.update(word.to_le_bytes());
            }
        }
        hash.update(RandomState::new().build_hasher().finish().to_le_bytes());
        Self(SecretBox::new(Box::new(hash.finalize().into())))
    }

    /// The key as its file holds it.
    pub(super) fn to_hex(&self) -> String {
        hex(self.0.expose_secret())
    }

    /// The key of a file.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let text = text.trim_end();
        if text.len() != 2 * KEY_BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut key = [0; KEY_BYTES];
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(SecretBox::new(Box::new(key))))
    }
}

/// Whether a value is a digest in the place of a secret.
pub(super) fn is_digest(value: &Value) -> bool {
    let text = value.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.get(SECRET)?.as_str());
    text.is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// SHA-256 in hex.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_are_hmac_sha256() {
        // Python: hmac.new(bytes(range(32)), b'pass\0"hunter2"', 'sha256').hexdigest()
        let key: String = (0..32).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let key = DigestKey::from_hex(&key).unwrap();
        let digest = key.digest("pass", &json!("hunter2"));
        assert_eq!(digest["$secret"], "14004074f0ea2d38db91fcee2a795567f5d31e4320ad6ec6c45d7fb0951b7545");
        assert!(is_digest(&digest));
    }

    #[test]
    fn sha256_of_abc() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), expected);
    }

    #[test]
    fn a_digest_depends_on_key_field_and_value() {
        let (key, other) = (DigestKey::generate(), DigestKey::generate());
        let digest = key.digest("a", &json!("x"));
        assert_eq!(digest, key.digest("a", &json!("x")));
        assert_ne!(digest, other.digest("a", &json!("x")));
        assert_ne!(digest, key.digest("b", &json!("x")));
        assert_ne!(digest, key.digest("a", &json!("y")));
    }

    #[test]
    fn keys_come_back_from_their_file_and_are_not_shown() {
        let key = DigestKey::generate();
        let again = DigestKey::from_hex(&format!("{}\n", key.to_hex())).unwrap();
        assert_eq!(key.digest("a", &json!(1)), again.digest("a", &json!(1)));
        assert_eq!(format!("{key:?}"), "DigestKey(***)");
        for wrong in ["", "00", &"g".repeat(64), &"é".repeat(32), &"0".repeat(63)] {
            assert!(DigestKey::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
