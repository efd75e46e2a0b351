//! Call orders become routes, under the names that MLEM's server gives them.

use std::path::Path;

use wharf_spec::{
    data_type::{DataType, Primitive},
    mlem::{self, ModelFile},
    model::{Answer, Argument, Method, Step},
};

use crate::error::{ReadError, Result};

/// Whether the optional arguments of a method are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Options {
    Offered,
    /// Boosters record every argument of their `predict`; only the first is data.
    LeftOut,
}

/// Returns the routes: `predict`, `predict_proba`, then the others by name.
///
/// A model's only method is also its `predict`, so that `transform` and `__call__` have the route that
/// MLEM's clients call.
pub(super) fn of(card: &Path, file: &ModelFile, options: Options) -> Result<Vec<Method>> {
    let mut methods = Vec::new();
    for (name, order) in &file.call_orders {
        methods.push(method(card, file, name, order, options)?);
    }
    if let [only] = methods.as_slice()
        && only.name != "predict"
    {
        let predict = Method { name: "predict".to_owned(), ..only.clone() };
        if only.name == "__call__" {
            methods.clear();
        }
        methods.push(predict);
    }
    let place = |method: &Method| match method.name.as_str() {
        "predict" => 0,
        "predict_proba" => 1,
        _ => 2,
    };
    // Stable: the others stay in the order of their names.
    methods.sort_by_key(place);
    if methods.is_empty() {
        return Err(ReadError::corrupt("it has no method to call").in_file(card));
    }
    Ok(methods)
}

fn method(
    card: &Path,
    file: &ModelFile,
    name: &str,
    order: &[(String, String)],
    options: Options,
) -> Result<Method> {
    let find = |(processor, method): &(String, String)| {
        let found = file.processors.get(processor).and_then(|own| own.methods.get(method));
        let why = || format!("`{name}` calls `{method}` of `{processor}`, which is not described");
        found.ok_or_else(|| ReadError::corrupt(why()).in_file(card))
    };
    let steps = order.iter().map(find).collect::<Result<Vec<_>>>()?;
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Err(ReadError::corrupt(format!("`{name}` calls nothing")).in_file(card));
    };
    let step = |(processor, method): &(String, String)| Step {
        processor: processor.clone(),
        method: method.clone(),
    };
    Ok(Method {
        name: name.to_owned(),
        steps: order.iter().map(step).collect(),
        args: arguments(first, options),
        returns: last.returns.clone().unwrap_or_else(DataType::unspecified),
        answer: Answer::Value,
        examples: Vec::new(),
    })
}

fn arguments(method: &mlem::Method, options: Options) -> Vec<Argument> {
    let Some(first) = method.args.first() else {
        // Methods behind a decorator have lost their arguments; torch's never had any.
        let typed = method.varargs_type.as_ref().or(method.varkw_type.as_ref());
        let takes_any = method.varargs.is_some() || method.varkw.is_some();
        let data_type = typed.cloned().unwrap_or_else(DataType::unspecified);
        return takes_any.then(|| argument("data", None, data_type)).into_iter().collect();
    };
    let rest = &method.args[1..];
    let is_alone = rest.iter().all(|other| !other.required && other.name != "data");
    let name = if is_alone { "data" } else { first.name.as_str() };
    let mut arguments = vec![described(first, name, None)];
    if options == Options::Offered {
        arguments.extend(rest.iter().map(|arg| described(arg, &arg.name, Some(&arg.name))));
    }
    arguments
}

fn described(recorded: &mlem::Argument, name: &str, keyword: Option<&str>) -> Argument {
    let keyword = if recorded.kw_only { Some(recorded.name.as_str()) } else { keyword };
    let data_type = recorded.type_.clone().map_or_else(DataType::unspecified, |data_type| {
        // The type of the default None says nothing of what may be given.
        let is_none = |primitive: &Primitive| primitive.ptype == "NoneType";
        match data_type {
            DataType::Primitive(primitive) if !recorded.required && is_none(&primitive) => {
                DataType::unspecified()
            }
            data_type => data_type,
        }
    });
    Argument {
        required: recorded.required,
        default: recorded.default.clone(),
        ..argument(name, keyword, data_type)
    }
}

fn argument(name: &str, keyword: Option<&str>, data_type: DataType) -> Argument {
    Argument {
        name: name.to_owned(),
        keyword: keyword.map(str::to_owned),
        allows_missing: may_have_gaps(&data_type),
        data_type,
        required: true,
        default: None,
        fields: Vec::new(),
    }
}

/// Says whether NumPy and pandas have a value for "missing" in such data; whether the model takes it, it says itself.
fn may_have_gaps(data_type: &DataType) -> bool {
    match data_type {
        DataType::DataFrame(_) | DataType::Series(_) => true,
        DataType::Ndarray(tensor) => tensor.dtype.starts_with("float"),
        _ => false,
    }
}
