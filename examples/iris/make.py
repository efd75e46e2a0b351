"""Trains a booster on the iris flowers, saves it as XGBoost's own JSON, and stores XGBoost's answers."""

import sys
from pathlib import Path

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_iris

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from answers import batches, write_answers  # noqa: E402

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
CLASSES = np.array(["setosa", "versicolor", "virginica"])
# The first is the row of the README; the last ones lie outside of what the model was trained on.
OUTSIDE = [[5.1, 3.5, 1.4, 0.2], [0.0, 0.0, 0.0, 0.0], [-1.5, 100.0, 2.449999, 1e20], [6.05, 2.75, 4.95, 1.65]]

data = load_iris()
booster = xgb.train(
    {"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "eta": 0.6, "seed": 1, "nthread": 1},
    xgb.DMatrix(data.data, data.target, feature_names=FEATURES),
    num_boost_round=5,
)
booster.save_model(FOLDER / "iris.json")

booster = xgb.Booster(model_file=FOLDER / "iris.json")
cases = []
for rows in batches(OUTSIDE + data.data[::8].tolist()):
    probabilities = booster.predict(xgb.DMatrix(np.array(rows), feature_names=FEATURES))
    cases.append(("predict", {"data": rows}, CLASSES[probabilities.argmax(axis=1)]))
    cases.append(("predict_proba", {"data": rows}, probabilities))
write_answers(FOLDER, ["xgboost", "numpy", "scikit-learn"], cases)
