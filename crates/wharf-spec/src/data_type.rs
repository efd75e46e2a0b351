//! What goes into a method of a model and what comes out: MLEM's data types (kind `data_type`), as they stand
//! in `.mlem` files and in `/interface.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tagged;

/// Dimensions of an array; `None` is free.
pub type Shape = Vec<Option<u64>>;

/// One value: `int`, `str`, `bool`, `float`, `complex` or `NoneType`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Primitive {
    pub ptype: String,
}

/// A list of one type; `size` is what the sample had, a hint only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Array {
    pub dtype: Box<DataType>,
    #[serde(default)]
    pub size: Option<u64>,
}

/// A list or tuple with a type for each item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Items {
    pub items: Vec<DataType>,
}

/// A mapping with exactly these keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dict {
    /// Key → data type; integer keys are written as text. In the order of the file.
    #[schemars(with = "std::collections::BTreeMap<String, DataType>")]
    pub item_types: ItemTypes,
}

/// A mapping with any keys of one type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DynamicDict {
    pub key_type: Box<DataType>,
    pub value_type: Box<DataType>,
}

/// An array of numbers or strings, or a tensor of a framework. Without a shape anything fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    #[serde(default)]
    pub shape: Option<Shape>,
    /// NumPy's name: `float64`, `int64`, `str320` (bits) and so on.
    pub dtype: String,
}

/// One number of NumPy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Number {
    pub dtype: String,
}

/// A table or a column of pandas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    pub columns: Vec<String>,
    /// pandas' name of each column's type: `int64`, `object`, `category`, `datetime64[ns]` and so on.
    pub dtypes: Vec<String>,
    #[serde(default)]
    pub index_cols: Vec<String>,
}

/// A type without fields.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plain {}

/// LightGBM's dataset: data, and maybe labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LightgbmData {
    pub inner: Box<DataType>,
    #[serde(default)]
    pub labels: Option<Box<DataType>>,
}

/// XGBoost's matrix.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DMatrix {
    #[serde(default)]
    pub is_from_list: Option<bool>,
    #[serde(default)]
    pub feature_type_names: Option<Vec<String>>,
    #[serde(default)]
    pub feature_names: Option<Vec<String>>,
}

tagged! {
    /// The type of an argument or answer.
    pub enum DataType, "a data type", tag "type" {
        "primitive" => Primitive(Primitive),
        "array" => Array(Array),
        "list" => List(Items),
        "tuple" => Tuple(Items),
        "dict" => Dict(Dict),
        "d_dict" => DynamicDict(DynamicDict),
        "ndarray" => Ndarray(Tensor),
        "number" => Number(Number),
        "dataframe" => DataFrame(Frame),
        "series" => Series(Frame),
        "torch" => Torch(Tensor),
        "tf_tensor" => TfTensor(Tensor),
        "csr_matrix" => CsrMatrix(Tensor),
        "binary" => Binary(Plain),
        "lightgbm" => Lightgbm(LightgbmData),
        "xgboost_dmatrix" => DMatrix(DMatrix),
        "unspecified" => Unspecified(Plain),
    }
}

impl DataType {
    /// Returns the type of an array.
    pub fn ndarray(shape: Shape, dtype: &str) -> Self {
        Self::Ndarray(Tensor { shape: Some(shape), dtype: dtype.to_owned() })
    }

    /// Returns the type that takes and gives any JSON.
    pub fn unspecified() -> Self {
        Self::Unspecified(Plain {})
    }
}

/// Key → data type, in the order of the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ItemTypes(pub Vec<(String, DataType)>);

impl Serialize for ItemTypes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for ItemTypes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Integer keys stand unquoted in YAML; text takes them as they are written.
        let map = Map::<String, Value>::deserialize(deserializer)?;
        map.into_iter()
            .map(|(key, value)| {
                serde_json::from_value(value)
                    .map(|value| (key, value))
                    .map_err(serde::de::Error::custom)
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_types_read_what_they_write() {
        let text = r#"{"type":"dict","item_types":{"b":{"type":"primitive","ptype":"int"},"a":{"type":"array","dtype":{"type":"ndarray","shape":[null,4],"dtype":"float64"},"size":2}}}"#;
        let read: DataType = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }

    #[test]
    fn an_unknown_type_names_the_nearest() {
        let error =
            serde_json::from_str::<DataType>(r#"{"type":"ndaray"}"#).unwrap_err().to_string();
        assert!(error.contains("did you mean `ndarray`?"), "{error}");
    }
}
