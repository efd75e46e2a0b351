//! `wharf inspect`: what a model is, without running it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wharf_ops::error::Result;
use wharf_spec::{
    data_type::{DataType, Shape},
    model::{Answer, Method, ModelCard, RiskLevel},
    quantity::ByteSize,
};

use super::Session;
use crate::output::{style::Paint, text};

/// What a model is: kind, inputs and outputs, requirements, size, hash, risks; nothing of it is run
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wharf inspect examples/iris\n  wharf inspect model.onnx --json"
)]
pub(crate) struct InspectArgs {
    /// A model's file, or a folder with one
    target: PathBuf,
}

#[derive(Serialize)]
struct InspectDocument<'a> {
    schema: &'static str,
    hash: String,
    size: u64,
    program: &'static str,
    #[serde(flatten)]
    card: CardDocument<'a>,
}

/// The card as it is; its own schema goes under another key.
#[derive(Serialize)]
struct CardDocument<'a> {
    card: &'a ModelCard,
}

pub(crate) async fn run(session: &mut Session<'_>, args: InspectArgs) -> Result<u8> {
    let model = session.recognise(&args.target).await?;
    let card = &model.card;
    if session.config.json {
        session.console.json(&InspectDocument {
            schema: "wharf.inspect/v1",
            hash: card.hash().to_string(),
            size: card.size(),
            program: card.runtime.program(),
            card: CardDocument { card },
        });
        return Ok(0);
    }
    for (key, value) in facts(card) {
        session.console.out(&format!("{key:<13} {}", text::line(&value)));
    }
    for risk in &card.risks {
        let (paint, word) = match risk.level {
            RiskLevel::Note => (Paint::Faint, "note"),
            RiskLevel::Caution => (Paint::Warning, "caution"),
            RiskLevel::Danger => (Paint::Bad, "DANGER"),
        };
        let word = session.console.style.on_out(paint, &format!("{word:<13}"));
        session.console.out(&format!("{word} {}", text::line(&risk.text)));
    }
    Ok(0)
}

fn facts(card: &ModelCard) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("name", card.name.to_string()),
        ("kind", card.kind.to_string()),
        ("runtime", format!("{} ({})", card.runtime, card.reason)),
        ("server", card.runtime.program().to_owned()),
        ("size", ByteSize(card.size()).to_string()),
        ("hash", card.hash().to_string()),
    ];
    facts.extend(
        card.files.iter().map(|file| ("file", format!("{}  {}", file.path, ByteSize(file.size)))),
    );
    facts.extend(card.methods.iter().map(|method| ("method", signature(method))));
    for argument in card.methods.first().iter().flat_map(|method| &method.args) {
        if !argument.fields.is_empty() {
            let names: Vec<_> = argument.fields.iter().map(|field| field.name.as_str()).collect();
            facts.push(("inputs", names.join(", ")));
        }
    }
    if !card.classes.is_empty() {
        let names: Vec<_> = card.classes.iter().map(plain).collect();
        facts.push(("classes", names.join(", ")));
    }
    if let Some(python) = &card.python {
        facts.extend(python.version.iter().map(|version| ("python", version.clone())));
        facts.extend(python.requirements.iter().map(|line| ("requires", line.clone())));
        facts.extend(python.system_packages.iter().map(|package| ("system", package.clone())));
    }
    facts
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn signature(method: &Method) -> String {
    let args: Vec<_> = method
        .args
        .iter()
        .map(|arg| {
            let optional = if arg.required { "" } else { "?" };
            format!("{}{optional}: {}", arg.name, show(&arg.data_type))
        })
        .collect();
    let answer = match method.answer {
        Answer::Class => "class, ",
        Answer::Probabilities => "probabilities, ",
        Answer::Value | Answer::Outputs => "",
    };
    format!("/{}({}) → {answer}{}", method.name, args.join(", "), show(&method.returns))
}

/// Shows a data type in a few words.
fn show(data_type: &DataType) -> String {
    let array = |word: &str, shape: Option<&Shape>, dtype: &str| match shape {
        Some(shape) => format!("{word} {dtype} [{}]", dimensions(shape)),
        None => format!("{word} {dtype}"),
    };
    match data_type {
        DataType::Primitive(primitive) => primitive.ptype.clone(),
        DataType::Number(number) => number.dtype.clone(),
        DataType::Array(inner) => format!("list of {}", show(&inner.dtype)),
        DataType::List(items) | DataType::Tuple(items) => {
            let items: Vec<_> = items.items.iter().map(show).collect();
            format!("[{}]", items.join(", "))
        }
        DataType::Dict(dict) => {
            let items: Vec<_> = dict
                .item_types
                .0
                .iter()
                .map(|(key, value)| format!("{key}: {}", show(value)))
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        DataType::DynamicDict(dict) => {
            format!("{{{}: {}}}", show(&dict.key_type), show(&dict.value_type))
        }
        DataType::Ndarray(tensor) => array("array", tensor.shape.as_ref(), &tensor.dtype),
        DataType::Torch(tensor) | DataType::TfTensor(tensor) => {
            array("tensor", tensor.shape.as_ref(), &tensor.dtype)
        }
        DataType::CsrMatrix(tensor) => array("sparse", tensor.shape.as_ref(), &tensor.dtype),
        DataType::DataFrame(frame) => format!("table with {}", frame.columns.join(", ")),
        DataType::Series(frame) => format!("column {}", frame.columns.join(", ")),
        DataType::Binary(_) => "bytes".to_owned(),
        DataType::Lightgbm(data) => show(&data.inner),
        DataType::DMatrix(_) => "matrix".to_owned(),
        DataType::Unspecified(_) => "anything".to_owned(),
    }
}

fn dimensions(shape: &Shape) -> String {
    let sizes =
        shape.iter().map(|size| size.map_or_else(|| "*".to_owned(), |size| size.to_string()));
    sizes.collect::<Vec<_>>().join(", ")
}

/// Says in a few words what goes in and what comes out: `4 inputs → 3 classes`.
pub(crate) fn summary(card: &ModelCard) -> String {
    let Some(method) = card.methods.first() else { return "no methods".to_owned() };
    let inputs = match method.args.as_slice() {
        [argument] => match &argument.data_type {
            DataType::Ndarray(tensor) => match tensor.shape.as_deref() {
                Some([_, Some(columns)]) => format!("{columns} inputs"),
                _ => show(&argument.data_type),
            },
            DataType::DataFrame(frame) => format!("{} columns", frame.columns.len()),
            other => show(other),
        },
        arguments => format!("{} arguments", arguments.len()),
    };
    let outputs = match (card.classes.len(), method.answer) {
        (count @ 1.., Answer::Class) => format!("{count} classes"),
        _ => show(&method.returns),
    };
    format!("{inputs} → {outputs}")
}
