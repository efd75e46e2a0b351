"""Makes the models of this folder but for `bc`, `diab` and `iris`, and what CatBoost answers for them.

    pip install catboost==1.2.10 && python make.py

They hold what those three lack: further losses, trees that are not symmetric, deep trees, more borders than a byte counts,
missing values of every treatment, classes with names, a scale. The data is drawn, with a fixed seed. `X`: rows
(`null` is NaN), `raw`: raw scores, `prob`: what `predict_proba` of a classifier gives and `predict` of the others,
`label`: what `predict` of a classifier gives.
"""

import json
import pathlib

import catboost as cb
import numpy as np

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(11)
ROWS = 400
X = np.round(rng.normal(size=(ROWS, 5)), 3)
SCORE = X[:, 0] * 2 - X[:, 1] ** 2 + X[:, 2] * X[:, 3] + rng.normal(size=ROWS) * 0.3
WITH_NAN = np.where(rng.random(X.shape) < 0.15, np.nan, X)
BINARY = (SCORE > 0).astype(int)
FIVE = np.digitize(SCORE, [-3, -1, 0, 1])
POSITIVE = np.round(np.exp(SCORE / 4), 2)
GROUPS = np.repeat(np.arange(ROWS // 20), 20)


def hostile(model):
    """Returns rows on the borders, beside them, and far away."""
    path = HERE / "borders.json"
    model.save_model(path, format="json")
    features = json.loads(path.read_text())["features_info"]["float_features"]
    path.unlink()
    rows = rng.normal(size=(24, len(features)))
    for row in rows:
        for column, feature in enumerate(features):
            border = np.float32(rng.choice(feature["borders"] or [0.5]))
            up, down = np.nextafter(border, np.float32([9e9, -9e9]))
            odd = [border, up, down, float(border) * (1 + 1e-9), 3e38, -3e38, 1e300, -1e300, 1e-40, 0.0, -0.0]
            row[column] = odd[rng.integers(0, len(odd))]
    return rows


def keep(name, model, data, kind="cbm"):
    model.save_model(HERE / f"{name}.{kind}", format=kind)
    rows = np.vstack([data[:16], hostile(model)])
    if np.isnan(data).any():
        rows[-4:] = np.nan
        rows[-8:-4, ::2] = np.nan
    raw = cb.CatBoost.predict(model, rows, prediction_type="RawFormulaVal")
    is_classifier = isinstance(model, cb.CatBoostClassifier)
    prob = model.predict_proba(rows) if is_classifier else model.predict(rows)
    table = lambda values: np.asarray(values, float).reshape(len(rows), -1).tolist()
    answers = {"X": [[None if np.isnan(v) else float(v) for v in row] for row in rows], "raw": table(raw), "prob": table(prob)}
    if is_classifier:
        answers["label"] = np.asarray(model.predict(rows)).reshape(len(rows), -1).tolist()
    (HERE / f"{name}.answers.json").write_text(json.dumps(answers))


def train(name, maker, label, data=X, kind="cbm", group=None, **params):
    params = {"iterations": 6, "depth": 4, "verbose": False, "allow_writing_files": False, "random_seed": 3, "border_count": 16, **params}
    model = maker(**params)
    model.fit(cb.Pool(data, label, group_id=group))
    keep(name, model, data, kind)
    return model


def main():
    classifier, regressor, ranker = cb.CatBoostClassifier, cb.CatBoostRegressor, cb.CatBoostRanker
    train("nan_min", classifier, BINARY, WITH_NAN, nan_mode="Min")
    train("nan_max", classifier, BINARY, WITH_NAN, "json", nan_mode="Max")
    train("five", classifier, FIVE, loss_function="MultiClass")
    train("names", classifier, np.array(["setosa", "versicolor", "virginica", "odd", "very odd"])[FIVE])
    train("two_names", classifier, np.array(["no", "yes"])[BINARY], kind="json")
    train("floats", classifier, FIVE / 2 + 0.5, kind="json")
    train("bool", classifier, BINARY.astype(bool))
    train("ova", classifier, FIVE, loss_function="MultiClassOneVsAll")
    train("multilabel", classifier, np.column_stack([BINARY, 1 - BINARY, FIVE > 2]), loss_function="MultiLogloss")
    train("cross_entropy", classifier, rng.random(ROWS), loss_function="CrossEntropy")
    train("focal", classifier, BINARY, loss_function="Focal:focal_alpha=0.5;focal_gamma=2")
    train("two_dims", classifier, BINARY, loss_function="MultiClass")
    for loss in ["MAE", "Quantile:alpha=0.8", "Poisson", "Tweedie:variance_power=1.5", "LogCosh", "MAPE", "Huber:delta=1"]:
        train(loss.split(":")[0].lower(), regressor, POSITIVE, loss_function=loss)
    train("multiquantile", regressor, SCORE, loss_function="MultiQuantile:alpha=0.1,0.5,0.9")
    train("multirmse", regressor, np.column_stack([SCORE, POSITIVE]), loss_function="MultiRMSE", kind="json")
    train("uncertainty", regressor, SCORE, loss_function="RMSEWithUncertainty")
    for loss in ["YetiRank", "QueryRMSE", "QuerySoftMax"]:
        train(loss.lower(), ranker, BINARY, group=GROUPS, loss_function=loss)
    train("lossguide", regressor, SCORE, WITH_NAN, grow_policy="Lossguide", max_leaves=9, depth=6)
    train("lossguide_json", regressor, SCORE, WITH_NAN, "json", grow_policy="Lossguide", max_leaves=9, depth=6)
    train("depthwise", classifier, FIVE, grow_policy="Depthwise", depth=3)
    train("depthwise_json", classifier, FIVE, kind="json", grow_policy="Depthwise", depth=3)
    train("deep", regressor, SCORE, iterations=2, depth=11)
    train("borders", regressor, SCORE, border_count=1000, iterations=40, depth=3)
    train("unused", regressor, SCORE, np.column_stack([X, np.ones(ROWS)]), iterations=2, depth=1)
    ahead = train("threshold", classifier, BINARY)
    ahead.set_probability_threshold(0.7)
    keep("threshold", ahead, X)
    scaled = train("scaled", regressor, SCORE)
    scaled.set_scale_and_bias(0.3, 1.7)
    keep("scaled", scaled, X)
    keep("scaled_json", scaled, X, "json")
    colours = np.column_stack([np.array(["red", "blue"])[BINARY], X.astype(object)])
    categorical = cb.CatBoostRegressor(iterations=2, depth=2, verbose=False, allow_writing_files=False)
    categorical.fit(colours, SCORE, cat_features=[0])
    for kind in ["cbm", "json"]:
        categorical.save_model(HERE / f"categories.{kind}", format=kind)


if __name__ == "__main__":
    main()
