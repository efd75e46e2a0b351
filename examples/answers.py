"""Stores the original library's answers beside a model, for the tests that compare wharf's with them."""

import json
import platform
from importlib.metadata import version

import numpy as np


def plain(value):
    """Returns what JSON can hold. A float32 keeps its own shortest digits: 0.1, not 0.10000000149011612."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.float32):
        return float(str(value))
    if isinstance(value, np.generic):
        return value.item()
    return value


def write_answers(folder, packages, cases):
    """Writes `answers.json`. `cases` has (method, body, answer); `packages` are those whose versions matter."""
    document = {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "cases": [{"method": method, "body": body, "answer": plain(answer)} for method, body, answer in cases],
    }
    lines = json.dumps({**document, "cases": []}, indent=2).removesuffix("[]\n}")
    rows = ",\n    ".join(json.dumps(case) for case in document["cases"])
    (folder / "answers.json").write_text(f"{lines}[\n    {rows}\n  ]\n}}\n")


def batches(rows):
    """Returns bodies to ask with: each row alone, then all rows in one call."""
    return [[row] for row in rows] + [rows]
