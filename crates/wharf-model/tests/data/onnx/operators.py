"""Makes `operators.jsonl`: one model with one node a line, and what the reference evaluator of the onnx package answers.

Run with Python 3.11, onnx 1.23 and numpy: `python operators.py > operators.jsonl`. Left out is where that evaluator
differs from onnxruntime: LpNormalization with p=1 of negative numbers, Normalizer MAX, a NaN as a key of LabelEncoder.
"""

import base64
import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

random = np.random.default_rng(0)
ml = "ai.onnx.ml"
TYPES = {
    np.dtype("float32"): TensorProto.FLOAT,
    np.dtype("float64"): TensorProto.DOUBLE,
    np.dtype("int32"): TensorProto.INT32,
    np.dtype("int64"): TensorProto.INT64,
    np.dtype("bool"): TensorProto.BOOL,
}


def is_text(array):
    return array.dtype.kind in "UO"


def element(array):
    return TensorProto.STRING if is_text(array) else TYPES[array.dtype]


def written(name, array):
    # JSON has no NaN.
    items = [None if item != item else item for item in array.ravel().tolist()]
    return {
        "name": name,
        "dtype": "str" if is_text(array) else str(array.dtype),
        "shape": list(array.shape),
        "data": items,
    }


def case(operator, inputs, constants=(), dom="", opset=18, nout=1, **attributes):
    names = [f"x{at}" for at in range(len(inputs))]
    fixed = [f"c{at}" for at in range(len(constants))]
    outputs = [f"y{at}" for at in range(nout)]
    node = helper.make_node(operator, names + fixed, outputs, domain=dom, **attributes)

    def model(types):
        graph = helper.make_graph(
            [node],
            "g",
            [helper.make_tensor_value_info(k, element(a), [None] * a.ndim) for k, a in zip(names, inputs)],
            [helper.make_tensor_value_info(k, t, None) for k, t in zip(outputs, types)],
            [numpy_helper.from_array(c, k) for k, c in zip(fixed, constants)],
        )
        versions = [helper.make_opsetid("", opset), helper.make_opsetid(ml, 3)]
        return helper.make_model(graph, opset_imports=versions, ir_version=8)

    answers = ReferenceEvaluator(model([TensorProto.FLOAT] * nout)).run(None, dict(zip(names, inputs)))
    answers = [np.asarray(answer) for answer in answers]
    line = {
        "operator": operator,
        "model": base64.b64encode(model([element(a) for a in answers]).SerializeToString()).decode(),
        "inputs": [written(k, a) for k, a in zip(names, inputs)],
        "outputs": [written(k, a) for k, a in zip(outputs, answers)],
    }
    print(json.dumps(line))


def floats(*shape):
    return random.normal(size=shape).astype(np.float32)


def ints(*items):
    return np.array(items, dtype=np.int64)


for op in ["Add", "Sub", "Mul", "Div", "Max", "Min"]:
    case(op, [floats(2, 3, 4), floats(3, 1)])
    case(op, [floats(4), floats(2, 1, 4)])
case("Pow", [abs(floats(3, 4)), floats(1)])
case("Pow", [floats(3, 4), ints(3)])
for op in ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"]:
    case(op, [np.round(floats(2, 3)), np.round(floats(3))])
for op in ["Abs", "Ceil", "Exp", "Floor", "Neg", "Reciprocal", "Relu", "Sigmoid", "Tanh"]:
    case(op, [floats(2, 3)])
for op in ["Log", "Sqrt"]:
    case(op, [abs(floats(2, 3))])
case("Sum", [floats(2, 3), floats(3), floats(1)])
X = floats(2, 3, 4)
for op in [
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
]:
    case(op, [X], [ints(1)], keepdims=0)
    case(op, [X], [ints(-1, 0)], keepdims=1)
    case(op, [X])
case("ReduceLogSum", [abs(X)], [ints(1)], keepdims=0)
case("ReduceSum", [X], [ints(1)], keepdims=0)
case("ReduceSum", [X], opset=11, axes=[0, 2], keepdims=0)
case("ReduceSum", [ints(1, 2, 3)], [ints(0)])
for a in [0, 1, 2, -1]:
    case("Softmax", [X], axis=a)
    case("LogSoftmax", [X], axis=a)
case("Softmax", [floats(2, 3)], opset=11)
case("Softmax", [floats(2, 3)], opset=18)
for op in ["ArgMax", "ArgMin"]:
    for a in [0, 1, 2]:
        case(op, [np.round(X)], axis=a, keepdims=0)
        case(op, [np.round(X)], axis=a, keepdims=1)
        case(op, [np.round(X)], axis=a, keepdims=1, select_last_index=1)
for a in [0, 1, 2]:
    case("TopK", [X], [ints(2)], axis=a, nout=2)
    case("TopK", [X], [ints(2)], axis=a, nout=2, largest=0)
case("MatMul", [floats(2, 3, 4), floats(4, 5)])
case("MatMul", [floats(4), floats(2, 4, 5)])
case("MatMul", [floats(2, 1, 3, 4), floats(3, 4, 2)])
case("MatMul", [floats(4), floats(4)])
case("MatMul", [floats(3, 4), floats(4)])
case("Gemm", [floats(3, 4), floats(5, 4), floats(5)], alpha=0.5, beta=2.0, transB=1)
case("Gemm", [floats(4, 3), floats(4, 5)], transA=1)
case("Gemm", [floats(3, 4), floats(4, 5), floats(3, 1)])
case("Reshape", [X], [ints(0, -1)])
case("Reshape", [X], [ints(4, 3, 2)])
case("Flatten", [X], axis=0)
case("Flatten", [X], axis=2)
case("Flatten", [X], axis=3)
case("Flatten", [X], axis=-1)
case("Concat", [X, X], axis=0)
case("Concat", [X, X], axis=1)
case("Concat", [X, X], axis=-1)
case("Transpose", [X])
case("Transpose", [X], perm=[2, 0, 1])
case("Squeeze", [floats(1, 3, 1)])
case("Squeeze", [floats(1, 3, 1)], [ints(-1)])
case("Unsqueeze", [floats(2, 3)], [ints(0, 3)])
case("Unsqueeze", [floats(2, 3)], [ints(-1)])
case("Shape", [X])
case("Shape", [X], start=1)
case("Shape", [X], start=-2, end=-1)
case("Gather", [X, ints(1, 0, -1)], axis=1)
case("Gather", [X, np.array([[0, 1], [1, 1]], dtype=np.int64)], axis=0)
case("Gather", [X, np.array(2, dtype=np.int64)], axis=2)
case("Slice", [floats(5, 6)], [ints(1, -1), ints(4, -7), ints(0, 1), ints(2, -2)])
case("Slice", [floats(5, 6)], [ints(1), ints(100), ints(1)])
case("Slice", [floats(5, 6)], [ints(0, 2), ints(3, -1)])
case("Expand", [floats(3, 1)], [ints(2, 1, 4)])
case("ConstantOfShape", [ints(2, 3)], value=numpy_helper.from_array(np.array([7], dtype=np.int64)))
case("LpNormalization", [floats(2, 3)], axis=0, p=2)
for t in [6, 7, 9, 11, 1]:
    case("Cast", [floats(2, 3) * 3], to=t)
S = np.array([["a"], ["b"], ["q"]], dtype=object)
case("LabelEncoder", [S], dom=ml, keys_strings=["a", "b"], values_int64s=[4, 5], default_int64=-7)
case("LabelEncoder", [ints(1, 2, 3)], dom=ml, keys_int64s=[1, 2], values_strings=["u", "v"], default_string="w")
case("LabelEncoder", [ints(1, 2, 3)], dom=ml, keys_int64s=[1, 2], values_floats=[0.5, 1.5])
case("OneHotEncoder", [ints(1, 2, 5)], dom=ml, cats_int64s=[1, 2, 3])
case("OneHotEncoder", [S], dom=ml, cats_strings=["a", "b"])
case("Normalizer", [floats(3, 4)], dom=ml, norm="L1")
case("Normalizer", [floats(3, 4)], dom=ml, norm="L2")
case("FeatureVectorizer", [floats(3, 2), floats(3, 1)], dom=ml, inputdimensions=[2, 1])
case("ArrayFeatureExtractor", [floats(3, 4), ints(0, 3, 1)], dom=ml)
case(
    "Imputer",
    [np.array([[1, np.nan]], dtype=np.float32)],
    dom=ml,
    imputed_value_floats=[7.0],
    replaced_value_float=float("nan"),
)
case("Binarizer", [floats(3, 4)], dom=ml, threshold=0.1)
case("LinearRegressor", [floats(3, 2)], dom=ml, coefficients=[1.0, 2.0, 3.0, 4.0], intercepts=[0.1, 0.2], targets=2)
for pt in ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]:
    case(
        "LinearClassifier",
        [floats(3, 2)],
        dom=ml,
        coefficients=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        intercepts=[0.1, 0.2, 0.3],
        classlabels_ints=[3, 4, 5],
        post_transform=pt,
        nout=2,
    )
case(
    "SVMRegressor",
    [floats(3, 2)],
    dom=ml,
    kernel_type="RBF",
    kernel_params=[0.5, 0.0, 3.0],
    support_vectors=floats(4, 2).ravel().tolist(),
    coefficients=[1.0, -1.0, 0.5, 0.2],
    rho=[0.3],
    n_supports=4,
)
case(
    "SVMRegressor",
    [floats(3, 2)],
    dom=ml,
    kernel_type="POLY",
    kernel_params=[0.5, 1.0, 3.0],
    support_vectors=floats(4, 2).ravel().tolist(),
    coefficients=[1.0, -1.0, 0.5, 0.2],
    rho=[0.3],
    n_supports=4,
)
case(
    "SVMRegressor",
    [floats(3, 2)],
    dom=ml,
    kernel_type="SIGMOID",
    kernel_params=[0.5, 1.0, 3.0],
    support_vectors=floats(4, 2).ravel().tolist(),
    coefficients=[1.0, -1.0, 0.5, 0.2],
    rho=[0.3],
    n_supports=4,
)
case(
    "SVMRegressor",
    [floats(3, 2)],
    dom=ml,
    kernel_type="LINEAR",
    kernel_params=[0.5, 1.0, 3.0],
    coefficients=[1.0, -1.0],
    rho=[0.3],
    n_supports=0,
)
yes = np.array([[True], [False]])
no = np.array([True, False, False])
for op in ["And", "Or", "Xor", "Equal"]:
    case(op, [yes, no])
case("Not", [no])
case("Where", [yes, floats(2, 3), floats(3)])
case("Where", [no, ints(1, 2, 3), ints(7)])
case("IsNaN", [np.array([1, np.nan], dtype=np.float32)])
case("Identity", [floats(2, 3)])
case("Scaler", [floats(3, 2)], dom=ml, offset=[1.0, 2.0], scale=[0.5, 2.0])
case("Max", [ints(1, 5), ints(4)])
case("Div", [ints(7, -7), ints(2)])
