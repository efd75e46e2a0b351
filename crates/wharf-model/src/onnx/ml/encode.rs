//! Categories and labels: looked up, spread over columns, picked out.

use std::collections::HashMap;

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::super::{
    array::{elements, failed, floats, integers, pick, tensor, type_name},
    key::{Key, keys},
    node::{Inputs, Kernel, Node},
};

/// One column for each category.
#[derive(Debug)]
struct OneHot {
    places: HashMap<Key, usize>,
    texts: bool,
    /// An unknown category is a row of zeros, else an error.
    unknown_is_zeros: bool,
}

pub(super) fn one_hot(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let texts = node.texts("cats_strings")?;
    let categories: Vec<Key> = if texts.is_empty() {
        node.ints("cats_int64s").iter().map(|item| Key::Int(*item)).collect()
    } else {
        texts.iter().map(|item| Key::Text(item.clone())).collect()
    };
    let count = categories.len();
    let places: HashMap<Key, usize> =
        categories.into_iter().enumerate().map(|(at, key)| (key, at)).collect();
    if count == 0 || places.len() != count {
        return Err(node.corrupt("has no categories, or one of them twice"));
    }
    Ok(Box::new(OneHot {
        places,
        texts: !texts.is_empty(),
        unknown_is_zeros: node.flag("zeros", true),
    }))
}

impl Kernel for OneHot {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let keys = match input.data() {
            Data::Str(_) if self.texts => keys(input.data())?,
            Data::Str(_) => return failed("it takes numbers, not str"),
            other if self.texts => {
                return failed(format!("it takes str, not {}", type_name(other)));
            }
            Data::I64(_) | Data::I32(_) | Data::Bool(_) => keys(input.data())?,
            // A category is the whole part of a number.
            _ => floats(input)?.iter().map(|item| Key::Int(*item as i64)).collect(),
        };
        let mut shape = input.shape().to_vec();
        shape.push(self.places.len());
        let mut spread = vec![0.0; elements(&shape)?];
        for (row, key) in spread.chunks_exact_mut(self.places.len()).zip(&keys) {
            match self.places.get(key) {
                Some(place) => row[*place] = 1.0,
                None if self.unknown_is_zeros => {}
                None => return failed(format!("it does not know the category {key:?}")),
            }
        }
        Ok(vec![tensor(shape, Data::F32(spread))?])
    }
}

/// Gives each value another.
#[derive(Debug)]
struct LabelEncoder {
    places: HashMap<Key, usize>,
    /// The values by place, and behind them the one for what is not known.
    values: Data,
}

pub(super) fn label_encoder(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    if !node.bytes("classes_strings").is_empty() {
        return first_label_encoder(node);
    }
    let keys_of = |data: &Data| keys(data).map_err(|error| node.corrupt(error));
    let found = if let Some(tensor) = node.tensor("keys_tensor")? {
        keys_of(tensor.data())?
    } else {
        keys_of(&list(node, "keys")?.ok_or_else(|| node.corrupt("has no keys"))?)?
    };
    let default = node.tensor("default_tensor")?;
    let values = if let Some(tensor) = node.tensor("values_tensor")? {
        let values = tensor.into_parts().1;
        let default = default.map(|tensor| tensor.into_parts().1);
        append(values, default).ok_or_else(|| node.corrupt("has a default of another type"))?
    } else {
        with_default(node, list(node, "values")?.ok_or_else(|| node.corrupt("has no values"))?)?
    };
    if values.len() != found.len() + 1 {
        return Err(node.corrupt("has not as many values as keys"));
    }
    let mut places = HashMap::new();
    for (at, key) in found.into_iter().enumerate() {
        places.entry(key).or_insert(at);
    }
    Ok(Box::new(LabelEncoder { places, values }))
}

/// The first version of the operator knows texts by their place, in both directions.
fn first_label_encoder(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let texts = node.texts("classes_strings")?;
    let keys = texts.into_iter().map(Key::Text).enumerate();
    let places: HashMap<Key, usize> = keys.map(|(at, key)| (key, at)).collect();
    let mut values: Vec<i64> = (0..places.len() as i64).collect();
    values.push(node.int_or("default_int64", -1));
    Ok(Box::new(LabelEncoder { places, values: Data::I64(values) }))
}

/// Returns one of the lists that a name is spread over, whichever is there.
fn list(node: Node<'_>, name: &str) -> Result<Option<Data>, ReadError> {
    let texts = node.texts(&format!("{name}_strings"))?;
    if !texts.is_empty() {
        return Ok(Some(Data::Str(texts)));
    }
    let ints = node.ints(&format!("{name}_int64s"));
    if !ints.is_empty() {
        return Ok(Some(Data::I64(ints.to_vec())));
    }
    let floats = node.floats(&format!("{name}_floats"));
    Ok((!floats.is_empty()).then(|| Data::F32(floats.to_vec())))
}

fn with_default(node: Node<'_>, values: Data) -> Result<Data, ReadError> {
    let default = match &values {
        Data::I64(_) => Data::I64(vec![node.int_or("default_int64", -1)]),
        Data::F32(_) => Data::F32(vec![node.float_or("default_float", -0.0)]),
        _ => Data::Str(vec![node.word("default_string", "_Unused")?.to_owned()]),
    };
    append(values, Some(default)).ok_or_else(|| node.corrupt("has a default of another type"))
}

/// Puts a default behind the values; without one, what the standard has for the type.
fn append(mut values: Data, default: Option<Data>) -> Option<Data> {
    match (&mut values, default) {
        (Data::I64(values), None) => values.push(-1),
        (Data::F32(values), None) => values.push(-0.0),
        (Data::Str(values), None) => values.push("_Unused".to_owned()),
        (Data::I64(values), Some(Data::I64(default))) => values.push(*default.first()?),
        (Data::I32(values), Some(Data::I32(default))) => values.push(*default.first()?),
        (Data::F32(values), Some(Data::F32(default))) => values.push(*default.first()?),
        (Data::F64(values), Some(Data::F64(default))) => values.push(*default.first()?),
        (Data::Str(values), Some(Data::Str(default))) => values.push(default.first()?.clone()),
        _ => return None,
    }
    Some(values)
}

impl Kernel for LabelEncoder {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let keys = keys(input.data())?;
        let unknown = self.values.len() - 1;
        let places = keys.iter().map(|key| self.places.get(key).copied().unwrap_or(unknown));
        Ok(vec![tensor(input.shape().to_vec(), pick(&self.values, places))?])
    }
}

/// Gives texts numbers, or numbers texts: a [`LabelEncoder`] that goes by the type of its input.
#[derive(Debug)]
struct CategoryMapper {
    numbers: LabelEncoder,
    texts: LabelEncoder,
}

pub(super) fn category_mapper(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let (mut texts, mut numbers) = (node.texts("cats_strings")?, node.ints("cats_int64s").to_vec());
    if texts.len() != numbers.len() {
        return Err(node.corrupt("has not as many texts as numbers"));
    }
    let by_text = texts.iter().cloned().map(Key::Text).zip(0..).collect();
    let by_number = numbers.iter().copied().map(Key::Int).zip(0..).collect();
    numbers.push(node.int_or("default_int64", -1));
    texts.push(node.word("default_string", "_Unused")?.to_owned());
    Ok(Box::new(CategoryMapper {
        numbers: LabelEncoder { places: by_text, values: Data::I64(numbers) },
        texts: LabelEncoder { places: by_number, values: Data::Str(texts) },
    }))
}

impl Kernel for CategoryMapper {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        match inputs.get(0)?.data() {
            Data::Str(_) => self.numbers.run(inputs),
            _ => self.texts.run(inputs),
        }
    }
}

/// Picks columns by their indices.
#[derive(Debug)]
struct ArrayFeatureExtractor;

pub(super) fn array_feature_extractor(_: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    Ok(Box::new(ArrayFeatureExtractor))
}

impl Kernel for ArrayFeatureExtractor {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (input, wanted) = (inputs.get(0)?, inputs.get(1)?);
        let Some((columns, outer)) = input.shape().split_last() else {
            return failed("it picks from columns, not from a single number");
        };
        let mut indices = Vec::new();
        for index in integers(wanted)?.iter() {
            match usize::try_from(*index) {
                Ok(index) if index < *columns => indices.push(index),
                _ => return failed(format!("there is no column {index} in {columns}")),
            }
        }
        // A list counts as one row.
        let mut shape = if outer.is_empty() { vec![1] } else { outer.to_vec() };
        shape.push(indices.len());
        let rows = if elements(&shape)? == 0 { 0 } else { elements(outer)? };
        let offsets = (0..rows).flat_map(|row| indices.iter().map(move |at| row * columns + at));
        Ok(vec![tensor(shape, pick(input.data(), offsets))?])
    }
}

/// Would make a map of label to probability for each row. wharf keeps the array, and the labels apart.
#[derive(Debug)]
struct ZipMap {
    classes: usize,
}

pub(super) fn zip_map(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    let classes =
        node.bytes("classlabels_strings").len().max(node.ints("classlabels_int64s").len());
    Ok(Box::new(ZipMap { classes }))
}

impl Kernel for ZipMap {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        if input.shape().last() != Some(&self.classes) {
            let (shape, classes) = (input.shape(), self.classes);
            return failed(format!(
                "an array of shape {shape:?} has not one column for each of {classes} labels"
            ));
        }
        Ok(vec![input.clone()])
    }
}
