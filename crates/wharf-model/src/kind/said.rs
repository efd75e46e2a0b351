//! What `wharf.yaml` adds to a model: names of the columns, and calls that are known to work.

use serde_json::{Map, Value};
use wharf_spec::{
    data_type::{DataType, Frame},
    model::{Argument, Field, Method},
    tagged::nearest,
};

use super::Draft;
use crate::{error::Result, recognise::target::Target};

/// Puts names and examples where they belong; what does not fit the model is an error.
pub(super) fn apply(target: &Target, draft: &mut Draft) -> Result<()> {
    let section = &target.section;
    if !section.inputs.is_empty() {
        for method in &mut draft.methods {
            if let Some(argument) = method.args.first_mut() {
                name_columns(target, &section.inputs, argument)?;
            }
        }
    }
    for example in &section.examples {
        add_example(target, example, &mut draft.methods)?;
    }
    if draft.classes.is_empty() {
        draft.classes.clone_from(&section.classes);
    }
    Ok(())
}

fn name_columns(target: &Target, inputs: &[Field], argument: &mut Argument) -> Result<()> {
    match &argument.data_type {
        DataType::DataFrame(frame) | DataType::Series(frame) => {
            argument.fields = fields_of_frame(target, inputs, frame)?;
            return Ok(());
        }
        // The columns of an image or a batch of sequences have no names.
        DataType::Ndarray(tensor)
            if tensor.shape.as_ref().is_some_and(|shape| shape.len() != 2) =>
        {
            let message = "`inputs` names columns, and the model takes no table".to_owned();
            return Err(target.mistake("inputs", message, None));
        }
        _ => {}
    }
    if let Some(columns) = columns(&argument.data_type)
        && columns != inputs.len() as u64
    {
        let named = count(inputs.len(), "column", "columns");
        let message = format!("`inputs` names {named}; the model takes {columns}");
        return Err(target.mistake("inputs", message, None));
    }
    argument.fields = inputs.to_vec();
    Ok(())
}

fn fields_of_frame(target: &Target, inputs: &[Field], frame: &Frame) -> Result<Vec<Field>> {
    let columns: Vec<&str> = frame.columns.iter().map(String::as_str).collect();
    if let Some(unknown) = inputs.iter().find(|field| !columns.contains(&field.name.as_str())) {
        let message = format!("the model has no column `{}`", unknown.name);
        let hint = match nearest(&unknown.name, &columns) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its columns are {}", columns.join(", ")),
        };
        return Err(target.mistake("inputs", message, Some(hint)));
    }
    let described = |column: &&str| {
        let described = inputs.iter().find(|field| field.name == **column).cloned();
        described.unwrap_or_else(|| Field { name: (*column).to_owned(), ..Field::default() })
    };
    Ok(columns.iter().map(described).collect())
}

/// Returns the number of columns where the type fixes it.
pub(super) fn columns(data_type: &DataType) -> Option<u64> {
    match data_type {
        DataType::Ndarray(tensor) | DataType::CsrMatrix(tensor) => {
            let shape = tensor.shape.as_ref()?;
            (shape.len() == 2).then(|| shape[1])?
        }
        _ => None,
    }
}

/// Returns `1 column`, `2 columns`.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Gives a call to every method that can take it.
fn add_example(
    target: &Target,
    example: &Map<String, Value>,
    methods: &mut [Method],
) -> Result<()> {
    let mut is_taken = false;
    for method in methods.iter_mut() {
        let knows_all = example.keys().all(|key| method.args.iter().any(|arg| arg.name == *key));
        let has_all =
            method.args.iter().all(|arg| !arg.required || example.contains_key(&arg.name));
        if knows_all && has_all {
            method.examples.push(example.clone());
            is_taken = true;
        }
    }
    if is_taken {
        return Ok(());
    }
    let keys: Vec<&str> = example.keys().map(String::as_str).collect();
    let message = format!("no method of the model takes an example with {}", keys.join(", "));
    let hint = methods.first().map(|method| {
        let names: Vec<&str> = method.args.iter().map(|arg| arg.name.as_str()).collect();
        format!("`{}` takes {}", method.name, names.join(", "))
    });
    Err(target.mistake("examples", message, hint))
}
