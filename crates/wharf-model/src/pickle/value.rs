//! What the listing remembers of the values that a pickle builds: just enough to follow names, and the raw arrays
//! of joblib.

use std::rc::Rc;

/// The longest text that is kept; names of modules and of what is in them are shorter.
pub(super) const MAX_TEXT: u64 = 512;

/// The longest tuple that is kept; shapes and the arguments of a dtype are shorter.
const MAX_TUPLE: usize = 64;

/// A value on the stack or in the memo.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Anything whose content does not matter.
    Other,
    Int(i64),
    Text(Rc<str>),
    Global(Rc<(String, String)>),
    /// Never holds another tuple, so that no value is deep.
    Tuple(Rc<[Self]>),
    Elements(Elements),
    /// joblib's stand-in for an array that follows as raw bytes: a new one has no state yet.
    Array,
    /// The state of such a stand-in, while it is filled.
    State(Box<ArrayState>),
}

impl Value {
    /// Returns a tuple of these values.
    pub(super) fn tuple(items: &[Self]) -> Self {
        if items.len() > MAX_TUPLE {
            return Self::Other;
        }
        let flat = |item: &Self| match item {
            Self::Int(_) | Self::Text(_) => item.clone(),
            _ => Self::Other,
        };
        Self::Tuple(items.iter().map(flat).collect())
    }

    /// Returns what a call gives, where that is of interest: a dtype, or joblib's stand-in for an array.
    pub(super) fn called(function: &Self, args: &Self) -> Self {
        let Self::Global(global) = function else { return Self::Other };
        match (global.0.as_str(), global.1.as_str(), args) {
            ("numpy", "dtype", Self::Tuple(args)) => match args.first() {
                Some(Self::Text(code)) => Elements::of(code).map_or(Self::Other, Self::Elements),
                _ => Self::Other,
            },
            ("joblib.numpy_pickle", "NumpyArrayWrapper", _) => Self::Array,
            _ => Self::Other,
        }
    }

    /// Returns an item of a tuple.
    pub(super) fn item(&self, index: usize) -> Option<&Self> {
        match self {
            Self::Tuple(items) => items.get(index),
            _ => None,
        }
    }

    /// Says whether the listing gains something from remembering it.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Other)
    }
}

/// What an array holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    /// Numbers of this many bytes each.
    Sized(u64),
    /// Python objects: a pickle of their own.
    Objects,
}

impl Elements {
    /// Reads NumPy's code of a type: `f8`, `U5`, `O8`.
    fn of(code: &str) -> Option<Self> {
        let (kind, digits) = code.split_at_checked(1)?;
        let size: u64 = digits.parse().ok()?;
        match kind {
            "O" => Some(Self::Objects),
            "U" => size.checked_mul(4).map(Self::Sized),
            "b" | "i" | "u" | "f" | "c" | "m" | "M" | "S" | "a" | "V" => Some(Self::Sized(size)),
            _ => None,
        }
    }
}

/// What joblib's stand-in says of the array that follows it.
#[derive(Debug, Clone, Default)]
pub(super) struct ArrayState {
    shape: Option<Rc<[Value]>>,
    elements: Option<Elements>,
    /// A byte with the length of the padding, and the padding, come before the array.
    pub(super) is_aligned: bool,
}

impl ArrayState {
    /// Takes one entry of the state.
    pub(super) fn set(&mut self, key: &Value, value: &Value) {
        let Value::Text(key) = key else { return };
        match (&**key, value) {
            ("shape", Value::Tuple(shape)) => self.shape = Some(Rc::clone(shape)),
            ("dtype", Value::Elements(elements)) => self.elements = Some(*elements),
            ("numpy_array_alignment_bytes", Value::Int(_)) => self.is_aligned = true,
            _ => {}
        }
    }

    /// Returns what follows; `None` when the state does not say it in a form that is known.
    pub(super) fn content(&self) -> Option<ArrayContent> {
        match self.elements? {
            Elements::Objects => Some(ArrayContent::Pickle),
            Elements::Sized(size) => {
                let product = self.shape.as_ref()?.iter().try_fold(size, |product, dimension| {
                    let Value::Int(dimension) = dimension else { return None };
                    product.checked_mul(u64::try_from(*dimension).ok()?)
                });
                product.map(ArrayContent::Bytes)
            }
        }
    }
}

/// What lies between two opcodes of a joblib file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrayContent {
    Bytes(u64),
    Pickle,
}
