//! Private keys as cosign keeps them: JSON in PEM, scrypt makes a key of the password, NaCl's secretbox is the lock.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305, aead::Aead as _};
use serde::Deserialize;
use wharf_spec::secret::Secret;

use super::key::KeyError;

/// The most memory that opening a key may take, in bytes: eight times what cosign uses.
const MAX_MEMORY: u64 = 512 << 20;

/// The most rounds over it.
const MAX_ROUNDS: u32 = 4;

/// A key that wants a password.
#[derive(Debug)]
pub struct Sealed {
    log_n: u8,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

#[derive(Deserialize)]
struct File {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl Sealed {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let file: File = serde_json::from_slice(bytes).map_err(|_| KeyError::NoKey)?;
        if file.kdf.name != "scrypt" || file.cipher.name != "nacl/secretbox" {
            return Err(KeyError::Kind(format!("{} with {}", file.cipher.name, file.kdf.name)));
        }
        let Params { n, r, p } = file.kdf.params;
        if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
            return Err(KeyError::NoKey);
        }
        let memory = n.checked_mul(128).and_then(|memory| memory.checked_mul(u64::from(r)));
        if memory.is_none_or(|memory| memory > MAX_MEMORY) || p > MAX_ROUNDS {
            return Err(KeyError::TooMuchWork);
        }
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| KeyError::NoKey);
        Ok(Self {
            log_n: u8::try_from(n.ilog2()).expect("below 64"),
            r,
            p,
            salt: decode(&file.kdf.salt)?,
            nonce: decode(&file.cipher.nonce)?.try_into().map_err(|_| KeyError::NoKey)?,
            ciphertext: decode(&file.ciphertext)?,
        })
    }

    /// Returns the key that is in it, as PKCS#8.
    pub(super) fn open(&self, password: &Secret<String>) -> Result<Vec<u8>, KeyError> {
        let params = scrypt::Params::new(self.log_n, self.r, self.p);
        let params = params.map_err(|_| KeyError::TooMuchWork)?;
        let mut key = [0; 32];
        scrypt::scrypt(password.expose().as_bytes(), &self.salt, &params, &mut key)
            .expect("32 bytes are a length that scrypt makes");
        XSalsa20Poly1305::new(&key.into())
            .decrypt(&self.nonce.into(), self.ciphertext.as_slice())
            .map_err(|_| KeyError::Password)
    }
}
