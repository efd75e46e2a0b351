//! The tensors of a request → the inputs of a call. Values are widened, and narrowed only where every one survives.

use serde_json::Value;
use wharf_model::tensor::{Data, Tensor};
use wharf_spec::data_type::DataType;

use super::{
    signature::{Form, Input, Signature},
    tensor::{Elements, V2Tensor},
};
use crate::{
    runtime::{Column, Frame, Payload, Values},
    schema::{
        array::ArraySpec,
        body::{self, Inputs},
        scalar::{Element, Missing},
        value,
        wrong::WrongInput,
    },
};

impl Signature {
    /// Makes the inputs of a call, which the tensors are used up for.
    pub(crate) fn arguments(&self, mut given: Vec<V2Tensor>) -> Result<Inputs, String> {
        let mut values = Vec::with_capacity(self.arguments);
        for input in &self.inputs {
            values.push(argument(input, &mut given)?);
        }
        if let Some(more) = given.first() {
            return Err(format!("the input `{}` is there twice", more.name));
        }
        let rows = values.iter().flatten().map(body::rows).max().unwrap_or(1);
        body::check_rows(rows).map_err(|wrong| text(&wrong))?;
        Ok(Inputs { values, rows })
    }
}

fn argument(input: &Input, given: &mut Vec<V2Tensor>) -> Result<Option<Payload>, String> {
    let mut tensors = Vec::with_capacity(input.ports.len());
    let is_absent = |name: &str| given.iter().all(|tensor| tensor.name != name);
    if !input.required && input.ports.iter().all(|port| is_absent(&port.name)) {
        return Ok(None);
    }
    for port in &input.ports {
        let place = given.iter().position(|tensor| tensor.name == port.name);
        let place = place.ok_or_else(|| format!("the input `{}` is missing", port.name))?;
        tensors.push(given.swap_remove(place));
    }
    let missing = if input.missing { Missing::Allowed } else { Missing::Refused };
    payload(&input.form, tensors, missing).map(Some)
}

fn payload(form: &Form, mut tensors: Vec<V2Tensor>, missing: Missing) -> Result<Payload, String> {
    match form {
        Form::Table(frame) => {
            let rows = tensors.first().map_or(0, |tensor| tensor.elements.len());
            let columns = tensors.into_iter().zip(frame.columns.iter().zip(&frame.dtypes));
            let columns = columns.map(|(tensor, (name, dtype))| {
                let values = column(tensor, dtype, rows)?;
                Ok(Column { name: name.clone(), values })
            });
            columns.collect::<Result<_, String>>().map(|columns| Payload::Frame(Frame { columns }))
        }
        Form::Array(spec) => array(spec, tensors.remove(0)),
        Form::Scalar(data_type) => {
            let tensor = tensors.remove(0);
            let (name, mut values) = (tensor.name.clone(), json_values(tensor)?);
            let value = if values.len() == 1 { values.pop() } else { None };
            let value = value.ok_or_else(|| format!("the input `{name}` is one value"))?;
            json(&name, &value, data_type, missing)
        }
        Form::Json(data_type) => {
            let (name, bytes) = one_text(tensors.remove(0))?;
            let value = body::parse_value(&bytes).map_err(|wrong| text(&wrong.under(&name)))?;
            json(&name, &value, data_type, missing)
        }
        Form::File => one_text(tensors.remove(0)).map(|(_, bytes)| Payload::Binary(bytes)),
    }
}

fn array(spec: &ArraySpec, tensor: V2Tensor) -> Result<Payload, String> {
    if !spec.takes(&tensor.shape) {
        let expected = spec.shown_shape();
        return Err(format!(
            "the input `{}` has shape {:?}, not {expected}",
            tensor.name, tensor.shape
        ));
    }
    let V2Tensor { name, shape, elements, .. } = tensor;
    let data = fit(elements, spec.element).map_err(|why| format!("the input `{name}`: {why}"))?;
    let tensor = Tensor::new(shape, data).expect("the elements were counted when they were read");
    Ok(Payload::Tensor(tensor))
}

fn column(tensor: V2Tensor, dtype: &str, rows: usize) -> Result<Values, String> {
    let one_column = matches!(*tensor.shape, [_] | [_, 1]);
    if !one_column || tensor.elements.len() != rows {
        return Err(format!(
            "the input `{}` has shape {:?}, not [{rows}] or [{rows}, 1]",
            tensor.name, tensor.shape
        ));
    }
    let name = tensor.name;
    let data = fit(tensor.elements, Element::named(dtype))
        .map_err(|why| format!("the input `{name}`: {why}"))?;
    Ok(match data {
        Data::F64(items) => Values::F64(items),
        Data::F32(items) => Values::F64(items.into_iter().map(f64::from).collect()),
        Data::I64(items) => Values::I64(items),
        Data::I32(items) => Values::I64(items.into_iter().map(i64::from).collect()),
        Data::Bool(items) => Values::Bool(items),
        Data::U64(items) => Values::Json(items.into_iter().map(Value::from).collect()),
        Data::Str(items) => Values::Json(items.into_iter().map(Value::from).collect()),
    })
}

fn json(
    name: &str,
    value: &Value,
    data_type: &DataType,
    missing: Missing,
) -> Result<Payload, String> {
    value::read(value, data_type, missing).map_err(|wrong| text(&wrong.under(name)))
}

fn json_values(tensor: V2Tensor) -> Result<Vec<Value>, String> {
    Ok(match fit(tensor.elements, Element::Any)? {
        Data::F64(items) => items.into_iter().map(Value::from).collect(),
        Data::F32(items) => items.into_iter().map(Value::from).collect(),
        Data::I64(items) => items.into_iter().map(Value::from).collect(),
        Data::I32(items) => items.into_iter().map(Value::from).collect(),
        Data::U64(items) => items.into_iter().map(Value::from).collect(),
        Data::Bool(items) => items.into_iter().map(Value::from).collect(),
        Data::Str(items) => items.into_iter().map(Value::from).collect(),
    })
}

fn one_text(tensor: V2Tensor) -> Result<(String, bytes::Bytes), String> {
    match tensor.elements {
        Elements::Texts(mut texts) if texts.len() == 1 => Ok((tensor.name, texts.remove(0))),
        _ => Err(format!("the input `{}` is one element of BYTES", tensor.name)),
    }
}

/// Says in one line what the routes of methods say in several fields.
fn text(wrong: &WrongInput) -> String {
    let place = wrong.field().map(|field| format!(" at `{field}`")).unwrap_or_default();
    let advice = wrong.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("{}{place}{advice}", wrong.error())
}

/// Returns the elements as those that the signature names.
fn fit(elements: Elements, element: Element) -> Result<Data, String> {
    let data = match elements {
        Elements::Numbers(data) => data,
        Elements::Texts(texts) if matches!(element, Element::Text | Element::Any) => {
            let utf8 = |text: bytes::Bytes| {
                String::from_utf8(text.into())
                    .map_err(|_| "it holds a text that is not UTF-8".to_owned())
            };
            return texts.into_iter().map(utf8).collect::<Result<_, _>>().map(Data::Str);
        }
        Elements::Texts(_) => return Err("it takes numbers, not BYTES".to_owned()),
    };
    match (data, element) {
        (data @ Data::F64(_), Element::F64)
        | (data @ Data::F32(_), Element::F32)
        | (data @ Data::Bool(_), Element::Bool)
        | (data @ Data::U64(_), Element::U64)
        | (data, Element::Any) => Ok(data),
        (Data::F32(items), Element::F64) => {
            Ok(Data::F64(items.into_iter().map(f64::from).collect()))
        }
        (_, Element::Text) => Err("it takes BYTES, not numbers".to_owned()),
        (data, Element::F64) => collect(&data, |number| Some(number.float())).map(Data::F64),
        (data, Element::F32) => collect(&data, Number::float32).map(Data::F32),
        (data, Element::I32 { min, max }) => {
            collect(&data, |number| number.within(min, max)?.try_into().ok()).map(Data::I32)
        }
        (data, Element::I64 { min, max }) => {
            collect(&data, |number| number.within(min, max)).map(Data::I64)
        }
        (data, Element::U64) => {
            collect(&data, |number| number.whole()?.try_into().ok()).map(Data::U64)
        }
        (data, Element::Bool) => {
            collect(&data, |number| number.within(0, 1).map(|number| number == 1)).map(Data::Bool)
        }
    }
}

fn collect<T>(data: &Data, read: impl Fn(Number) -> Option<T>) -> Result<Vec<T>, String> {
    let read = |index| {
        let number = Number::at(data, index);
        read(number).ok_or_else(|| match number {
            Number::Whole(number) => {
                format!("{number}, its element {index}, does not fit the model's type")
            }
            Number::Float(number) => {
                format!("{number}, its element {index}, does not fit the model's type")
            }
        })
    };
    (0..data.len()).map(read).collect()
}

/// An element of any type of numbers.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    fn at(data: &Data, index: usize) -> Self {
        match data {
            Data::F32(items) => Self::Float(items[index].into()),
            Data::F64(items) => Self::Float(items[index]),
            Data::I32(items) => Self::Whole(items[index].into()),
            Data::I64(items) => Self::Whole(items[index].into()),
            Data::U64(items) => Self::Whole(items[index].into()),
            Data::Bool(items) => Self::Whole(items[index].into()),
            Data::Str(_) => unreachable!("text is held as bytes"),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    /// Integers are rounded, as they are for 64 bits; floats must survive.
    fn float32(self) -> Option<f32> {
        match self {
            Self::Whole(number) => Some(number as f32),
            Self::Float(number) => {
                let narrow = number as f32;
                (f64::from(narrow) == number || number.is_nan()).then_some(narrow)
            }
        }
    }

    fn whole(self) -> Option<i128> {
        /// Beyond this not every integer is a float of 64 bits.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Whole(number) => Some(number),
            Self::Float(number) => {
                (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
            }
        }
    }

    fn within(self, min: i64, max: i64) -> Option<i64> {
        let number = i64::try_from(self.whole()?).ok()?;
        (min..=max).contains(&number).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(given: Data, dtype: &str, expect: Option<Data>) {
        let fitted = fit(Elements::Numbers(given.clone()), Element::named(dtype));
        assert_eq!(fitted.ok(), expect, "{given:?} as {dtype}");
    }

    #[test]
    fn widening_is_accepted() {
        check(Data::F32(vec![0.1]), "float64", Some(Data::F64(vec![0.1_f32.into()])));
        check(Data::I64(vec![3]), "float32", Some(Data::F32(vec![3.0])));
        check(Data::I32(vec![-3]), "int64", Some(Data::I64(vec![-3])));
        check(Data::Bool(vec![true]), "float64", Some(Data::F64(vec![1.0])));
    }

    #[test]
    fn narrowing_is_accepted_only_where_every_value_survives() {
        check(
            Data::F64(vec![0.5, f64::INFINITY]),
            "float32",
            Some(Data::F32(vec![0.5, f32::INFINITY])),
        );
        check(Data::F64(vec![0.1]), "float32", None);
        check(Data::F64(vec![3.0]), "int64", Some(Data::I64(vec![3])));
        check(Data::F64(vec![3.5]), "int64", None);
        check(Data::F64(vec![f64::NAN]), "int64", None);
        check(Data::I64(vec![256]), "uint8", None);
        check(Data::I64(vec![-1]), "uint64", None);
        check(Data::U64(vec![u64::MAX]), "int64", None);
        check(Data::I64(vec![2]), "bool", None);
        check(Data::I64(vec![2]), "str", None);
    }

    #[test]
    fn text_must_be_utf8_where_it_is_text() {
        let texts = |bytes: &'static [u8]| Elements::Texts(vec![bytes::Bytes::from_static(bytes)]);
        assert_eq!(fit(texts(b"ab"), Element::Text), Ok(Data::Str(vec!["ab".to_owned()])));
        assert!(fit(texts(b"\xff"), Element::Text).unwrap_err().contains("UTF-8"));
        assert!(fit(texts(b"1"), Element::F64).is_err());
    }
}
