//! Nested lists → an array of the declared type and shape.

use serde_json::Value;
use wharf_model::tensor::{Data, Tensor};
use wharf_spec::data_type::DataType;

use super::{
    scalar::{self, Element, Missing, Refusal},
    wrong::{WrongInput, repr},
};
use crate::runtime::Payload;

/// What an array must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArraySpec {
    pub(crate) element: Element,
    /// NumPy's name, for messages.
    dtype: String,
    /// Dimensions; `None` inside is free, `None` outside takes any shape.
    pub(crate) shape: Option<Vec<Option<usize>>>,
    /// `array` or `tensor`, for messages.
    noun: &'static str,
}

impl ArraySpec {
    /// Returns the spec of a data type that is an array.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        let (tensor, noun) = match data_type {
            DataType::Ndarray(tensor) => (tensor, "array"),
            DataType::Torch(tensor) | DataType::TfTensor(tensor) => (tensor, "tensor"),
            DataType::CsrMatrix(tensor) => return Some(Self::sparse(tensor)),
            DataType::DMatrix(matrix) => {
                let columns = matrix.feature_names.as_ref().map(Vec::len);
                let shape = Some(vec![None, columns]);
                let dtype = "float32".to_owned();
                return Some(Self { element: Element::F32, dtype, shape, noun: "array" });
            }
            _ => return None,
        };
        let shape =
            tensor.shape.as_ref().map(|sizes| sizes.iter().map(|size| fit(*size)).collect());
        let element = Element::named(&tensor.dtype);
        Some(Self { element, dtype: tensor.dtype.clone(), shape, noun })
    }

    /// A sparse matrix travels as rows; that the sample had three of them says nothing.
    fn sparse(tensor: &wharf_spec::data_type::Tensor) -> Self {
        let columns = tensor.shape.as_ref().and_then(|shape| shape.get(1).copied().flatten());
        Self {
            element: Element::named(&tensor.dtype),
            dtype: tensor.dtype.clone(),
            shape: Some(vec![None, fit(columns)]),
            noun: "array",
        }
    }

    /// Returns NumPy's name of the element type.
    pub(crate) fn dtype(&self) -> &str {
        &self.dtype
    }

    /// Returns the shape as Python shows it, free sizes as `None`.
    pub(crate) fn shown_shape(&self) -> String {
        self.shape.as_deref().map_or_else(|| "any".to_owned(), tuple)
    }

    /// Says whether an array of this shape fits.
    pub(crate) fn takes(&self, given: &[usize]) -> bool {
        self.shape.as_ref().is_none_or(|expected| {
            expected.len() == given.len()
                && expected.iter().zip(given).all(|(size, given)| size.is_none_or(|s| s == *given))
        })
    }

    /// Reads nested lists.
    pub(crate) fn read(&self, value: &Value, missing: Missing) -> Result<Payload, WrongInput> {
        if value.is_null() && self.shape.as_ref().is_some_and(|shape| !shape.is_empty()) {
            return Err(self.other_rank(0));
        }
        let shape = outline(value);
        if self.element == Element::Any {
            self.check_shape(&shape)?;
            return Ok(Payload::Json(value.clone()));
        }
        let mut elements = Elements::new(self, value, missing);
        elements.collect(value, &shape)?;
        self.check_shape(&shape)?;
        let data = elements.data;
        Ok(Payload::Tensor(Tensor::new(shape, data).expect("every list had the outline's length")))
    }

    fn check_shape(&self, given: &[usize]) -> Result<(), WrongInput> {
        let Some(expected) = &self.shape else { return Ok(()) };
        if expected.len() != given.len() {
            return Err(self.other_rank(given.len()));
        }
        if self.takes(given) {
            return Ok(());
        }
        // Shown as Python does, with the first axis as MLEM shows it: free.
        let mut shown: Vec<Option<usize>> = given.iter().copied().map(Some).collect();
        if expected[0].is_none() {
            shown[0] = None;
        }
        let wrong = WrongInput::form(format!(
            "given {} is of shape: {}, expected: {}",
            self.noun,
            tuple(&shown),
            tuple(expected)
        ));
        Err(match (expected.as_slice(), given) {
            ([None, Some(columns)], [_, given]) => {
                wrong.hint(format!("each row needs {columns} values; yours have {given}"))
            }
            _ => wrong,
        })
    }

    fn other_rank(&self, given: usize) -> WrongInput {
        let expected = self.shape.as_ref().map_or(0, Vec::len);
        let wrong = WrongInput::form(format!(
            "given {} is of rank: {given}, expected: {expected}",
            self.noun
        ));
        match (given, expected) {
            (1, 2) => wrong.hint("send a list of rows: [[…]]; a single row is [[1, 2, 3]]"),
            _ => wrong.hint(format!("send lists nested {expected} deep")),
        }
    }
}

/// A size beyond this machine's memory fits nothing.
fn fit(size: Option<u64>) -> Option<usize> {
    size.map(|size| usize::try_from(size).unwrap_or(usize::MAX))
}

/// Returns the shape that the first element of each level suggests.
fn outline(mut value: &Value) -> Vec<usize> {
    let mut shape = Vec::new();
    while let Value::Array(items) = value {
        shape.push(items.len());
        let Some(first) = items.first() else { break };
        value = first;
    }
    shape
}

fn tuple(sizes: &[Option<usize>]) -> String {
    let sizes: Vec<String> = sizes
        .iter()
        .map(|size| size.map_or_else(|| "None".to_owned(), |size| size.to_string()))
        .collect();
    if sizes.len() == 1 { format!("({},)", sizes[0]) } else { format!("({})", sizes.join(", ")) }
}

/// The elements read so far, and what is needed to say why the next is none.
struct Elements<'a> {
    spec: &'a ArraySpec,
    whole: &'a Value,
    missing: Missing,
    data: Data,
}

impl<'a> Elements<'a> {
    fn new(spec: &'a ArraySpec, whole: &'a Value, missing: Missing) -> Self {
        let data = match spec.element {
            Element::F64 => Data::F64(Vec::new()),
            Element::F32 => Data::F32(Vec::new()),
            Element::I32 { .. } => Data::I32(Vec::new()),
            Element::I64 { .. } => Data::I64(Vec::new()),
            Element::U64 => Data::U64(Vec::new()),
            Element::Bool => Data::Bool(Vec::new()),
            Element::Text | Element::Any => Data::Str(Vec::new()),
        };
        Self { spec, whole, missing, data }
    }

    fn collect(&mut self, value: &Value, shape: &[usize]) -> Result<(), WrongInput> {
        match (value, shape) {
            (Value::Array(items), [length, rest @ ..]) if items.len() == *length => {
                for (index, item) in items.iter().enumerate() {
                    self.collect(item, rest).map_err(|wrong| wrong.at(index))?;
                }
                Ok(())
            }
            (_, [length, ..]) => Err(self.ragged(value, *length)),
            (value, []) => self
                .push(value)
                .map_err(|refusal| refusal.explain(value, &self.spec.dtype, self.unreadable())),
        }
    }

    fn push(&mut self, value: &Value) -> Result<(), Refusal> {
        match (&mut self.data, self.spec.element) {
            (Data::F64(items), _) => items.push(scalar::float(value, self.missing)?),
            (Data::F32(items), _) => items.push(scalar::float32(value, self.missing)?),
            (Data::I32(items), Element::I32 { min, max }) => {
                let number = scalar::bounded(value, min, max)?;
                items.push(i32::try_from(number).map_err(|_| Refusal::Range)?);
            }
            (Data::I64(items), Element::I64 { min, max }) => {
                items.push(scalar::bounded(value, min, max)?);
            }
            (Data::I32(items), _) => {
                items.push(i32::try_from(scalar::integer(value)?).map_err(|_| Refusal::Range)?);
            }
            (Data::I64(items), _) => {
                items.push(i64::try_from(scalar::integer(value)?).map_err(|_| Refusal::Range)?);
            }
            (Data::U64(items), _) => {
                items.push(u64::try_from(scalar::integer(value)?).map_err(|_| Refusal::Range)?);
            }
            (Data::Bool(items), _) => items.push(scalar::truth(value)?),
            (Data::Str(items), _) => items.push(scalar::text(value)?),
        }
        Ok(())
    }

    fn unreadable(&self) -> String {
        format!(
            "given object: {} could not be converted to {} of type: {}",
            match self.whole {
                // MLEM shows a bare text as it is.
                Value::String(text) if text.len() < 100 => text.clone(),
                other => repr(other),
            },
            self.spec.noun,
            self.spec.dtype
        )
    }

    fn ragged(&self, value: &Value, length: usize) -> WrongInput {
        let wrong = WrongInput::form(self.unreadable());
        match value {
            Value::Array(items) => wrong.hint(format!(
                "all rows must have the same length; this one has {} values, the first one {length}",
                items.len()
            )),
            _ => wrong.hint(format!("here belongs a list of {length} values")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(shape: &[Option<u64>], dtype: &str) -> ArraySpec {
        ArraySpec::of(&DataType::ndarray(shape.to_vec(), dtype)).unwrap()
    }

    fn wrong(spec: &ArraySpec, value: &Value) -> (String, Option<String>) {
        let wrong = spec.read(value, Missing::Refused).unwrap_err();
        (wrong.error(), wrong.under("data").field())
    }

    #[test]
    fn wrong_arrays_are_told_in_mlems_words() {
        let iris = spec(&[None, Some(4)], "float64");
        for (value, expect) in [
            (json!([[5.1, 3.5, 1.4]]), "given array is of shape: (None, 3), expected: (None, 4)"),
            (json!([5.1, 3.5, 1.4, 0.2]), "given array is of rank: 1, expected: 2"),
            (json!([]), "given array is of rank: 1, expected: 2"),
            (json!(null), "given array is of rank: 0, expected: 2"),
            (json!("oops"), "given object: oops could not be converted to array of type: float64"),
            (
                json!([["a", 3.5, 1.4, 0.2]]),
                "given object: [['a', 3.5, 1.4, 0.2]] could not be converted to array of type: float64",
            ),
        ] {
            assert_eq!(
                wrong(&iris, &value).0,
                format!("DeserializationError: {expect}"),
                "{value}"
            );
        }
    }

    #[test]
    fn the_field_names_row_and_column() {
        let iris = spec(&[None, Some(2)], "float32");
        assert_eq!(wrong(&iris, &json!([[1, 2], [1, "x"]])).1.as_deref(), Some("data[1][1]"));
        assert_eq!(wrong(&iris, &json!([[1, 2], [1]])).1.as_deref(), Some("data[1]"));
        let (error, field) = wrong(&iris, &json!([[1, 2], [-4e38, 2]]));
        assert_eq!(error, "DeserializationError: -4e+38 does not fit into float32");
        assert_eq!(field.as_deref(), Some("data[1][0]"));
    }

    #[test]
    fn integers_keep_all_their_bits() {
        let longs = spec(&[None], "int64");
        let read = longs.read(&json!([9_007_199_254_740_993_i64]), Missing::Refused).unwrap();
        let data = Data::I64(vec![9_007_199_254_740_993]);
        assert_eq!(read, Payload::Tensor(Tensor::vector(data)));
        assert!(wrong(&longs, &json!([1.5])).0.contains("would be cut"));
    }

    #[test]
    fn null_is_a_number_only_where_values_may_be_missing() {
        let iris = spec(&[None, Some(1)], "float64");
        assert!(iris.read(&json!([[null]]), Missing::Allowed).is_ok());
        assert!(wrong(&iris, &json!([[null]])).0.contains("is missing"));
    }

    #[test]
    fn a_sparse_matrix_takes_any_number_of_rows() {
        let shape = Some(vec![Some(3), Some(5)]);
        let tensor = wharf_spec::data_type::Tensor { shape, dtype: "int64".to_owned() };
        let sparse = ArraySpec::of(&DataType::CsrMatrix(tensor)).unwrap();
        assert!(sparse.read(&json!([[1, 0, 0, 0, 0]]), Missing::Refused).is_ok());
    }
}
