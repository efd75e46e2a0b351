//! Operators that work element by element, on one array or on several that are stretched to one shape.

use crate::{
    error::{ReadError, RunError},
    tensor::{Data, Tensor},
};

use super::{
    super::{
        array::{Offsets, broadcast, failed, pick, tensor, type_name},
        node::{Inputs, Kernel, Node},
    },
    Build,
};

pub(super) const OPERATORS: &[(&str, Build)] = &[
    ("Add", |_| Ok(Box::new(Arithmetic::Add))),
    ("Sub", |_| Ok(Box::new(Arithmetic::Sub))),
    ("Mul", |_| Ok(Box::new(Arithmetic::Mul))),
    ("Div", |_| Ok(Box::new(Arithmetic::Div))),
    ("Pow", |_| Ok(Box::new(Arithmetic::Pow))),
    ("Sum", |_| Ok(Box::new(Fold(Arithmetic::Add)))),
    ("Max", |_| Ok(Box::new(Fold(Arithmetic::Max)))),
    ("Min", |_| Ok(Box::new(Fold(Arithmetic::Min)))),
    ("Clip", |node| Ok(Box::new(Clip { least: bound(node, "min"), largest: bound(node, "max") }))),
    ("Equal", |_| Ok(Box::new(Comparison::Equal))),
    ("Greater", |_| Ok(Box::new(Comparison::Greater))),
    ("GreaterOrEqual", |_| Ok(Box::new(Comparison::GreaterOrEqual))),
    ("Less", |_| Ok(Box::new(Comparison::Less))),
    ("LessOrEqual", |_| Ok(Box::new(Comparison::LessOrEqual))),
    ("And", |_| Ok(Box::new(Logic::And))),
    ("Or", |_| Ok(Box::new(Logic::Or))),
    ("Xor", |_| Ok(Box::new(Logic::Xor))),
    ("Not", |_| Ok(Box::new(Not))),
    ("Abs", |_| Ok(Box::new(Unary::Abs))),
    ("Ceil", |_| Ok(Box::new(Unary::Ceil))),
    ("Exp", |_| Ok(Box::new(Unary::Exp))),
    ("Floor", |_| Ok(Box::new(Unary::Floor))),
    ("Log", |_| Ok(Box::new(Unary::Log))),
    ("Neg", |_| Ok(Box::new(Unary::Neg))),
    ("Reciprocal", |_| Ok(Box::new(Unary::Reciprocal))),
    ("Relu", |_| Ok(Box::new(Unary::Relu))),
    ("Sigmoid", |_| Ok(Box::new(Unary::Sigmoid))),
    ("Sign", |_| Ok(Box::new(Unary::Sign))),
    ("Sqrt", |_| Ok(Box::new(Unary::Sqrt))),
    ("Tanh", |_| Ok(Box::new(Unary::Tanh))),
    ("IsNaN", |_| Ok(Box::new(IsNan))),
    ("Where", |_| Ok(Box::new(Where))),
    ("Identity", |_| Ok(Box::new(Identity))),
    ("Cast", cast),
];

#[derive(Debug, Clone, Copy)]
enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
}

/// Writes the arithmetic of floats or of integers as a choice of plain functions, so that the choice is made once.
macro_rules! arithmetic {
    (float $number:ty, $operation:expr) => {
        match $operation {
            Arithmetic::Add => |a: $number, b: $number| a + b,
            Arithmetic::Sub => |a, b| a - b,
            Arithmetic::Mul => |a, b| a * b,
            Arithmetic::Div => |a, b| a / b,
            Arithmetic::Pow => |a, b| a.powf(b),
            // Unlike `f32::max`, a NaN stays one.
            Arithmetic::Max => |a, b| if a > b || a.is_nan() { a } else { b },
            Arithmetic::Min => |a, b| if a < b || a.is_nan() { a } else { b },
        }
    };
    (integer $number:ty, $operation:expr) => {
        match $operation {
            Arithmetic::Add => |a: $number, b: $number| a.wrapping_add(b),
            Arithmetic::Sub => |a, b| a.wrapping_sub(b),
            Arithmetic::Mul => |a, b| a.wrapping_mul(b),
            // A zero has been refused before.
            Arithmetic::Div => |a, b| a.checked_div(b).unwrap_or(a),
            Arithmetic::Pow => |a, b| (a as f64).powf(b as f64) as $number,
            Arithmetic::Max => |a, b| a.max(b),
            Arithmetic::Min => |a, b| a.min(b),
        }
    };
}

impl Arithmetic {
    fn apply(self, left: &Tensor, right: &Tensor) -> Result<Tensor, RunError> {
        let shapes = (left.shape(), right.shape());
        let zero = matches!(self, Self::Div)
            && match right.data() {
                Data::I32(items) => items.contains(&0),
                Data::I64(items) => items.contains(&0),
                Data::U64(items) => items.contains(&0),
                Data::F32(_) | Data::F64(_) | Data::Bool(_) | Data::Str(_) => false,
            };
        if zero {
            return failed("an integer is divided by zero");
        }
        let (shape, data) = match (left.data(), right.data()) {
            (Data::F32(a), Data::F32(b)) => {
                zip(shapes, a, b, arithmetic!(float f32, self), Data::F32)
            }
            (Data::F64(a), Data::F64(b)) => {
                zip(shapes, a, b, arithmetic!(float f64, self), Data::F64)
            }
            (Data::I32(a), Data::I32(b)) => {
                zip(shapes, a, b, arithmetic!(integer i32, self), Data::I32)
            }
            (Data::I64(a), Data::I64(b)) => {
                zip(shapes, a, b, arithmetic!(integer i64, self), Data::I64)
            }
            (Data::U64(a), Data::U64(b)) => {
                zip(shapes, a, b, arithmetic!(integer u64, self), Data::U64)
            }
            (a, b) => return not_both(a, b),
        }?;
        tensor(shape, data)
    }
}

impl Kernel for Arithmetic {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        if matches!(self, Self::Pow) && type_name(left.data()) != type_name(right.data()) {
            // Only an exponent may have another type than what it stands at.
            let exponent = convert(right, kind_of(left.data()))?;
            return Ok(vec![self.apply(left, &exponent)?]);
        }
        Ok(vec![self.apply(left, right)?])
    }
}

/// An operator of two arrays that takes any number of them.
#[derive(Debug)]
struct Fold(Arithmetic);

impl Kernel for Fold {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let inputs = inputs.all()?;
        let Some((first, others)) = inputs.split_first() else {
            return failed("it has no input");
        };
        let start = Tensor::clone(first);
        let folded = others.iter().try_fold(start, |sum, other| self.0.apply(&sum, other))?;
        Ok(vec![folded])
    }
}

/// Keeps elements between two bounds, either of which may be left out.
#[derive(Debug)]
struct Clip {
    /// Bounds that stand in the node, as they did before opset 11; later they are inputs.
    least: Option<Tensor>,
    largest: Option<Tensor>,
}

fn bound(node: Node<'_>, name: &str) -> Option<Tensor> {
    node.float(name).and_then(|value| Tensor::new(Vec::new(), Data::F32(vec![value])))
}

impl Kernel for Clip {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let mut clipped = inputs.get(0)?.clone();
        if let Some(least) = self.least.as_ref().or(inputs.optional(1)) {
            clipped = Arithmetic::Max.apply(&clipped, least)?;
        }
        if let Some(largest) = self.largest.as_ref().or(inputs.optional(2)) {
            clipped = Arithmetic::Min.apply(&clipped, largest)?;
        }
        Ok(vec![clipped])
    }
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn function<T: PartialOrd>(self) -> fn(T, T) -> bool {
        match self {
            Self::Equal => |a, b| a == b,
            Self::Greater => |a, b| a > b,
            Self::GreaterOrEqual => |a, b| a >= b,
            Self::Less => |a, b| a < b,
            Self::LessOrEqual => |a, b| a <= b,
        }
    }
}

impl Kernel for Comparison {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let shapes = (left.shape(), right.shape());
        let (shape, data) = match (left.data(), right.data()) {
            (Data::F32(a), Data::F32(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (Data::F64(a), Data::F64(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (Data::I32(a), Data::I32(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (Data::I64(a), Data::I64(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (Data::U64(a), Data::U64(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (Data::Bool(a), Data::Bool(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (Data::Str(a), Data::Str(b)) => zip(shapes, a, b, self.function(), Data::Bool),
            (a, b) => return not_both(a, b),
        }?;
        Ok(vec![tensor(shape, data)?])
    }
}

#[derive(Debug, Clone, Copy)]
enum Logic {
    And,
    Or,
    Xor,
}

impl Kernel for Logic {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let (Data::Bool(a), Data::Bool(b)) = (left.data(), right.data()) else {
            return not_both(left.data(), right.data());
        };
        let function: fn(bool, bool) -> bool = match self {
            Self::And => |a, b| a && b,
            Self::Or => |a, b| a || b,
            Self::Xor => |a, b| a != b,
        };
        let (shape, data) = zip((left.shape(), right.shape()), a, b, function, Data::Bool)?;
        Ok(vec![tensor(shape, data)?])
    }
}

/// Puts two arrays together, stretched to one shape.
fn zip<T: Clone, U>(
    (left_shape, right_shape): (&[usize], &[usize]),
    left: &[T],
    right: &[T],
    function: fn(T, T) -> U,
    wrap: fn(Vec<U>) -> Data,
) -> Result<(Vec<usize>, Data), RunError> {
    if left_shape == right_shape {
        let pairs = left.iter().zip(right);
        let made = pairs.map(|(a, b)| function(a.clone(), b.clone())).collect();
        return Ok((left_shape.to_vec(), wrap(made)));
    }
    let shape = broadcast(left_shape, right_shape)?;
    let from_left = Offsets::stretched(left_shape, &shape)?;
    let from_right = Offsets::stretched(right_shape, &shape)?;
    let pairs = from_left.zip(from_right);
    let made = pairs.map(|(a, b)| function(left[a].clone(), right[b].clone())).collect();
    Ok((shape, wrap(made)))
}

fn not_both<T>(left: &Data, right: &Data) -> Result<T, RunError> {
    failed(format!("it does not take {} with {}", type_name(left), type_name(right)))
}

#[derive(Debug)]
struct Not;

impl Kernel for Not {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let Data::Bool(items) = input.data() else {
            return failed(format!("it takes bool, not {}", type_name(input.data())));
        };
        let negated = items.iter().map(|item| !item).collect();
        Ok(vec![tensor(input.shape().to_vec(), Data::Bool(negated))?])
    }
}

#[derive(Debug, Clone, Copy)]
enum Unary {
    Abs,
    Ceil,
    Exp,
    Floor,
    Log,
    Neg,
    Reciprocal,
    Relu,
    Sigmoid,
    Sign,
    Sqrt,
    Tanh,
}

macro_rules! unary {
    ($number:ty, $operation:expr) => {
        match $operation {
            Unary::Abs => |a: $number| a.abs(),
            Unary::Ceil => |a| a.ceil(),
            Unary::Exp => |a| a.exp(),
            Unary::Floor => |a| a.floor(),
            Unary::Log => |a| a.ln(),
            Unary::Neg => |a| -a,
            Unary::Reciprocal => |a| a.recip(),
            Unary::Relu => |a| if a < 0.0 { 0.0 } else { a },
            Unary::Sigmoid => |a| 1.0 / (1.0 + (-a).exp()),
            // Zero and NaN have none.
            Unary::Sign => |a| {
                if a > 0.0 {
                    1.0
                } else if a < 0.0 {
                    -1.0
                } else {
                    0.0
                }
            },
            Unary::Sqrt => |a| a.sqrt(),
            Unary::Tanh => |a| a.tanh(),
        }
    };
}

impl Kernel for Unary {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let data = match (input.data(), self) {
            (Data::F32(items), _) => {
                let function: fn(f32) -> f32 = unary!(f32, self);
                Data::F32(items.iter().map(|item| function(*item)).collect())
            }
            (Data::F64(items), _) => {
                let function: fn(f64) -> f64 = unary!(f64, self);
                Data::F64(items.iter().map(|item| function(*item)).collect())
            }
            (Data::I32(items), Self::Neg) => {
                Data::I32(items.iter().map(|item| item.wrapping_neg()).collect())
            }
            (Data::I64(items), Self::Neg) => {
                Data::I64(items.iter().map(|item| item.wrapping_neg()).collect())
            }
            (Data::I32(items), Self::Sign) => {
                Data::I32(items.iter().map(|item| item.signum()).collect())
            }
            (Data::I64(items), Self::Sign) => {
                Data::I64(items.iter().map(|item| item.signum()).collect())
            }
            (Data::I32(items), Self::Abs) => {
                Data::I32(items.iter().map(|item| item.wrapping_abs()).collect())
            }
            (Data::I64(items), Self::Abs) => {
                Data::I64(items.iter().map(|item| item.wrapping_abs()).collect())
            }
            (other, _) => return failed(format!("it does not take {}", type_name(other))),
        };
        Ok(vec![tensor(input.shape().to_vec(), data)?])
    }
}

#[derive(Debug)]
struct IsNan;

impl Kernel for IsNan {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let input = inputs.get(0)?;
        let found = match input.data() {
            Data::F32(items) => items.iter().map(|item| item.is_nan()).collect(),
            Data::F64(items) => items.iter().map(|item| item.is_nan()).collect(),
            other => return failed(format!("it does not take {}", type_name(other))),
        };
        Ok(vec![tensor(input.shape().to_vec(), Data::Bool(found))?])
    }
}

/// Takes each element from one array or the other.
#[derive(Debug)]
struct Where;

impl Kernel for Where {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        let (condition, yes, no) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
        let Data::Bool(wanted) = condition.data() else {
            return failed(format!("it chooses by bool, not by {}", type_name(condition.data())));
        };
        let shape = broadcast(condition.shape(), &broadcast(yes.shape(), no.shape())?)?;
        let wanted = Offsets::stretched(condition.shape(), &shape)?.map(|at| wanted[at]);
        let mut chosen = pick(yes.data(), Offsets::stretched(yes.shape(), &shape)?);
        let others = pick(no.data(), Offsets::stretched(no.shape(), &shape)?);
        match (&mut chosen, others) {
            (Data::F32(a), Data::F32(b)) => replace(a, b, wanted),
            (Data::F64(a), Data::F64(b)) => replace(a, b, wanted),
            (Data::I32(a), Data::I32(b)) => replace(a, b, wanted),
            (Data::I64(a), Data::I64(b)) => replace(a, b, wanted),
            (Data::U64(a), Data::U64(b)) => replace(a, b, wanted),
            (Data::Bool(a), Data::Bool(b)) => replace(a, b, wanted),
            (Data::Str(a), Data::Str(b)) => replace(a, b, wanted),
            (a, b) => return not_both(a, &b),
        }
        Ok(vec![tensor(shape, chosen)?])
    }
}

fn replace<T>(chosen: &mut [T], others: Vec<T>, wanted: impl Iterator<Item = bool>) {
    for ((slot, other), wanted) in chosen.iter_mut().zip(others).zip(wanted) {
        if !wanted {
            *slot = other;
        }
    }
}

#[derive(Debug)]
struct Identity;

impl Kernel for Identity {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        Ok(vec![inputs.get(0)?.clone()])
    }
}

/// The element types that arrays have here.
#[derive(Debug, Clone, Copy)]
enum Kind {
    F32,
    F64,
    I32,
    I64,
    U64,
    Bool,
    Str,
}

fn kind_of(data: &Data) -> Kind {
    match data {
        Data::F32(_) => Kind::F32,
        Data::F64(_) => Kind::F64,
        Data::I32(_) => Kind::I32,
        Data::I64(_) => Kind::I64,
        Data::U64(_) => Kind::U64,
        Data::Bool(_) => Kind::Bool,
        Data::Str(_) => Kind::Str,
    }
}

#[derive(Debug)]
struct Cast(Kind);

fn cast(node: Node<'_>) -> Result<Box<dyn Kernel>, ReadError> {
    // The numbers of `TensorProto.DataType`.
    let kind = match node.int_or("to", 0) {
        1 => Kind::F32,
        6 => Kind::I32,
        7 => Kind::I64,
        8 => Kind::Str,
        9 => Kind::Bool,
        11 => Kind::F64,
        13 => Kind::U64,
        other => return Err(node.unsupported(format!("makes the element type {other}"))),
    };
    Ok(Box::new(Cast(kind)))
}

impl Kernel for Cast {
    fn run(&self, inputs: Inputs<'_>) -> Result<Vec<Tensor>, RunError> {
        Ok(vec![convert(inputs.get(0)?, self.0)?])
    }
}

/// Writes the conversion of a list of numbers into every type.
macro_rules! convert_numbers {
    ($items:expr, $kind:expr, $zero:expr) => {
        match $kind {
            Kind::F32 => Data::F32($items.iter().map(|item| *item as f32).collect()),
            Kind::F64 => Data::F64($items.iter().map(|item| *item as f64).collect()),
            Kind::I32 => Data::I32($items.iter().map(|item| *item as i32).collect()),
            Kind::I64 => Data::I64($items.iter().map(|item| *item as i64).collect()),
            Kind::U64 => Data::U64($items.iter().map(|item| *item as u64).collect()),
            Kind::Bool => Data::Bool($items.iter().map(|item| *item != $zero).collect()),
            Kind::Str => Data::Str($items.iter().map(ToString::to_string).collect()),
        }
    };
}

fn convert(input: &Tensor, kind: Kind) -> Result<Tensor, RunError> {
    let data = match input.data() {
        Data::F32(items) => convert_numbers!(items, kind, 0.0),
        Data::F64(items) => convert_numbers!(items, kind, 0.0),
        Data::I32(items) => convert_numbers!(items, kind, 0),
        Data::I64(items) => convert_numbers!(items, kind, 0),
        Data::U64(items) => convert_numbers!(items, kind, 0),
        Data::Bool(items) => {
            let numbers: Vec<i32> = items.iter().map(|item| i32::from(*item)).collect();
            convert_numbers!(numbers, kind, 0)
        }
        Data::Str(items) => convert_texts(items, kind)?,
    };
    tensor(input.shape().to_vec(), data)
}

fn convert_texts(items: &[String], kind: Kind) -> Result<Data, RunError> {
    fn parse<T: std::str::FromStr>(items: &[String]) -> Result<Vec<T>, RunError> {
        let number = |item: &String| {
            item.trim().parse().map_err(|_| RunError(format!("`{item}` is no number that fits")))
        };
        items.iter().map(number).collect()
    }
    Ok(match kind {
        Kind::F32 => Data::F32(parse(items)?),
        Kind::F64 => Data::F64(parse(items)?),
        Kind::I32 => Data::I32(parse(items)?),
        Kind::I64 => Data::I64(parse(items)?),
        Kind::U64 => Data::U64(parse(items)?),
        Kind::Str => Data::Str(items.to_vec()),
        Kind::Bool => return failed("a text does not become a bool"),
    })
}
