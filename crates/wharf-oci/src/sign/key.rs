//! Keys: ECDSA on P-256, private ones as PKCS#8 (openssl) or sealed with a password (cosign), public ones as SPKI.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use sha2::{Digest as _, Sha256};
use wharf_spec::secret::Secret;

use super::sealed;

/// What comes before the point in a public key on P-256 (RFC 5480: `id-ecPublicKey`, `prime256v1`).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The length of an uncompressed point.
const POINT: usize = 65;

/// The largest file of a key that is read, in bytes.
pub const MAX_KEY: usize = 64 << 10;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is no key: a line `-----BEGIN …-----` is missing, or what follows is damaged")]
    NoKey,
    #[error("it holds `{0}`, which is not taken")]
    Kind(String),
    #[error("it is no key for ECDSA on the curve P-256")]
    Curve,
    #[error("it is locked, and there is no password")]
    NoPassword,
    #[error("its password is wrong, or it is damaged")]
    Password,
    #[error("it asks for more work than wharf does to open a key")]
    TooMuchWork,
}

/// A private key as a file holds it.
#[derive(Debug)]
pub enum KeyFile {
    Plain(Box<SigningKey>),
    Sealed(sealed::Sealed),
}

impl KeyFile {
    /// Reads a file in PEM.
    ///
    /// # Errors
    /// When it is no private key, or of another kind.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (label, bytes) = pem(text)?;
        match label {
            "PRIVATE KEY" => SigningKey::from_pkcs8(&bytes).map(|key| Self::Plain(Box::new(key))),
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                sealed::Sealed::parse(&bytes).map(Self::Sealed)
            }
            other => Err(KeyError::Kind(other.to_owned())),
        }
    }

    /// Returns the key, with the password that it may need. Blocks while the password is worked on.
    ///
    /// # Errors
    /// When the password is missing or wrong.
    pub fn open(self, password: Option<&Secret<String>>) -> Result<SigningKey, KeyError> {
        match self {
            Self::Plain(key) => Ok(*key),
            Self::Sealed(sealed) => {
                let password = password.ok_or(KeyError::NoPassword)?;
                SigningKey::from_pkcs8(&sealed.open(password)?)
            }
        }
    }
}

/// A key that signs.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl SigningKey {
    fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, bytes, &random);
        let pair = pair.map_err(|_| KeyError::Curve)?;
        let point = pair.public_key().as_ref().try_into().map_err(|_| KeyError::Curve)?;
        Ok(Self { pair, public: PublicKey { point } })
    }

    /// Returns its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Returns a signature in DER; another one each time.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.expect("the system has randomness").as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint())
    }
}

/// A key that signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; POINT],
}

impl PublicKey {
    /// Reads a file in PEM.
    ///
    /// # Errors
    /// When it is no public key, or of another kind.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (label, bytes) = pem(text)?;
        if label != "PUBLIC KEY" {
            return Err(KeyError::Kind(label.to_owned()));
        }
        let point = bytes.strip_prefix(&SPKI).ok_or(KeyError::Curve)?;
        let point: [u8; POINT] = point.try_into().map_err(|_| KeyError::Curve)?;
        if point[0] == 4 { Ok(Self { point }) } else { Err(KeyError::Curve) }
    }

    /// Says whether a signature in DER is this key's, of these bytes.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.point);
        key.verify(message, signature).is_ok()
    }

    /// Returns what names the key, as cosign has it: the hash of its SPKI, in base64.
    pub fn fingerprint(&self) -> String {
        STANDARD.encode(Sha256::new().chain_update(SPKI).chain_update(self.point).finalize())
    }
}

/// Returns label and bytes of the only block of a PEM file.
fn pem(text: &str) -> Result<(&str, Vec<u8>), KeyError> {
    if text.len() > MAX_KEY {
        return Err(KeyError::NoKey);
    }
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(KeyError::NoKey)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyError::NoKey)?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or(KeyError::NoKey)?;
    if label.contains("PARAMETERS") {
        // `openssl ecparam -genkey` writes the curve before an older form of the key.
        return Err(KeyError::Kind(label.to_owned()));
    }
    let body: String = body.split_whitespace().collect();
    let bytes = STANDARD.decode(body).map_err(|_| KeyError::NoKey)?;
    Ok((label, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = include_str!("../../tests/data/keys/ec.pem");
    const PUBLIC: &str = include_str!("../../tests/data/keys/ec.pub");
    const SEALED: &str = include_str!("../../tests/data/keys/sealed.key");

    fn public() -> PublicKey {
        PublicKey::parse(PUBLIC).unwrap()
    }

    fn open(text: &str, password: Option<&str>) -> Result<SigningKey, KeyError> {
        let password = password.map(|text| Secret::new(text.to_owned()));
        KeyFile::parse(text)?.open(password.as_ref())
    }

    #[test]
    fn openssl_and_wharf_agree_on_a_key_and_its_signature() {
        let key = open(PLAIN, None).unwrap();
        assert_eq!(*key.public(), public());
        let by_openssl = include_bytes!("../../tests/data/keys/an-image.sig");
        assert!(public().has_signed(b"an image", by_openssl));
        assert!(public().has_signed(b"an image", &key.sign(b"an image")));
        assert!(!public().has_signed(b"another", by_openssl));
        let other = PublicKey::parse(include_str!("../../tests/data/keys/other.pub")).unwrap();
        assert!(!other.has_signed(b"an image", by_openssl));
    }

    #[test]
    fn a_sealed_key_opens_with_its_password_only() {
        assert_eq!(*open(SEALED, Some("hunter2")).unwrap().public(), public());
        assert_eq!(open(SEALED, Some("hunter3")).unwrap_err(), KeyError::Password);
        assert_eq!(open(SEALED, None).unwrap_err(), KeyError::NoPassword);
    }

    #[test]
    fn what_is_no_key_of_ours_is_refused() {
        let p384 = include_str!("../../tests/data/keys/p384.pem");
        assert_eq!(open(p384, None).unwrap_err(), KeyError::Curve);
        let sec1 = include_str!("../../tests/data/keys/sec1.pem");
        let kind = KeyError::Kind("EC PARAMETERS".to_owned());
        assert_eq!(open(sec1, None).unwrap_err(), kind);
        assert_eq!(open(PUBLIC, None).unwrap_err(), KeyError::Kind("PUBLIC KEY".to_owned()));
        for text in ["", "key", "-----BEGIN PRIVATE KEY-----\n%\n-----END PRIVATE KEY-----"] {
            assert_eq!(open(text, None).unwrap_err(), KeyError::NoKey, "{text}");
        }
        let p384 = include_str!("../../tests/data/keys/p384.pub");
        assert_eq!(PublicKey::parse(p384), Err(KeyError::Curve));
        assert_eq!(PublicKey::parse(PLAIN), Err(KeyError::Kind("PRIVATE KEY".to_owned())));
    }

    #[test]
    fn a_key_that_would_take_all_memory_is_refused() {
        let bomb = r#"{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1},"salt":""},
            "cipher":{"name":"nacl/secretbox","nonce":""},"ciphertext":""}"#;
        let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
        let text =
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", STANDARD.encode(bomb));
        assert_eq!(open(&text, Some("x")).unwrap_err(), KeyError::TooMuchWork);
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let shown = format!("{:?}", open(PLAIN, None).unwrap());
        assert_eq!(shown, format!("SigningKey({})", public().fingerprint()));
    }
}
