//! ONNX: what a graph holds, and our interpreter for `ai.onnx.ml` and the tensor operators around it.
//!
//! ```text
//! bytes ─ wire (sizes, depth) ─ proto (messages) ─ check (structure) ─┬─ facts
//!                                                                     └─ plan ─ ops, ml (one kernel for each node)
//! ```
//!
//! Answers are those of onnxruntime, within 1e-5·max(1, |answer|); labels and texts exactly.

mod facts;

mod interpreter;

mod wire;

mod proto;

mod check;

mod element;

mod constant;

mod plan;

mod growth;

mod node;

mod array;

mod key;

mod ops;

mod ml;

pub use facts::{Facts, Operator, Port, facts};
pub(crate) use growth::check_growth;
pub use interpreter::Interpreter;

/// The standard operators of the runtime for neural networks; [`neural`](crate::neural) has a test that it knows
/// them. They stand here because the server for classic models must not link that runtime.
#[rustfmt::skip]
pub(crate) const NEURAL: &[&str] = &[
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "Attention",
    "AveragePool", "BatchNormalization", "Cast", "CastLike", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape",
    "Conv", "ConvInteger", "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "DequantizeLinear", "Div",
    "DynamicQuantizeLinear", "Einsum", "Elu", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten", "Floor", "GRU",
    "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater",
    "GreaterOrEqual", "GridSample", "HardSigmoid", "HardSwish", "Identity", "If", "InstanceNormalization", "IsInf",
    "IsNaN", "LSTM", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "Loop",
    "LpNormalization", "MatMul", "MatMulInteger", "Max", "MaxPool", "Mean", "Min", "Mod", "Mul", "Neg",
    "NonMaxSuppression", "NonZero", "Not", "OneHot", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear",
    "RMSNormalization", "Range", "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape",
    "Resize", "ReverseSequence", "RotaryEmbedding", "Round", "Scatter", "ScatterElements", "ScatterND", "Shape",
    "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze",
    "Sub", "Sum", "Swish", "Tan", "Tanh", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze", "Upsample", "Where",
    "Xor",
];
