"""Makes the models of this folder, trained with categories of a data frame, and what their libraries answer.

    pip install numpy pandas==3.1.1 scipy xgboost-cpu==3.2.0 lightgbm==4.7.0 && python make.py

`X`: rows (`null` is missing), `prob`: what `Booster.predict` gives.
"""

import json
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(3)
ROWS = 300
TYPES = {
    "color": pd.CategoricalDtype(["violet", "red", "green", "blue"]),
    "size": float,
    "year": pd.CategoricalDtype([2001, 2005, 2010]),
}


def frame(rows):
    return pd.DataFrame(rows, columns=list(TYPES)).astype(TYPES)


COLORS = rng.choice(["red", "green", "blue", "violet", None], ROWS)
FRAME = frame({"color": COLORS, "size": rng.normal(size=ROWS).round(2), "year": rng.choice([2001, 2005, 2010], ROWS)})
SCORE = np.isin(COLORS, ["red", "blue"]) * 2 + FRAME["size"] + (FRAME["year"] == 2005)
ASKED = [["red", 0.1, 2001], ["green", -0.5, 2010], ["blue", 1.5, 2005], ["violet", None, 2005], [None, 0.3, 2001]]


def save(name, rows, answers):
    rows = [[None if cell != cell else cell for cell in row] for row in rows]
    (HERE / f"{name}.answers.json").write_text(json.dumps({"X": rows, "prob": np.asarray(answers, float).tolist()}))


matrix = xgb.DMatrix(FRAME, SCORE, enable_categorical=True)
for booster in ["gbtree", "dart"]:
    model = xgb.train({"max_depth": 4, "max_cat_to_onehot": 2, "booster": booster, "rate_drop": 0.3}, matrix, 4)
    name = f"xgb_{booster}"
    for ending in ["json", "ubj"]:
        model.save_model(HERE / f"{name}.{ending}")
    save(name, ASKED, model.predict(xgb.DMatrix(frame(ASKED), enable_categorical=True)))

model = lgb.train({"verbose": -1, "num_leaves": 6, "min_data_per_group": 5}, lgb.Dataset(FRAME, SCORE), 4)
model.save_model(HERE / "lgb.txt")
# LightGBM takes a category that it does not know for a missing one.
unknown = [*ASKED, ["purple", 0.1, 2001], ["red", 0.1, 1999]]
types = {**TYPES, "color": pd.CategoricalDtype(["purple", "red", "green", "blue", "violet"]), "year": pd.CategoricalDtype([1999, 2001, 2005, 2010])}
save("lgb", unknown, model.predict(pd.DataFrame(unknown, columns=list(TYPES)).astype(types)))
