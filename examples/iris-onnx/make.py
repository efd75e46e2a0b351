"""Trains a forest on the iris flowers, converts it to ONNX, and stores scikit-learn's answers."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from answers import batches, write_answers  # noqa: E402

data = load_iris()
forest = RandomForestClassifier(n_estimators=10, max_depth=4, random_state=1)
forest.fit(data.data, data.target_names[data.target])
# The graph takes float32, and gives the class's name and, through ZipMap, a map from name to probability.
onnx = to_onnx(forest, data.data[:1].astype(np.float32), name="iris").SerializeToString()
(FOLDER / "iris.onnx").write_bytes(onnx)

session = onnxruntime.InferenceSession(onnx)
cases = []
for rows in batches([[5.1, 3.5, 1.4, 0.2], [0.0, 0.0, 0.0, 0.0]] + data.data[::8].tolist()):
    classes, probabilities = forest.predict(rows), forest.predict_proba(rows)
    # Where the converter has changed an answer the example would be wrong from the start.
    onnx_classes, onnx_maps = session.run(None, {"X": np.array(rows, dtype=np.float32)})
    assert onnx_classes.tolist() == classes.tolist()
    onnx_probabilities = [[row[name] for name in forest.classes_] for row in onnx_maps]
    assert np.allclose(onnx_probabilities, probabilities, rtol=0, atol=1e-6)
    cases.append(("predict", {"data": rows}, classes))
    cases.append(("predict_proba", {"data": rows}, probabilities))
write_answers(FOLDER, ["scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy"], cases)
