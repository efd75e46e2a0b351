//! `wharf.seal`: a keyed hash over wharf's labels, so that labels are believed only where this store made them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{
    digest::{hex, unhex},
    label,
    secret::Secret,
};

/// The key of a state store: 32 random bytes.
pub type SealKey = Secret<[u8; 32]>;

/// A keyed BLAKE3 hash: over every other `wharf.*` label in order of name, and the engine's id, each with its
/// length before it. Project, name, generation and image digest are labels, so they are covered.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal([u8; 32]);

impl Seal {
    /// Returns the seal of labels on an engine; a seal among them does not count.
    pub fn over(key: &SealKey, engine_id: &str, labels: &BTreeMap<String, String>) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(key.expose());
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        add(engine_id);
        let ours = labels
            .iter()
            .filter(|(name, _)| name.starts_with(label::PREFIX) && *name != label::SEAL);
        for (name, value) in ours {
            add(name);
            add(value);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Says whether labels carry the seal that this key gives them, in constant time.
    pub fn holds(key: &SealKey, engine_id: &str, labels: &BTreeMap<String, String>) -> bool {
        let Some(Ok(found)) = labels.get(label::SEAL).map(|text| text.parse::<Self>()) else {
            return false;
        };
        blake3::Hash::from_bytes(Self::over(key, engine_id, labels).0)
            == blake3::Hash::from_bytes(found.0)
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({self})")
    }
}

/// A text is no seal: 64 hex digits are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a seal is 64 hex digits")]
pub struct ParseSealError;

impl FromStr for Seal {
    type Err = ParseSealError;

    fn from_str(text: &str) -> Result<Self, ParseSealError> {
        let bytes = unhex(text).ok_or(ParseSealError)?;
        bytes.try_into().map(Self).map_err(|_| ParseSealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &SealKey) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            (label::PROJECT.to_owned(), "default".to_owned()),
            (label::NAME.to_owned(), "iris".to_owned()),
            ("com.example".to_owned(), "theirs".to_owned()),
        ]);
        let seal = Seal::over(key, "engine", &labels);
        labels.insert(label::SEAL.to_owned(), seal.to_string());
        labels
    }

    fn key(byte: u8) -> SealKey {
        Secret::new([byte; 32])
    }

    #[test]
    fn a_seal_holds_on_its_own_labels_only() {
        let labels = sealed(&key(1));
        assert!(Seal::holds(&key(1), "engine", &labels));
        assert!(!Seal::holds(&key(2), "engine", &labels), "another key");
        assert!(!Seal::holds(&key(1), "other", &labels), "another engine");
        for (name, value) in [(label::NAME, "other"), ("wharf.extra", "x"), (label::SEAL, "00")] {
            let mut forged = labels.clone();
            forged.insert(name.to_owned(), value.to_owned());
            assert!(!Seal::holds(&key(1), "engine", &forged), "{name} was changed");
        }
        let mut cut = labels.clone();
        cut.remove(label::PROJECT);
        assert!(!Seal::holds(&key(1), "engine", &cut), "a label is missing");
    }

    #[test]
    fn labels_of_others_do_not_count() {
        let mut labels = sealed(&key(1));
        labels.insert("com.example".to_owned(), "changed".to_owned());
        assert!(Seal::holds(&key(1), "engine", &labels));
    }

    #[test]
    fn two_labels_cannot_be_shifted_into_one_another() {
        let one = BTreeMap::from([("wharf.a".to_owned(), "bc".to_owned())]);
        let other = BTreeMap::from([("wharf.ab".to_owned(), "c".to_owned())]);
        assert_ne!(Seal::over(&key(1), "e", &one), Seal::over(&key(1), "e", &other));
    }
}
