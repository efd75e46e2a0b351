//! What a client is told of the server and its model.

use serde_json::{Value, json};
use wharf_spec::model::{Argument, ModelCard};

use super::{
    answer::VERSION,
    signature::{Form, Input, Port, Signature},
};
use crate::schema::body::MAX_ROWS;

/// Describes the server.
pub(crate) fn server() -> Value {
    json!({
        "name": "wharf",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data", "classification", "model_configuration"],
    })
}

/// Describes the model.
pub(crate) fn model(card: &ModelCard, signature: &Signature) -> Value {
    let arguments = card.methods.first().map_or(&[][..], |method| &method.args);
    let inputs = signature.inputs.iter().zip(arguments).filter(|(input, _)| input.required);
    let inputs = inputs.flat_map(|(input, argument)| {
        input.ports.iter().map(move |port| described(port, input, argument))
    });
    json!({
        "name": card.name,
        "versions": [VERSION],
        "platform": platform(card),
        "inputs": inputs.collect::<Vec<_>>(),
        "outputs": signature.outputs.iter().map(|output| tensor(&output.port)).collect::<Vec<_>>(),
    })
}

fn tensor(port: &Port) -> Value {
    json!({ "name": port.name, "datatype": port.datatype.word(), "shape": port.shape })
}

/// Tells of a tensor that goes in what the protocol has no words for, as parameters: the names of an array's columns,
/// and whether NaN stands for a missing value.
fn described(port: &Port, input: &Input, argument: &Argument) -> Value {
    let mut described = tensor(port);
    if matches!(input.form, Form::Array(_)) && !argument.fields.is_empty() {
        let columns: Vec<&str> = argument.fields.iter().map(|field| field.name.as_str()).collect();
        described["parameters"]["columns"] = json!(columns);
    }
    if input.missing {
        described["parameters"]["missing"] = json!(true);
    }
    described
}

/// Returns the model's configuration as Triton writes it: sizes without the first one where that is free everywhere.
pub(crate) fn config(card: &ModelCard, signature: &Signature) -> Value {
    let outputs = || signature.outputs.iter().map(|output| &output.port);
    let batched = signature.required().chain(outputs()).all(|port| port.shape.first() == Some(&-1));
    let tensor = |port: &Port| {
        let dims = if batched { &port.shape[1..] } else { &port.shape };
        // A size for each row must be there.
        let dims = if dims.is_empty() { &[1][..] } else { dims };
        json!({ "name": port.name, "data_type": port.datatype.config_word(), "dims": dims })
    };
    json!({
        "name": card.name,
        "platform": platform(card),
        "max_batch_size": if batched { MAX_ROWS } else { 0 },
        "input": signature.required().map(tensor).collect::<Vec<_>>(),
        "output": outputs().map(tensor).collect::<Vec<_>>(),
    })
}

/// Lists the only model.
pub(crate) fn index(card: &ModelCard, ready: bool) -> Value {
    let state = if ready { "READY" } else { "UNAVAILABLE" };
    json!([{ "name": card.name, "version": VERSION, "state": state, "reason": "" }])
}

fn platform(card: &ModelCard) -> String {
    format!("wharf_{}", card.kind)
}
