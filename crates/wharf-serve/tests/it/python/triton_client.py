"""Checks of a model server with the client of the Open Inference Protocol: `triton_client.py CHECK ADDRESS`."""

import sys

import numpy
import tritonclient.http as http
from tritonclient.utils import InferenceServerException


def tensor(name, values, datatype, binary=True):
    given = http.InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values, binary_data=binary)
    return given


def refused(client, name, inputs, **more):
    try:
        client.infer(name, inputs, **more)
    except InferenceServerException as error:
        return error
    raise AssertionError(f"{inputs} was not refused")


def iris(client):
    name = "xgb-iris"
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(name) and client.is_model_ready(name, "1")
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "wharf"
    metadata = client.get_model_metadata(name)
    data = {"name": "data", "datatype": "FP64", "shape": [-1, 4], "parameters": {"missing": True}}
    assert metadata["inputs"] == [data], metadata
    assert client.get_model_config(name)["max_batch_size"] > 0
    assert client.get_model_repository_index()[0]["state"] == "READY"

    rows = numpy.array([[5.0, 3.5, 1.5, 0.25], [6.25, 3.25, 6.0, 2.5]])
    answers = []
    for datatype, dtype in [("FP64", "float64"), ("FP32", "float32"), ("FP16", "float16")]:
        answer = client.infer(name, [tensor("data", rows.astype(dtype), datatype)], request_id="7")
        assert answer.get_response()["id"] == "7"
        answers.append(answer)
    answers.append(client.infer(name, [tensor("data", rows, "FP64", binary=False)]))
    wanted = [http.InferRequestedOutput(name, binary_data=False) for name in ("predict", "predict_proba")]
    answers.append(client.infer(name, [tensor("data", rows, "FP64")], outputs=wanted))
    for answer in answers:
        assert answer.as_numpy("predict").tolist() == [0, 2]
        assert (answer.as_numpy("predict_proba") == answers[0].as_numpy("predict_proba")).all()
    assert answers[0].as_numpy("predict_proba").dtype == "float32"

    best = http.InferRequestedOutput("predict_proba", class_count=2)
    answer = client.infer(name, [tensor("data", rows, "FP64")], outputs=[best], model_version="1")
    assert answer.as_numpy("predict_proba")[0][0].endswith(b":0")

    assert "no input `x`" in refused(client, name, [tensor("x", rows, "FP64")]).message()
    assert "shape" in refused(client, name, [tensor("data", rows[:, :3], "FP64")]).message()
    texts = numpy.array([[b"a", b"b", b"c", b"d"]], dtype=object)
    assert "BYTES" in refused(client, name, [tensor("data", texts, "BYTES")]).message()
    assert refused(client, "other", [tensor("data", rows, "FP64")]).status() == "404"


def double(client):
    rows = numpy.array([[0.1, 2.0], [3.0, numpy.nan]], dtype="float32")
    answer = client.infer("model", [tensor("data", rows, "FP32")]).as_numpy("double")
    assert answer.dtype == "float32" and numpy.array_equal(answer, rows * 2, equal_nan=True), answer
    integers = tensor("data", numpy.array([[1, 2]], dtype="int64"), "INT64", binary=False)
    assert client.infer("model", [integers]).as_numpy("double").tolist() == [[2.0, 4.0]]
    assert "does not fit" in refused(client, "model", [tensor("data", numpy.array([[0.1, 1.0]]), "FP64")]).message()


def table(client):
    for binary in (True, False):
        inputs = [
            tensor("age", numpy.array([20, 30]), "INT64", binary),
            tensor("ok", numpy.array([[True], [False]]), "BOOL", binary),
            tensor("city", numpy.array(["Oslo", "Ærø"], dtype=object), "BYTES", binary),
        ]
        answer = client.infer("model", inputs).as_numpy("describe")
        assert [text.decode() for text in answer] == ["Oslo 20 True", "Ærø 30 False"], answer


def fails(client):
    error = refused(client, "model", [tensor("data", numpy.zeros((1, 2), dtype="float32"), "FP32")])
    assert error.status() == "500" and "KeyError" in error.message(), error


globals()[sys.argv[1]](http.InferenceServerClient(sys.argv[2]))
