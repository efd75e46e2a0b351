"""The worker: loads one model, then answers one call after the other.

Life: hello (the card) -> load -> warm-up on the card's examples -> ready; then call -> chunks where they are wanted, and
result or error, until bye or until the socket closes. Frames, little-endian: u32 length of the rest, u8 kind, u64 id, u32 length of the header,
header (JSON), buffers. The socket is this process's fd 0 at the start and is put out of the model's reach; what the
model prints goes to fd 1 and 2, which are the log.
"""

import builtins
import collections.abc
import faulthandler
import importlib.util
import json
import os
import pickle
import select
import socket
import struct
import sys
import traceback

from _wharf_values import Buffers, SerializationError, from_json, read_argument, write_answer

HELLO, READY, CALL, RESULT, ERROR, CHUNK, CANCEL, BYE = 1, 2, 3, 4, 5, 6, 7, 10
PREFIX = struct.Struct("<IBQI")
MAX_FRAME = 256 << 20
MAX_TEXT = 4000
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS",
           "VECLIB_MAXIMUM_THREADS")


class Front:
    """The socket to the model server."""

    def __init__(self):
        self.socket = socket.socket(fileno=os.dup(0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        # A process that the model forks must not hold the socket open, nor answer.
        os.register_at_fork(after_in_child=self.socket.close)

    def receive(self):
        """Returns kind, id, header and buffers of the next frame; `None` when the server is gone."""
        prefix = self.read(PREFIX.size)
        if prefix is None:
            return None
        length, kind, call, header_length = PREFIX.unpack(prefix)
        header = self.read(header_length)
        body = self.read(length + 4 - PREFIX.size - header_length)
        if header is None or body is None:
            return None
        return kind, call, json.loads(header), Buffers(body)

    def read(self, size):
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            count = self.socket.recv_into(view)
            if not count:
                return None
            view = view[count:]
        return buffer

    def send(self, frame):
        self.socket.sendall(frame)

    def has_news(self):
        """Says whether a frame has come, or the end of the socket."""
        return bool(select.select([self.socket], [], [], 0)[0])


def encode(kind, call, header, buffers=()):
    """Returns the bytes of a frame; each buffer is padded to a multiple of eight."""
    text = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    padding = [bytes(-len(piece) % 8) for piece in buffers]
    length = PREFIX.size - 4 + len(text) + sum(map(len, buffers)) + sum(map(len, padding))
    if length > MAX_FRAME:
        raise SerializationError(f"the answer has {length} bytes, and at most {MAX_FRAME} can be sent")
    pieces = [piece for pair in zip(buffers, padding) for piece in pair]
    return b"".join([PREFIX.pack(length, kind, call, len(text)), text, *pieces])


def encode_error(call, error, **more):
    return encode(ERROR, call, {"class": type(error).__name__, "text": text_of(error), **more})


# --------------------------------------------------------------------------------------------------------------
# Loading


def prepare(hello):
    """Sets up the process before anything of the model is imported."""
    faulthandler.enable()
    sys.dont_write_bytecode = True
    sys.argv = ["wharf-worker"]
    for name in THREADS:
        os.environ.setdefault(name, str(hello["threads"]))
    if not os.access(os.environ.get("HOME", ""), os.W_OK):
        os.environ["HOME"] = "/tmp"
    for name in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        os.environ.setdefault(name, "/tmp")
    folder = hello["folder"]
    os.chdir(folder)
    sys.path.insert(0, os.path.join(folder, "code"))
    sys.path.append(folder)
    die_with_the_server()


def die_with_the_server():
    """Asks Linux for SIGKILL when the server is killed: a model that computes would not see the socket close."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)
    except (ImportError, OSError, AttributeError):
        pass


def load(card, folder):
    """Returns the objects of the model by processor."""
    define_names_of_main(os.path.join(folder, "code", "_wharf_main.py"))
    return {step["processor"]: load_object(step, os.path.join(folder, step["path"])) for step in card["python"]["load"]}


def define_names_of_main(path):
    """Defines what the script that saved the model had defined, where a pickle looks for it: in `__main__`.

    The script sees another name, so that what it guards by `__name__ == "__main__"` does not run.
    """
    if not os.path.exists(path):
        return
    names = {"__name__": "_wharf_main", "__file__": path, "__builtins__": builtins}
    with open(path, "rb") as script:
        exec(compile(script.read(), path, "exec"), names)
    main = sys.modules["__main__"]
    for name, value in names.items():
        if not name.startswith("__"):
            setattr(main, name, value)
            if getattr(value, "__module__", None) == "_wharf_main":
                value.__module__ = "__main__"


def load_object(step, path):
    loader = step["loader"]
    if loader == "module":
        return load_from_module(path, step.get("attribute"))
    if loader == "joblib":
        import joblib

        return joblib.load(path)
    if loader == "xgboost_booster":
        return Booster(path)
    reader = pickle
    if loader == "dill":
        try:
            import dill as reader
        except ImportError:
            pass
    with open(path, "rb") as file:
        return reader.load(file)


class Booster:
    """XGBoost's own object wants its own matrix; this one takes arrays and tables, as MLEM's did."""

    def __init__(self, path):
        import xgboost

        self.matrix = xgboost.DMatrix
        self.booster = xgboost.Booster(model_file=path)

    def predict(self, data):
        return self.booster.predict(data if isinstance(data, self.matrix) else self.matrix(data))


def load_from_module(path, attribute):
    name = os.path.splitext(os.path.basename(path))[0]
    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if attribute is None:
        return module
    value = getattr(module, attribute)
    return value() if isinstance(value, type) else value


# --------------------------------------------------------------------------------------------------------------
# Calling


def call_method(objects, method, values):
    """Calls the steps of a method from left to right; the first gets the arguments, the others one value.

    `values` has an entry for each argument, `None` where it was left out: a pair of (argument is there, value).
    """
    positional, named = [], {}
    for argument, given in zip(method["args"], values):
        if given is None and argument.get("keyword") is None and "default" in argument:
            given = (from_json(argument["default"], argument["data_type"]),)
        if given is None:
            continue
        if argument.get("keyword") is None:
            positional.append(given[0])
        else:
            named[argument["keyword"]] = given[0]
    first, *others = method["steps"]
    value = step_target(objects, first)(*positional, **named)
    for step in others:
        value = step_target(objects, step)(value)
    return value


def step_target(objects, step):
    target = objects[step["processor"]]
    return target if step["method"] == "__call__" else getattr(target, step["method"])


def warm_up(method, objects):
    """Makes a method's first example call, if it has one, so that the first client need not wait."""
    arguments = method["args"]
    example = (method.get("examples") or [None])[0]
    if example is None or any(argument["data_type"]["type"] == "binary" for argument in arguments):
        return
    values = [
        (from_json(example[argument["name"]], argument["data_type"]),) if argument["name"] in example else None
        for argument in arguments
    ]
    write_answer(call_method(objects, method, values), method["returns"])


def answer(front, call, header, buffers, methods, objects):
    """Returns the last frame of the answer to a call: a result, or the error that the model raised."""
    try:
        method = methods[header["method"]]
        values = [
            None if part is None else (read_argument(part, buffers, argument["data_type"]),)
            for part, argument in zip(header["inputs"], method["args"])
        ]
        value = call_method(objects, method, values)
        if header["stream"] and isinstance(value, collections.abc.Iterator):
            send_chunks(front, call, value)
            return encode(RESULT, call, {"output": None})
        part, pieces = write_answer(value, method["returns"])
        return encode(RESULT, call, {"output": part}, pieces)
    except BaseException as error:  # `sys.exit()` in a model is an answer too
        leave_if_forked()
        log_traceback(error)
        return encode_error(call, error)


def send_chunks(front, call, items):
    """Sends each item as it comes, as long as somebody wants them."""
    for item in items:
        leave_if_forked()
        part, pieces = write_answer(item, {"type": "unspecified"})
        front.send(encode(CHUNK, call, {"output": part}, pieces))
        # Nothing comes during a call but that it should end: cancel, bye, or the end of the server.
        if front.has_news():
            break
    if hasattr(items, "close"):
        items.close()


def leave_if_forked():
    """Ends a process that the model has forked and that came back from the model's code: it isn't the worker."""
    if os.getpid() != WORKER:
        os._exit(0)


def log_traceback(error):
    # Without the frames of this file, which say nothing about the model.
    trace = error.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_globals.get("__name__", "").startswith("_wharf_"):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    os.write(2, text.encode("utf-8", "replace")[-64_000:])


def text_of(error):
    try:
        text = str(error)
    except Exception:
        text = "(its text cannot be read)"
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


# --------------------------------------------------------------------------------------------------------------
# Life


def start(front):
    """Returns the methods and objects of the model; ends the process when it does not load."""
    frame = front.receive()
    if frame is None:
        sys.exit(0)
    hello = frame[2]
    card = hello["card"]
    doing = "loading the model"
    try:
        prepare(hello)
        objects = load(card, hello["folder"])
        for method in card["methods"]:
            doing = f"the example of `{method['name']}`"
            warm_up(method, objects)
    except BaseException as error:
        leave_if_forked()
        log_traceback(error)
        module = error.name if isinstance(error, ImportError) else None
        front.send(encode_error(0, error, doing=doing, module=module))
        os._exit(1)
    leave_if_forked()
    front.send(encode(READY, 0, {}))
    return {method["name"]: method for method in card["methods"]}, objects


def run():
    global WORKER
    WORKER = os.getpid()
    front = Front()
    methods, objects = start(front)
    while True:
        frame = front.receive()
        if frame is None or frame[0] == BYE:
            break
        kind, call, header, buffers = frame
        if kind == CALL:
            frame = answer(front, call, header, buffers, methods, objects)
            leave_if_forked()
            front.send(frame)
