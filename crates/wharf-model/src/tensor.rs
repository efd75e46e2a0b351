//! Arrays that go into a model and come out: row-major, with their own element type.

/// An array; the product of the shape is the number of elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Data,
}

/// The elements, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    U64(Vec<u64>),
    Bool(Vec<bool>),
    Str(Vec<String>),
}

impl Data {
    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(items) => items.len(),
            Self::F64(items) => items.len(),
            Self::I32(items) => items.len(),
            Self::I64(items) => items.len(),
            Self::U64(items) => items.len(),
            Self::Bool(items) => items.len(),
            Self::Str(items) => items.len(),
        }
    }

    /// Says whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Tensor {
    /// Returns an array; `None` when the shape has another number of elements.
    pub fn new(shape: Vec<usize>, data: Data) -> Option<Self> {
        let elements =
            shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
        (elements == data.len()).then_some(Self { shape, data })
    }

    /// Returns an array of one dimension.
    pub fn vector(data: Data) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// Returns the sizes of the dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the elements, row-major.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Takes the array apart.
    pub fn into_parts(self) -> (Vec<usize>, Data) {
        (self.shape, self.data)
    }
}
