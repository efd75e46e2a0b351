"""Makes the pickles of this folder.

    python -m venv v && v/bin/pip install joblib==1.6.0 scikit-learn==1.9.1
    v/bin/python make.py
"""
import os
import pickle
import struct

import joblib
import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

os.chdir(os.path.dirname(os.path.abspath(__file__)))
x, y = load_iris(return_X_y=True)

# Arrays lie between the opcodes, with and without padding; one array holds Python objects.
model = make_pipeline(StandardScaler(), Ridge(), memory=None).fit(x, y)
joblib.dump(model, "ridge.joblib")
joblib.dump(DecisionTreeClassifier(max_depth=2).fit(x, y), "tree-zlib.joblib", compress=3)
joblib.dump(model, "ridge-gzip.joblib", compress=("gzip", 3))
joblib.dump(model, "ridge-bz2.joblib", compress=("bz2", 3))
objects = {"words": np.array(["a", None, b"c"], dtype=object), "after": np.arange(5.0), "model": Ridge()}
joblib.dump(objects, "objects.joblib")
joblib.dump({"fortran": np.asfortranarray(np.ones((3, 4), dtype="f4")), "text": np.array(["ab", "c"])}, "pkl-by-joblib.pkl")

for protocol in range(6):
    with open(f"ridge-protocol{protocol}.pkl", "wb") as file:
        pickle.dump(Ridge().fit(x[:5, :1], y[:5]), file, protocol=protocol)


class Canary:
    def __reduce__(self):
        return os.system, ("touch /tmp/wharf-canary-was-run",)


for protocol in (0, 2, 4):
    with open(f"canary-protocol{protocol}.pkl", "wb") as file:
        pickle.dump({"model": Canary()}, file, protocol=protocol)
joblib.dump({"array": np.arange(3.0), "model": Canary()}, "canary.joblib")
joblib.dump({"objects": np.array([Canary(), 1], dtype=object)}, "canary-in-objects.joblib")


def text(word):
    return b"\x8c" + struct.pack("<B", len(word)) + word.encode()


command = b"X" + struct.pack("<I", 4) + b"true"
hand_made = {
    # The name comes out of the memo.
    "canary-memo": b"\x80\x04" + text("posix") + b"\x94" + text("system") + b"\x940" + b"0h\x00h\x01\x93" + command + b"\x85R.",
    # INST, as Python 2 wrote instances.
    "canary-inst": b"(" + command + b"ios\nsystem\n.",
    # Through another module.
    "canary-dotted": b"\x80\x04" + text("numpy") + text("f2py.os.system") + b"\x93" + command + b"\x85R.",
    # By attributes.
    "canary-getattr": b"\x80\x02c__builtin__\ngetattr\ncnumpy\nf2py\n" + text("os") + b"\x86R0cbuiltins\ngetattr\nK\x01" + text("system") + b"\x86R.",
    # The name is computed while loading: no list can show it.
    "canary-computed": b"\x80\x04" + text("os") + b"c_operator\nconcat\n" + text("sys") + text("tem") + b"\x86R\x93" + command + b"\x85R.",
    # By a number that only the loading process knows.
    "canary-extension": b"\x80\x02\x82\x07)R.",
}
for name, content in hand_made.items():
    with open(f"{name}.pkl", "wb") as file:
        file.write(content)
