//! `/interface.json`: the methods as MLEM's client wants to know them.
//!
//! `data_type` must not hold a key that MLEM does not know; whatever else there is to say is in `/openapi.json`.

use serde_json::{Map, Value, json};
use wharf_spec::{
    data_type::DataType,
    model::{Argument, Method, ModelCard},
};

/// Returns the document.
pub(crate) fn document(card: &ModelCard) -> Value {
    let methods: Map<String, Value> =
        card.methods.iter().map(|method| (method.name.clone(), describe(method))).collect();
    json!({ "methods": methods, "version": env!("CARGO_PKG_VERSION"), "meta": card.meta })
}

fn describe(method: &Method) -> Value {
    // MLEM's client demands every argument that it is shown, so it is not shown what may be left out.
    let shown = method.args.iter().filter(|argument| argument.required);
    let args: Vec<Value> = shown.map(argument).collect();
    json!({ "name": method.name, "args": args, "returns": typed(&method.returns) })
}

fn argument(argument: &Argument) -> Value {
    let mut described = typed(&argument.data_type);
    described["name"] = json!(argument.name);
    described["required"] = json!(argument.required);
    described["default"] = argument.default.clone().unwrap_or_default();
    described
}

fn typed(data_type: &DataType) -> Value {
    json!({ "data_type": data_type, "serializer": { "type": serializer(data_type) } })
}

/// Returns MLEM's default serializer of a type: named as the type, but for two.
fn serializer(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Primitive(_) => "primitive",
        DataType::Array(_) => "array",
        DataType::List(_) | DataType::Tuple(_) => "_tuple_like",
        DataType::Dict(_) => "dict",
        DataType::DynamicDict(_) => "d_dict",
        DataType::Ndarray(_) => "ndarray",
        DataType::Number(_) => "number",
        DataType::DataFrame(_) => "dataframe",
        DataType::Series(_) => "series",
        DataType::Torch(_) => "torch",
        DataType::TfTensor(_) => "tf_tensor",
        DataType::CsrMatrix(_) => "csr_matrix",
        DataType::Binary(_) => "binary",
        DataType::Lightgbm(_) => "lightgbm",
        DataType::DMatrix(_) => "xgboost_dmatrix",
        DataType::Unspecified(_) => "unspecified",
    }
}
