"""Trains a LightGBM regression on the diabetes data, saves its text file, and stores LightGBM's answers."""

import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
from sklearn.datasets import load_diabetes

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from answers import batches, write_answers  # noqa: E402

# Years, kg/m², mmHg and so on, as they were measured; the data's usual form is scaled.
data = load_diabetes(scaled=False)
booster = lgb.train(
    {"objective": "regression", "num_leaves": 7, "learning_rate": 0.2, "seed": 1, "num_threads": 1,
     "deterministic": True, "force_row_wise": True, "verbose": -1},
    lgb.Dataset(data.data, data.target, feature_name=list(data.feature_names)),
    num_boost_round=20,
)
booster.save_model(FOLDER / "diabetes.txt")

booster = lgb.Booster(model_file=FOLDER / "diabetes.txt")
rows = [[50.0, 1.0, 25.7, 92.0, 186.0, 110.8, 50.0, 4.0, 4.8, 92.0], [0.0] * 10, [1e300] * 10]
rows += data.data[::25].tolist()
cases = [("predict", {"data": batch}, booster.predict(np.array(batch))) for batch in batches(rows)]
write_answers(FOLDER, ["lightgbm", "numpy", "scikit-learn"], cases)
