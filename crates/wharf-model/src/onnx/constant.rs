//! Constants of a graph: their bytes, wherever they lie, become arrays.

use std::path::{Component, Path};

use half::{bf16, f16};

use crate::{
    error::ReadError,
    tensor::{Data, Tensor},
};

use super::{
    element::Element,
    proto::{EXTERNAL, TensorProto},
};

/// Where the bytes of a constant lie outside the model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct External {
    /// Relative to the model's folder, and inside it.
    pub(super) file: String,
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

impl TensorProto {
    /// Returns the dimensions and the number of elements, checked against overflow.
    pub(super) fn shape(&self) -> Result<(Vec<usize>, usize), ReadError> {
        let shape: Option<Vec<usize>> =
            self.dims.iter().map(|size| usize::try_from(*size).ok()).collect();
        let elements = shape.as_ref().and_then(|shape| {
            shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))
        });
        match (shape, elements) {
            (Some(shape), Some(elements)) => Ok((shape, elements)),
            _ => Err(self.wrong(format!("has the impossible shape {:?}", self.dims))),
        }
    }

    /// Returns where the bytes lie when that is another file.
    pub(super) fn external(&self) -> Result<Option<External>, ReadError> {
        if self.data_location != EXTERNAL {
            return Ok(None);
        }
        let entry = |key| self.external_data.iter().find(|entry| entry.key == key);
        let number = |key| match entry(key).map(|entry| entry.value.parse()) {
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(self.wrong(format!("has an external {key} that is no number"))),
            None => Ok(None),
        };
        let Some(location) = entry("location") else {
            return Err(self.wrong("does not say in which file its data is"));
        };
        let inside = |part| matches!(part, Component::Normal(_));
        let path = Path::new(&location.value);
        if location.value.is_empty() || !path.components().all(inside) {
            return Err(self.wrong(format!(
                "has its data in `{}`, which is not inside the model's folder",
                location.value
            )));
        }
        Ok(Some(External {
            file: location.value.clone(),
            offset: number("offset")?.unwrap_or(0),
            length: number("length")?,
        }))
    }

    /// Checks that the declared shape and the data here agree, without copying any.
    pub(super) fn check(&self) -> Result<(), ReadError> {
        let (_, elements) = self.shape()?;
        let Some(element) = Element::of(self.data_type) else {
            return Err(self.wrong(format!("has the unknown type {}", self.data_type)));
        };
        if self.external()?.is_some() {
            return Ok(());
        }
        let fits = match &self.raw_data {
            // Narrow types lie two to a byte; nothing here reads them.
            _ if element == Element::Other => true,
            Some(raw) => {
                let bytes = element.width().and_then(|width| elements.checked_mul(width));
                bytes == Some(raw.len())
            }
            None => elements == self.listed(element),
        };
        if fits {
            return Ok(());
        }
        Err(self
            .wrong(format!("declares the shape {:?}, and its data is of another size", self.dims)))
    }

    /// Returns how many elements are written out as numbers or texts.
    fn listed(&self, element: Element) -> usize {
        match element {
            Element::Float32 => self.float_data.len(),
            Element::Float64 => self.double_data.len(),
            Element::Int64 => self.int64_data.len(),
            Element::UInt32 | Element::UInt64 => self.uint64_data.len(),
            Element::Str => self.string_data.len(),
            Element::Int8
            | Element::Int16
            | Element::Int32
            | Element::UInt8
            | Element::UInt16
            | Element::Bool
            | Element::Float16
            | Element::BFloat16 => self.int32_data.len(),
            Element::Other => 0,
        }
    }

    /// Reads the constant; `folder` is where the model's file lies.
    pub(super) fn read(&self, folder: &Path) -> Result<Tensor, ReadError> {
        self.check()?;
        let (shape, elements) = self.shape()?;
        let element = Element::of(self.data_type).unwrap_or(Element::Other);
        let data = match (self.external()?, &self.raw_data) {
            (Some(external), _) => {
                let bytes = self.read_external(&external, element, elements, folder)?;
                self.from_bytes(element, &bytes)?
            }
            (None, Some(raw)) => self.from_bytes(element, raw)?,
            (None, None) => self.from_lists(element)?,
        };
        Tensor::new(shape, data)
            .ok_or_else(|| self.wrong("has data of another size than its shape"))
    }

    fn read_external(
        &self,
        external: &External,
        element: Element,
        elements: usize,
        folder: &Path,
    ) -> Result<Vec<u8>, ReadError> {
        let bytes = read_slice(folder, external).map_err(|why| {
            self.wrong(format!("has its data in `{}`, which cannot be read: {why}", external.file))
        })?;
        let needed = element.width().and_then(|width| elements.checked_mul(width));
        if needed != Some(bytes.len()) {
            return Err(self.wrong(format!("has data of another size in `{}`", external.file)));
        }
        Ok(bytes)
    }

    #[expect(
        clippy::wrong_self_convention,
        reason = "it reads the message's bytes, it makes no message"
    )]
    fn from_bytes(&self, element: Element, bytes: &[u8]) -> Result<Data, ReadError> {
        Ok(match element {
            Element::Float32 => Data::F32(numbers(bytes, f32::from_le_bytes)),
            Element::Float64 => Data::F64(numbers(bytes, f64::from_le_bytes)),
            Element::Float16 => Data::F32(numbers(bytes, |raw| f16::from_le_bytes(raw).to_f32())),
            Element::BFloat16 => Data::F32(numbers(bytes, |raw| bf16::from_le_bytes(raw).to_f32())),
            Element::Int8 => Data::I32(numbers(bytes, |raw| i32::from(i8::from_le_bytes(raw)))),
            Element::Int16 => Data::I32(numbers(bytes, |raw| i32::from(i16::from_le_bytes(raw)))),
            Element::Int32 => Data::I32(numbers(bytes, i32::from_le_bytes)),
            Element::Int64 => Data::I64(numbers(bytes, i64::from_le_bytes)),
            Element::UInt8 => Data::I32(bytes.iter().map(|byte| i32::from(*byte)).collect()),
            Element::UInt16 => Data::I32(numbers(bytes, |raw| i32::from(u16::from_le_bytes(raw)))),
            Element::UInt32 => Data::U64(numbers(bytes, |raw| u64::from(u32::from_le_bytes(raw)))),
            Element::UInt64 => Data::U64(numbers(bytes, u64::from_le_bytes)),
            Element::Bool => Data::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
            Element::Str | Element::Other => return Err(self.unreadable()),
        })
    }

    #[expect(
        clippy::wrong_self_convention,
        reason = "it reads the message's lists, it makes no message"
    )]
    fn from_lists(&self, element: Element) -> Result<Data, ReadError> {
        let ints = &self.int32_data;
        Ok(match element {
            Element::Float32 => Data::F32(self.float_data.clone()),
            Element::Float64 => Data::F64(self.double_data.clone()),
            Element::Float16 => {
                Data::F32(ints.iter().map(|raw| f16::from_bits(*raw as u16).to_f32()).collect())
            }
            Element::BFloat16 => {
                Data::F32(ints.iter().map(|raw| bf16::from_bits(*raw as u16).to_f32()).collect())
            }
            Element::Int8 | Element::Int16 | Element::Int32 | Element::UInt8 | Element::UInt16 => {
                Data::I32(ints.clone())
            }
            Element::Int64 => Data::I64(self.int64_data.clone()),
            Element::UInt32 | Element::UInt64 => Data::U64(self.uint64_data.clone()),
            Element::Bool => Data::Bool(ints.iter().map(|item| *item != 0).collect()),
            Element::Str => Data::Str(self.texts()?),
            Element::Other => return Err(self.unreadable()),
        })
    }

    fn texts(&self) -> Result<Vec<String>, ReadError> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone());
        let texts: Result<_, _> = self.string_data.iter().map(text).collect();
        texts.map_err(|_| self.wrong("has a text that is not UTF-8"))
    }

    fn unreadable(&self) -> ReadError {
        let what = format!("the constant `{}` has a type that wharf does not read", self.name);
        ReadError::unsupported(what)
    }

    fn wrong(&self, what: impl AsRef<str>) -> ReadError {
        ReadError::corrupt(format!("the constant `{}` {}", self.name, what.as_ref()))
    }
}

fn numbers<const WIDTH: usize, T>(bytes: &[u8], number: impl Fn([u8; WIDTH]) -> T) -> Vec<T> {
    let (numbers, _) = bytes.as_chunks::<WIDTH>();
    numbers.iter().map(|raw| number(*raw)).collect()
}

/// Reads a part of a file in the folder. The file may be a link, but only to something else in the folder's tree:
/// the folder of a bundle is the model's own, and what it links to outside was put there by wharf.
fn read_slice(folder: &Path, external: &External) -> Result<Vec<u8>, std::io::Error> {
    use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};

    let path = folder.join(&external.file);
    let found = std::fs::metadata(&path)?;
    if !found.is_file() {
        // Opening a pipe would wait for ever.
        return Err(Error::new(ErrorKind::InvalidInput, "it is no file"));
    }
    let size = found.len();
    let mut file = std::fs::File::open(path)?;
    let left = size.checked_sub(external.offset);
    let length = external.length.or(left).filter(|length| left.is_some_and(|left| *length <= left));
    let Some(length) = length else {
        return Err(Error::new(ErrorKind::UnexpectedEof, format!("it has only {size} bytes")));
    };
    file.seek(SeekFrom::Start(external.offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{super::proto::EntryProto, *};

    /// Two float32 in a file beside the model, which holds three.
    fn external(entries: &[(&str, &str)]) -> Result<Tensor, ReadError> {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> =
            [1.0_f32, 2.0, 3.0].iter().flat_map(|item| item.to_le_bytes()).collect();
        std::fs::write(folder.path().join("weights.data"), bytes).unwrap();
        let entry = |(key, value): &(&str, &str)| EntryProto {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        let constant = TensorProto {
            name: "w".to_owned(),
            dims: vec![2],
            data_type: 1,
            data_location: EXTERNAL,
            external_data: entries.iter().map(entry).collect(),
            ..TensorProto::default()
        };
        constant.read(folder.path())
    }

    fn refused(entries: &[(&str, &str)]) -> String {
        external(entries).unwrap_err().to_string()
    }

    #[test]
    fn data_can_lie_in_a_file_of_the_folder() {
        let found = external(&[("location", "weights.data"), ("offset", "4"), ("length", "8")]);
        assert_eq!(found.unwrap(), Tensor::vector(Data::F32(vec![2.0, 3.0])));
    }

    #[test]
    fn data_outside_the_folder_is_refused() {
        for location in ["../weights.data", "/etc/passwd", "a/../../b", ""] {
            let error = refused(&[("location", location)]);
            assert!(error.contains("not inside the model's folder"), "{error}");
        }
    }

    #[test]
    fn data_of_another_size_is_refused() {
        for entries in [
            [("location", "weights.data"), ("offset", "0"), ("length", "99999999999")],
            [("location", "weights.data"), ("offset", "99"), ("length", "8")],
            [("location", "weights.data"), ("offset", "0"), ("length", "4")],
            [("location", "weights.data"), ("offset", "-1"), ("length", "8")],
            [("location", "."), ("offset", "0"), ("length", "8")],
            [("location", "gone.data"), ("offset", "0"), ("length", "8")],
        ] {
            refused(&entries);
        }
    }
}
