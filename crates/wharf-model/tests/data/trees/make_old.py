"""Makes the models `old_*` of this folder: forms that former versions wrote, and what those answer for them.

Run once for each version that it knows; a version makes only its own files:

    pip install "numpy<1.24" scipy xgboost==0.90 && python make_old.py  # then 1.6.2, which answers for it
    pip install "numpy<2" scipy xgboost==1.6.2 && python make_old.py
    pip install "numpy<2" scipy xgboost==2.0.3 && python make_old.py
    pip install "numpy<2" scipy lightgbm==3.3.5 && python make_old.py

The data is drawn, with a fixed seed. `X`: rows (`null` is NaN), `raw`: margins, `prob`: what `Booster.predict` gives.
The models of 0.90 are answered by 1.6.2: 0.90 sums its trees before it adds the base score, so that the last bit can
differ, and its `predict` drops trees of dart at random.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
rng = np.random.RandomState(11)
ROWS = 300
X = np.round(rng.normal(size=(ROWS, 5)), 3)
SCORE = X[:, 0] * 2 - X[:, 1] ** 2 + X[:, 2] * X[:, 3] + rng.normal(size=ROWS) * 0.3
WITH_NAN = np.where(rng.random_sample(X.shape) < 0.15, np.nan, X)
BINARY = (SCORE > 0).astype(float)
THREE = np.digitize(SCORE, [-2, 0.5]).astype(float)
POSITIVE = np.exp(SCORE / 4)


def save(name, rows, raw, prob):
    answers = {
        "X": [[None if np.isnan(value) else float(value) for value in row] for row in rows],
        "raw": np.asarray(raw, float).reshape(len(rows), -1).tolist(),
        "prob": np.asarray(prob, float).reshape(len(rows), -1).tolist(),
    }
    (HERE / f"{name}.answers.json").write_text(json.dumps(answers))


def xgboost(xgb, name, params, data, label, ext):
    short = xgb.__version__.replace(".", "")[:2]
    name = f"old_xgb{short}_{name}"
    model = xgb.train({"max_depth": 3, **params}, xgb.DMatrix(data, label), 3)
    # Any ending means nothing to these versions: what is neither `.json` nor `.ubj` is binary.
    model.save_model(str(HERE / f"{name}.{ext}"))
    if xgb.__version__ != "0.90":
        answer(xgb, model, name, data[:20])


def answer(xgb, model, name, rows):
    asked = xgb.DMatrix(rows)
    save(name, rows, model.predict(asked, output_margin=True), model.predict(asked))


def each_xgboost(xgb):
    version = xgb.__version__
    linear = {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3, "eta": 0.3}
    dart = {"booster": "dart", "rate_drop": 0.5, "objective": "binary:logistic", "seed": 1}
    softmax = {"objective": "multi:softmax", "num_class": 3}
    squares = {"objective": "reg:squarederror", "base_score": 0.25}
    if version != "2.0.3":
        xgboost(xgb, "logistic", {"objective": "binary:logistic"}, WITH_NAN, BINARY, "bin")
        xgboost(xgb, "softmax", softmax, WITH_NAN, THREE, "bin")
        xgboost(xgb, "linear", linear, X, THREE, "bin")
        xgboost(xgb, "dart", dart, WITH_NAN, BINARY, "bin")
        xgboost(xgb, "squares", squares, X, SCORE, "bin")
    if version == "0.90":
        return
    if version == "1.6.2":
        early = xgb.train(
            {"max_depth": 3, "objective": "binary:logistic"},
            xgb.DMatrix(X[:200], BINARY[:200]),
            20,
            [(xgb.DMatrix(X[200:], BINARY[200:]), "held")],
            early_stopping_rounds=1,
            verbose_eval=False,
        )
        early.save_model(str(HERE / "old_xgb16_early.bin"))
        answer(xgb, early, "old_xgb16_early", X[:20])
        for path in sorted(HERE.glob("old_xgb09_*.bin")):
            rows = X if path.stem.endswith(("linear", "squares")) else WITH_NAN
            answer(xgb, xgb.Booster(model_file=str(path)), path.stem, rows[:20])
    xgboost(xgb, "poisson", {"objective": "count:poisson"}, X, np.floor(POSITIVE), "json")
    xgboost(xgb, "softprob", {**softmax, "objective": "multi:softprob"}, WITH_NAN, THREE, "json")
    xgboost(xgb, "dart_json", dart, WITH_NAN, BINARY, "json")
    xgboost(xgb, "linear_json", linear, X, THREE, "json")
    xgboost(xgb, "squares_ubj", squares, X, SCORE, "ubj")
    if version == "2.0.3":
        xgboost(xgb, "absolute", {"objective": "reg:absoluteerror"}, X, SCORE, "bin")
        both = np.column_stack([SCORE, SCORE**2])
        vector = {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
        for ext in ["json", "ubj"]:
            xgboost(xgb, f"vector_{ext}", vector, WITH_NAN, both, ext)


def each_lightgbm(lgb):
    forest = {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6, "seed": 3}
    for name, params, data, label in [
        ("multiclass", {"objective": "multiclass", "num_class": 3}, WITH_NAN, THREE),
        ("forest", {"objective": "binary", **forest}, WITH_NAN, BINARY),
        ("sqrt", {"objective": "regression", "reg_sqrt": True}, X, SCORE),
    ]:
        model = lgb.train({"verbose": -1, "num_leaves": 6, **params}, lgb.Dataset(data, label), 3)
        model.save_model(str(HERE / f"old_lgb33_{name}.txt"))
        rows = data[:20]
        save(f"old_lgb33_{name}", rows, model.predict(rows, raw_score=True), model.predict(rows))


for package, make in [("xgboost", each_xgboost), ("lightgbm", each_lightgbm)]:
    try:
        library = __import__(package)
    except ImportError:
        continue
    make(library)
