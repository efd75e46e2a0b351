"""Arguments and answers: what stands in a frame <-> the objects that a model takes and gives.

A value travels as a description (JSON) and raw buffers; `runtime/python/wire.rs` is the other side. Data types are
those of the model's card. NumPy, pandas, SciPy and torch are imported only where a value needs them: a plain
function works in a Python that has none of them.
"""

import collections.abc
import datetime
import itertools
import math
import sys

MAX_DEPTH = 100
MAX_ITEMS = 1_000_000
ARRAYS = ("ndarray", "torch", "tf_tensor", "csr_matrix", "xgboost_dmatrix")
# The element types of a tensor that travels: NumPy's name -> the letter of `struct` and `memoryview`.
LETTERS = {"float32": "f", "float64": "d", "int32": "i", "int64": "q", "uint64": "Q", "bool": "?"}
# Other element types travel as the next wider one of these.
WIDER = {"float16": "float32", "longdouble": "float64", "float128": "float64", "int8": "int32", "int16": "int32",
         "uint8": "int32", "uint16": "int32", "uint32": "int64"}


class SerializationError(Exception):
    """The model's answer has no form in which it could be sent."""


# --------------------------------------------------------------------------------------------------------------
# Buffers


class Buffers:
    """Reads the buffers of a frame one after the other; each begins at a multiple of eight."""

    def __init__(self, body):
        self.body = memoryview(body)
        self.at = 0

    def take(self, size):
        piece = self.body[self.at:self.at + size]
        self.at += size + -size % 8
        return piece

    def take_texts(self, count):
        offsets = self.take(4 * (count + 1)).cast("I")
        text = bytes(self.take(offsets[count]))
        return [text[start:end].decode() for start, end in zip(offsets, offsets[1:])]


def texts_to_buffers(texts):
    encoded = [text.encode("utf-8", "replace") for text in texts]
    offsets = memoryview(bytearray(4 * (len(encoded) + 1))).cast("I")
    for index, end in enumerate(itertools.accumulate(map(len, encoded)), 1):
        offsets[index] = end
    return [offsets.tobytes(), b"".join(encoded)]


# --------------------------------------------------------------------------------------------------------------
# Arguments


def read_argument(part, buffers, kind):
    """Makes the argument of data type `kind` from what the front has sent."""
    (form, content), = part.items()
    if kind["type"] == "lightgbm":
        kind = kind["inner"]
    if form == "json":
        return from_json(content, kind)
    if form == "tensor":
        return from_tensor(content["dtype"], content["shape"], buffers, kind)
    if form == "frame":
        return from_columns([read_column(column, content["rows"], buffers) for column in content["columns"]], kind)
    if form == "binary":
        return bytes(buffers.take(content["bytes"]))
    items = kind.get("items", [])
    filled = itertools.chain(items, itertools.repeat({"type": "unspecified"}))
    values = [read_argument(item, buffers, item_kind) for item, item_kind in zip(content, filled)]
    return tuple(values) if kind["type"] == "tuple" else values


def from_tensor(dtype, shape, buffers, kind):
    count = math.prod(shape)
    if kind["type"] in ARRAYS or kind["type"] in ("number", "unspecified"):
        return to_library(to_numpy(dtype, shape, count, buffers), kind)
    if dtype == "str":
        return nested(buffers.take_texts(count), shape)
    view = buffers.take(count * memory_size(dtype))
    if not count:
        return nested([], shape)
    letter = LETTERS[dtype]
    return view.cast(letter, shape).tolist() if shape else view.cast(letter)[0]


def to_numpy(dtype, shape, count, buffers):
    import numpy

    if dtype == "str":
        return numpy.array(buffers.take_texts(count), dtype=str).reshape(shape)
    return numpy.frombuffer(buffers.take(count * memory_size(dtype)), dtype=dtype).reshape(shape)


def to_library(array, kind):
    """Hands an array to the library that the data type names."""
    name = kind["type"]
    if name == "xgboost_dmatrix":
        import xgboost

        return xgboost.DMatrix(array, feature_names=kind.get("feature_names"))
    if "dtype" not in kind:
        return array
    if name == "torch":
        import torch

        return torch.from_numpy(array).to(getattr(torch, kind["dtype"].replace("torch.", "")))
    array = array.astype(numpy_dtype(kind["dtype"]), copy=False)
    if name == "tf_tensor":
        import tensorflow

        return tensorflow.convert_to_tensor(array)
    if name == "csr_matrix":
        import scipy.sparse

        return scipy.sparse.csr_matrix(array)
    return array[()] if name == "number" else array


def from_json(value, kind):
    """Makes a value of data type `kind` from JSON, which has been checked against it."""
    name = kind["type"]
    if name == "lightgbm":
        return from_json(value, kind["inner"])
    if name == "array":
        return [from_json(item, kind["dtype"]) for item in value]
    if name in ("list", "tuple"):
        items = [from_json(item, item_kind) for item, item_kind in zip(value, kind["items"])]
        return tuple(items) if name == "tuple" else items
    if name == "dict":
        return {key: from_json(item, kind["item_types"][key]) for key, item in value.items()}
    if name == "d_dict":
        integers = kind["key_type"].get("ptype") == "int"
        return {int(key) if integers else key: from_json(item, kind["value_type"]) for key, item in value.items()}
    if name in ("dataframe", "series"):
        rows = value["values"] if isinstance(value, dict) else value
        return from_columns([(column, [row.get(column) for row in rows]) for column in kind["columns"]], kind)
    if name in ARRAYS or name == "number":
        import numpy

        return to_library(numpy.array(value, dtype=numpy_dtype(kind.get("dtype", "float64"))), kind)
    if name == "primitive" and kind["ptype"] == "float" and isinstance(value, int):
        return float(value)
    return value


def read_column(column, rows, buffers):
    form = column["form"]
    if "values" in form:
        return column["name"], form["values"]
    return column["name"], to_numpy(form["dtype"], [rows], rows, buffers)


def from_columns(columns, kind):
    """Makes a DataFrame or Series from pairs of name and values, with the dtypes of the signature."""
    import pandas

    dtypes = dict(zip(kind.get("columns", []), kind.get("dtypes", [])))
    series = {at: to_series(pandas, values, dtypes.get(name)) for at, (name, values) in enumerate(columns)}
    frame = pandas.DataFrame(series)
    frame.columns = [name for name, _ in columns]
    index = kind.get("index_cols") or []
    if index:
        frame = frame.set_index(index)
        # MLEM writes an index without a name as "".
        frame.index.names = [name or None for name in frame.index.names]
    if kind["type"] != "series":
        return frame
    column = frame.iloc[:, -1]
    return column.rename(column.name or None)


def to_series(pandas, values, dtype):
    if dtype is None or dtype == "object":
        return pandas.Series(values, dtype=object if dtype else None)
    if dtype == "str" and int(pandas.__version__.split(".")[0]) < 3:
        # pandas 1 and 2 have no `str` column, and would write None as the text "None".
        return pandas.Series(values, dtype=object)
    if dtype.startswith("datetime64"):
        return pandas.Series(pandas.to_datetime(values, utc="," in dtype or None)).astype(dtype)
    return pandas.Series(values).astype(dtype) if len(values) else pandas.Series([], dtype=dtype)


# --------------------------------------------------------------------------------------------------------------
# Answers


def write_answer(value, kind):
    """Returns the description of an answer and its buffers."""
    value = shape_answer(value, kind)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"binary": {"bytes": len(value)}}, [bytes(value)]
    if is_of("pandas", "DataFrame", value):
        return frame_to_part(value, kind)
    if is_of("numpy", "ndarray", value):
        return array_to_part(value)
    if isinstance(value, (list, tuple)) and any(holds_array(item) for item in value):
        written = [write_answer(item, {"type": "unspecified"}) for item in value]
        return {"list": [part for part, _ in written]}, [piece for _, pieces in written for piece in pieces]
    return {"json": to_json(value)}, []


def shape_answer(value, kind):
    """Gives the answer the form that the signature promises, where it can take it."""
    name = kind["type"]
    if name == "binary" and isinstance(value, str):
        return value.encode()
    if name == "series" and is_of("pandas", "Series", value):
        names = [column for column in kind["columns"] if column not in kind.get("index_cols", [])]
        return value.to_frame(names[0] if names else value.name)
    if name == "dataframe" and not is_of("pandas", "DataFrame", value):
        import pandas

        return pandas.DataFrame(value)
    value = as_array(value)
    if name in ARRAYS and not is_of("numpy", "ndarray", value):
        import numpy

        return numpy.array(value, dtype=numpy_dtype(kind["dtype"]) if "dtype" in kind else None)
    if name in ("number", "primitive") and is_of("numpy", "ndarray", value) and value.size == 1:
        return value.reshape(())[()]
    return value


def as_array(value):
    """Returns the array that a library's own kind of array holds; anything else as it is."""
    if is_from("torch", value) and hasattr(value, "detach"):
        tensor = value.detach().cpu()
        return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    if is_from("tensorflow", value) and hasattr(value, "numpy"):
        return value.numpy()
    if is_from("scipy.sparse", value) and hasattr(value, "toarray"):
        return value.toarray()
    # Series, indexes and pandas' own arrays; its single dates have `to_numpy` too, but no length.
    is_column = is_from("pandas", value) and hasattr(value, "to_numpy") and hasattr(value, "__len__")
    return value.to_numpy() if is_column and not is_of("pandas", "DataFrame", value) else value


def holds_array(value):
    return type(value).__module__ != "builtins" and is_of("numpy", "ndarray", as_array(value))


def array_to_part(array):
    name = WIDER.get(array.dtype.name, array.dtype.name)
    if name in LETTERS:
        import numpy

        dtype = numpy.dtype(name).newbyteorder("<")
        shape = list(array.shape)
        return {"tensor": {"dtype": name, "shape": shape}}, [array.astype(dtype, copy=False).tobytes()]
    items = array.reshape(-1).tolist()
    if array.dtype.kind == "M":
        items = dates_to_texts(array)
    if all(isinstance(item, str) for item in items):
        return {"tensor": {"dtype": "str", "shape": list(array.shape)}}, texts_to_buffers(items)
    return {"json": nested([to_json(item) for item in items], list(array.shape))}, []


def frame_to_part(frame, kind):
    index = kind.get("index_cols") or []
    if index or any(name is not None for name in frame.index.names):
        frame = frame.reset_index(names=index) if index else frame.reset_index()
    columns, buffers = [], []
    for at, name in enumerate(frame.columns):
        form, buffer = column_to_part(frame.iloc[:, at])
        columns.append({"name": str(name), "form": form})
        buffers.extend(buffer)
    return {"frame": {"rows": len(frame), "columns": columns}}, buffers


def column_to_part(series):
    dtype = series.dtype
    # Extension types (a capital letter, as in `Int64`) may hold missing values.
    if str(dtype) in ("float64", "int64", "bool", "int32", "int16", "int8", "uint32", "uint16", "uint8"):
        name = str(dtype) if str(dtype) in ("float64", "bool") else "int64"
        return {"dtype": name}, [series.to_numpy(dtype=name).tobytes()]
    return {"values": [to_json(item) for item in series.astype(object).tolist()]
            if str(dtype) != "float32" else [to_json(item) for item in series.to_numpy()]}, []


def to_json(value, depth=0):
    """Returns JSON for a value and everything in it: NaN is null, dates are ISO text, keys are text."""
    if value is None or isinstance(value, (bool, str)):
        return str.__str__(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return integer_to_json(int(value))
    if isinstance(value, float) and not is_from("numpy", value):
        return float(value) if math.isfinite(value) else None
    if depth > MAX_DEPTH:
        raise SerializationError(f"the answer is nested deeper than {MAX_DEPTH}")
    if is_from("numpy", value) or is_from("pandas", value) or hasattr(value, "detach") or hasattr(value, "toarray"):
        return library_to_json(value, depth)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, collections.abc.Mapping):
        return {key_to_json(key): to_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset, range, collections.abc.Iterator, collections.abc.ValuesView,
                          collections.abc.KeysView, collections.abc.ItemsView, collections.deque)):
        return iterable_to_json(value, depth)
    raise no_form(value)


def integer_to_json(value):
    # Beyond 64 bits JSON readers take a floating-point number anyway.
    if -(1 << 63) <= value < 1 << 64:
        return value
    try:
        return float(value)
    except OverflowError:
        raise SerializationError("the answer holds an integer that is too large for a JSON number") from None


def iterable_to_json(values, depth):
    items = [to_json(item, depth + 1) for item in itertools.islice(values, MAX_ITEMS + 1)]
    if len(items) > MAX_ITEMS:
        raise SerializationError(f"the answer holds a list of more than {MAX_ITEMS} items")
    return items


def key_to_json(key):
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, bool) or key is None:
        return {True: "true", False: "false", None: "null"}[key]
    if isinstance(key, int) or is_of("numpy", "integer", key):
        return str(int(key))
    raise SerializationError(f"the answer holds a dict with a key of type {type_name(key)}; keys are text or integers")


def library_to_json(value, depth):
    if is_of("pandas", "DataFrame", value):
        columns = {str(name): to_json(value.iloc[:, at], depth + 1) for at, name in enumerate(value.columns)}
        return {"values": [dict(zip(columns, row)) for row in zip(*columns.values())]}
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    value = as_array(value)
    if is_of("numpy", "datetime64", value):
        return dates_to_texts(value.reshape(1))[0]
    if is_of("numpy", "ndarray", value):
        items = dates_to_texts(value) if value.dtype.kind == "M" else value.reshape(-1)
        return nested([to_json(item, depth + 1) for item in items], list(value.shape))
    if is_of("numpy", "floating", value):
        # By its text, so that a float32 0.1 stays 0.1.
        return float(str(value)) if math.isfinite(value) else None
    if is_of("numpy", "generic", value):
        item = value.item()
        if not is_from("numpy", item):
            return to_json(item, depth)
    raise no_form(value)


def dates_to_texts(array):
    import numpy

    return [None if text == "NaT" else text for text in numpy.datetime_as_string(array.reshape(-1), unit="auto").tolist()]


def no_form(value):
    return SerializationError(f"the answer holds a value of type {type_name(value)}, which has no JSON form")


# --------------------------------------------------------------------------------------------------------------
# Small things


def is_from(module, value):
    """Says whether a value's class comes from a package, without importing it."""
    home = type(value).__module__ or ""
    return home == module or home.startswith(module + ".")


def is_of(module, name, value):
    """Says whether a value is an instance of a package's class, without importing it."""
    loaded = sys.modules.get(module)
    kind = getattr(loaded, name, None)
    return kind is not None and isinstance(value, kind)


def type_name(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def memory_size(dtype):
    return {"float32": 4, "int32": 4, "bool": 1}.get(dtype, 8)


def numpy_dtype(name):
    # `str320` counts bits; NumPy finds the length by itself.
    return str if name.startswith("str") else name


def nested(items, shape):
    """Returns a flat list as nested lists of this shape; an empty shape is the item itself."""
    if not shape:
        return items[0]
    for size in reversed(shape[1:]):
        count = len(items) // size if size else math.prod(shape[:-1])
        items = [items[at * size:(at + 1) * size] for at in range(count)]
    return items
