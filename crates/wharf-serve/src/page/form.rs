//! Which fields a method's form has: made from the signature alone, filled from an example.

use serde_json::{Map, Value};
use wharf_spec::{
    data_type::{DataType, Frame, Primitive, Tensor},
    model::{Argument, Field, Method},
};

use crate::schema::{sample, scalar::Element};

/// Most fields of a form; an argument with more is typed as JSON.
const MAX_FIELDS: usize = 200;

/// The form of a method.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub(super) arguments: Vec<ArgumentForm>,
}

/// The fields of one argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ArgumentForm {
    pub(super) name: String,
    pub(super) layout: Layout,
    pub(super) fields: Vec<FormField>,
    pub(super) optional: bool,
}

/// How the values of fields become the argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[[a, b]]`
    Row,
    /// `{"values": [{"a": …}]}`
    Table,
    /// `[{"a": …}]`
    Records,
    /// `{"a": …}`
    Object,
    /// The value itself.
    Value,
    /// A file, sent as a form of HTML.
    File,
}

/// One input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FormField {
    pub(super) label: String,
    /// The key of the value, where the layout has keys.
    pub(super) key: String,
    /// Where an error would say it is: `data[0][2]`.
    pub(super) place: String,
    pub(super) control: Control,
    pub(super) value: Value,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    /// Whether nothing stands for a missing value.
    pub(super) missing: bool,
}

/// What a value is typed into.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Control {
    Number,
    Integer,
    Text,
    Choice(Vec<Value>),
    File,
}

impl Layout {
    /// Returns the word that the script knows.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Table => "table",
            Self::Records => "records",
            Self::Object => "object",
            Self::Value => "value",
            Self::File => "file",
        }
    }
}

impl Form {
    /// Returns the form of a method; `None` where its body is best typed as JSON.
    pub(super) fn of(method: &Method) -> Option<Self> {
        let example = sample::body(method);
        let arguments = method
            .args
            .iter()
            .map(|argument| of_argument(argument, &example))
            .collect::<Option<Vec<_>>>()?;
        let fields: usize = arguments.iter().map(|argument| argument.fields.len()).sum();
        (1..=MAX_FIELDS).contains(&fields).then_some(Self { arguments })
    }
}

fn of_argument(argument: &Argument, example: &Map<String, Value>) -> Option<ArgumentForm> {
    let given = example.get(&argument.name).cloned().unwrap_or_default();
    let name = argument.name.as_str();
    let (layout, fields) = match &argument.data_type {
        DataType::Ndarray(array) | DataType::Torch(array) | DataType::TfTensor(array) => {
            let prefix = format!("{name}[0]");
            (Layout::Row, columns(array, argument, &prefix, &given[0])?)
        }
        DataType::DataFrame(frame) => {
            let prefix = format!("{name}.values[0].");
            (Layout::Table, frame_fields(frame, argument, &prefix, &given["values"][0]))
        }
        DataType::Series(frame) => {
            let prefix = format!("{name}[0].");
            (Layout::Records, frame_fields(frame, argument, &prefix, &given[0]))
        }
        DataType::Dict(dict) => {
            let items = dict.item_types.0.iter();
            let fields = items.map(|(key, data_type)| {
                let place = format!("{name}.{key}");
                Some(field(key, key, place, control(data_type)?, given[key].clone(), argument))
            });
            (Layout::Object, fields.collect::<Option<_>>()?)
        }
        DataType::Binary(_) => {
            let file = field(name, name, name.to_owned(), Control::File, Value::Null, argument);
            (Layout::File, vec![file])
        }
        single => {
            let control = control(single)?;
            (Layout::Value, vec![field(name, name, name.to_owned(), control, given, argument)])
        }
    };
    let optional = !argument.required;
    Some(ArgumentForm { name: name.to_owned(), layout, fields, optional })
}

/// Returns the fields of a table of numbers; `None` for images and whatever else is not one.
fn columns(
    array: &Tensor,
    argument: &Argument,
    prefix: &str,
    row: &Value,
) -> Option<Vec<FormField>> {
    let [_, Some(width)] = array.shape.as_deref()? else { return None };
    let width = usize::try_from(*width).ok().filter(|width| *width <= MAX_FIELDS)?;
    let control = of_element(Element::named(&array.dtype))?;
    let fields = (0..width).map(|index| {
        let label = argument
            .fields
            .get(index)
            .map_or_else(|| format!("value {}", index + 1), |field| field.name.clone());
        let place = format!("{prefix}[{index}]");
        let mut made = field(&label, "", place, control.clone(), row[index].clone(), argument);
        describe(&mut made, argument.fields.get(index));
        made
    });
    Some(fields.collect())
}

fn frame_fields(frame: &Frame, argument: &Argument, prefix: &str, row: &Value) -> Vec<FormField> {
    let columns = frame.columns.iter().zip(&frame.dtypes);
    columns
        .map(|(name, dtype)| {
            let control = of_element(Element::named(dtype)).unwrap_or(Control::Text);
            let place = format!("{prefix}{name}");
            let mut made = field(name, name, place, control, row[name].clone(), argument);
            describe(&mut made, argument.fields.iter().find(|field| field.name == *name));
            made
        })
        .collect()
}

fn field(
    label: &str,
    key: &str,
    place: String,
    control: Control,
    value: Value,
    argument: &Argument,
) -> FormField {
    let missing = argument.allows_missing;
    let (label, key) = (label.to_owned(), key.to_owned());
    FormField { label, key, place, control, value, min: None, max: None, missing }
}

/// Adds what the author said of a column.
fn describe(made: &mut FormField, said: Option<&Field>) {
    let Some(said) = said else { return };
    (made.min, made.max) = (said.min, said.max);
    if !said.choices.is_empty() {
        made.control = Control::Choice(said.choices.clone());
    }
}

fn control(data_type: &DataType) -> Option<Control> {
    match data_type {
        DataType::Primitive(Primitive { ptype }) => match ptype.as_str() {
            "int" => Some(Control::Integer),
            "float" => Some(Control::Number),
            "str" => Some(Control::Text),
            "bool" => Some(Control::Choice(vec![Value::Bool(true), Value::Bool(false)])),
            _ => None,
        },
        DataType::Number(number) => of_element(Element::named(&number.dtype)),
        _ => None,
    }
}

fn of_element(element: Element) -> Option<Control> {
    match element {
        Element::F64 | Element::F32 => Some(Control::Number),
        Element::I32 { .. } | Element::I64 { .. } | Element::U64 => Some(Control::Integer),
        Element::Bool => Some(Control::Choice(vec![Value::Bool(true), Value::Bool(false)])),
        Element::Text => Some(Control::Text),
        Element::Any => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(argument: &Value, example: &Value) -> Option<Form> {
        let method = json!({
            "name": "predict", "steps": [], "args": [argument],
            "returns": { "type": "unspecified" }, "examples": [example],
        });
        Form::of(&serde_json::from_value(method).unwrap())
    }

    #[test]
    fn a_table_of_numbers_has_a_field_for_each_column() {
        let argument = json!({
            "name": "data", "required": true,
            "data_type": { "type": "ndarray", "shape": [null, 2], "dtype": "float64" },
            "fields": [{ "name": "width", "min": 0.1, "max": 4.0 }, { "name": "sort", "choices": [0, 1] }],
        });
        let form = form(&argument, &json!({ "data": [[1.5, 1]] })).unwrap();
        let [width, sort] = form.arguments[0].fields.as_slice() else { panic!("{form:?}") };
        assert_eq!((width.label.as_str(), width.place.as_str()), ("width", "data[0][0]"));
        assert_eq!((&width.value, width.max), (&json!(1.5), Some(4.0)));
        assert_eq!(sort.control, Control::Choice(vec![json!(0), json!(1)]));
    }

    #[test]
    fn an_image_is_typed_as_json() {
        let argument = json!({
            "name": "data", "required": true,
            "data_type": { "type": "ndarray", "shape": [null, 1, 28, 28], "dtype": "float32" },
        });
        assert_eq!(form(&argument, &json!({})), None);
    }

    #[test]
    fn fields_of_a_table_are_found_again_by_an_error() {
        let argument = json!({
            "name": "data", "required": true,
            "data_type": { "type": "dataframe", "columns": ["city"], "dtypes": ["str"], "index_cols": [] },
        });
        let form = form(&argument, &json!({ "data": { "values": [{ "city": "Oslo" }] } })).unwrap();
        let city = &form.arguments[0].fields[0];
        assert_eq!((city.place.as_str(), &city.value), ("data.values[0].city", &json!("Oslo")));
    }
}
