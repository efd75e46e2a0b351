//! What a model takes and gives, as its metadata of the Open Inference Protocol says.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wharf_net::client::Method;
use wharf_spec::codes;

use super::server::Server;
use crate::error::{Error, Result};

/// What a table is made into, and what comes back.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    /// Where requests go.
    pub(super) path: String,
    pub(super) inputs: Vec<Port>,
    /// Those of one method.
    pub(super) outputs: Vec<Port>,
    pub(super) rows: RowsOfCall,
}

/// How many rows of a table a call can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowsOfCall {
    /// One: the model takes single values.
    One,
    /// As many as there are.
    Many,
}

/// A tensor that goes in or comes out.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) datatype: Datatype,
    /// A free dimension is -1.
    pub(super) shape: Vec<i64>,
    #[serde(default)]
    pub(super) parameters: Parameters,
}

/// What our servers tell of a tensor besides; others say nothing of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    /// The names of the values in a row.
    pub(super) columns: Vec<String>,
    /// Whether NaN stands for a missing value.
    pub(super) missing: bool,
}

/// The protocol's names of element types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Metadata {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Signature {
    /// Asks a server for the signature of a method of its model.
    pub(super) async fn ask(server: &Server, method: &str) -> Result<Self> {
        let index = server.document(Method::Post, "v2/repository/index").await?;
        let models: Vec<Named> = read("v2/repository/index", &index)?;
        let Some(model) = models.first() else {
            return Err(Error::new(codes::PREDICT_REFUSED, "the server has no model"));
        };
        let path = format!("v2/models/{}", model.name);
        let metadata = server.document(Method::Get, &path).await?;
        Self::of(read(&path, &metadata)?, method, &path)
    }

    fn of(metadata: Metadata, method: &str, path: &str) -> Result<Self> {
        let Metadata { inputs, outputs } = metadata;
        let rows = rows_of_call(&inputs)?;
        let (own, others): (Vec<Port>, Vec<Port>) =
            outputs.into_iter().partition(|output| is_of(&output.name, method));
        if own.is_empty() {
            let names: Vec<_> = others.iter().map(|output| format!("`{}`", output.name)).collect();
            let action = format!("the model has no method `{method}` for tables");
            return Err(Error::new(codes::TABLE_MISFIT, action)
                .hint(format!("it gives {}", names.join(", "))));
        }
        Ok(Self { path: format!("{path}/infer"), inputs, outputs: own, rows })
    }
}

fn read<T: DeserializeOwned>(path: &str, document: &[u8]) -> Result<T> {
    serde_json::from_slice(document).map_err(|error| {
        let action = format!("the server does not speak the Open Inference Protocol at `/{path}`");
        Error::new(codes::PREDICT_REFUSED, action).because(error)
    })
}

fn rows_of_call(inputs: &[Port]) -> Result<RowsOfCall> {
    let all =
        |size| !inputs.is_empty() && inputs.iter().all(|port| port.shape.first() == Some(&size));
    if all(-1) {
        return Ok(RowsOfCall::Many);
    }
    if all(1) {
        return Ok(RowsOfCall::One);
    }
    let shapes: Vec<_> =
        inputs.iter().map(|port| format!("`{}` {:?}", port.name, port.shape)).collect();
    let action = format!("a table has no form that the model takes: {}", shapes.join(", "));
    Err(Error::new(codes::TABLE_MISFIT, action)
        .hint("call it with a JSON body: `wharf predict TARGET body.json`"))
}

/// Says whether an output is of a method: its answer, a column of it, or one of several.
fn is_of(output: &str, method: &str) -> bool {
    let Some(rest) = output.strip_prefix(method) else { return false };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_empty() || rest.starts_with('.') || rest.strip_prefix('_').is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wharf_spec::error::Explain as _;

    use super::*;

    fn check(shape: &[i64], method: &str) -> Result<(RowsOfCall, Vec<String>)> {
        let output = |name| json!({ "name": name, "datatype": "FP32", "shape": [-1] });
        let metadata = json!({
            "inputs": [{ "name": "data", "datatype": "FP64", "shape": shape }],
            "outputs": [output("predict"), output("predict_proba"), output("split_0"), output("split_1"), output("table.a")],
        });
        let signature =
            Signature::of(serde_json::from_value(metadata).unwrap(), method, "v2/models/m")?;
        let outputs = signature.outputs.into_iter().map(|output| output.name).collect();
        Ok((signature.rows, outputs))
    }

    #[test]
    fn a_method_has_its_own_outputs() {
        let outputs = |method| check(&[-1, 4], method).unwrap().1;
        assert_eq!(outputs("predict"), ["predict"]);
        assert_eq!(outputs("split"), ["split_0", "split_1"]);
        assert_eq!(outputs("table"), ["table.a"]);
        let error = check(&[-1, 4], "transform").unwrap_err();
        assert!(error.hints()[0].contains("`predict_proba`"), "{error:?}");
    }

    #[test]
    fn shapes_say_how_many_rows_a_call_takes() {
        let rows = |shape: &[i64]| check(shape, "predict").map(|(rows, _)| rows);
        assert_eq!(rows(&[-1, 4]).unwrap(), RowsOfCall::Many);
        assert_eq!(rows(&[1]).unwrap(), RowsOfCall::One);
        let error = rows(&[7, 4]).unwrap_err();
        assert!(error.to_string().contains("`data` [7, 4]"), "{error}");
        assert!(rows(&[]).is_err());
    }
}
