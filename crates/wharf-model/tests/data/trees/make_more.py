"""Makes the models `more_*` of this folder, and what the original libraries answer for them.

    pip install numpy scipy xgboost-cpu==3.2.0 lightgbm==4.7.0 && python make_more.py

They hold what the other models here lack: further objectives, forests, vector leaves, linear trees, categories
with fractions, trees without a split. The data is drawn, with a fixed seed. `X`: rows (`null` is NaN), `raw`:
margins, `prob`: what `Booster.predict` gives.
"""

import json
import pathlib

import lightgbm as lgb
import numpy as np
import xgboost as xgb

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
ROWS = 400
X = np.round(rng.normal(size=(ROWS, 5)), 3)
SCORE = X[:, 0] * 2 - X[:, 1] ** 2 + X[:, 2] * X[:, 3] + rng.normal(size=ROWS) * 0.3
WITH_NAN = np.where(rng.random(X.shape) < 0.15, np.nan, X)
BINARY = (SCORE > 0).astype(float)
THREE = np.digitize(SCORE, [-2, 0.5]).astype(float)
POSITIVE = np.exp(SCORE / 4)
QUERIES = [20] * (ROWS // 20)
CATEGORIES = np.column_stack([rng.integers(0, 3, ROWS), rng.integers(0, 70, ROWS), rng.normal(size=ROWS)])
CATEGORIES = CATEGORIES.astype(float)
CATEGORY_SCORE = (CATEGORIES[:, 0] == 1) * 2 + np.sin(CATEGORIES[:, 1] * 1.7) + CATEGORIES[:, 2]
CATEGORIES[rng.random(ROWS) < 0.1, 1] = np.nan


def odd_categories():
    """Returns rows with what no training data had: fractions, negatives, huge and missing categories."""
    rows = np.column_stack([rng.integers(0, 3, 60), rng.integers(0, 90, 60), rng.normal(size=60)]).astype(float)
    odd = [-0.5, -0.0, -1.0, 0.7, 31.9, 32.0, 63.999, 64.5, 70.0, 2.0**24 - 1, 2.0**24, 2.0**31 - 1, 2.0**31, 3e9, -3e9, np.nan]
    rows[: len(odd), 1] = odd
    rows[len(odd) : 2 * len(odd), 0] = odd
    return rows


def save(name, rows, raw, prob):
    raw = np.asarray(raw, float).reshape(len(rows), -1)
    prob = np.asarray(prob, float).reshape(len(rows), -1)
    answers = {
        "X": [[None if np.isnan(value) else float(value) for value in row] for row in rows],
        "raw": raw.tolist(),
        "prob": prob.tolist(),
    }
    (HERE / f"{name}.answers.json").write_text(json.dumps(answers))


def xgboost(name, params, data, label, rounds=4, ext="json", rows=None, bounds=False, **matrix):
    train = xgb.DMatrix(data, None if bounds else label, **matrix)
    if bounds:
        train.set_float_info("label_lower_bound", label)
        train.set_float_info("label_upper_bound", label)
    matrix.pop("group", None)
    model = xgb.train({"max_depth": 4, **params}, train, rounds)
    model.save_model(HERE / f"more_xgb_{name}.{ext}")
    rows = data[:30] if rows is None else rows
    asked = xgb.DMatrix(rows, **matrix)
    save(f"more_xgb_{name}", rows, model.predict(asked, output_margin=True), model.predict(asked))


def lightgbm(name, params, data, label, rounds=4, rows=None, categories="auto", **dataset):
    train = lgb.Dataset(data, label, categorical_feature=categories, **dataset)
    model = lgb.train({"verbose": -1, "num_leaves": 8, **params}, train, rounds)
    model.save_model(HERE / f"more_lgb_{name}.txt")
    rows = data[:30] if rows is None else rows
    save(f"more_lgb_{name}", rows, model.predict(rows, raw_score=True), model.predict(rows))


def main():
    xgboost("hinge", {"objective": "binary:hinge"}, X, BINARY, ext="ubj")
    xgboost("reglogistic", {"objective": "reg:logistic"}, WITH_NAN, BINARY, ext="ubj")
    xgboost("tweedie", {"objective": "reg:tweedie"}, X, POSITIVE)
    xgboost("squaredlog", {"objective": "reg:squaredlogerror"}, X, POSITIVE)
    xgboost("pseudohuber", {"objective": "reg:pseudohubererror"}, X, SCORE)
    xgboost("quantile", {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, X, SCORE)
    xgboost("cox", {"objective": "survival:cox"}, X, POSITIVE)
    xgboost("aft", {"objective": "survival:aft"}, X, POSITIVE, bounds=True, ext="ubj")
    xgboost("rank_ndcg", {"objective": "rank:ndcg"}, X, THREE, group=QUERIES)
    xgboost("rank_pairwise", {"objective": "rank:pairwise"}, X, THREE, group=QUERIES)
    xgboost("rank_map", {"objective": "rank:map"}, X, BINARY, group=QUERIES)
    forest = {"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 3, "subsample": 0.5}
    xgboost("forest", forest, WITH_NAN, THREE, ext="ubj")
    both = np.column_stack([SCORE, SCORE**2])
    vector = {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree", "tree_method": "hist"}
    xgboost("vector_leaf", vector, WITH_NAN, both, ext="ubj")
    xgboost("multilabel", {"objective": "binary:logistic"}, X, np.column_stack([BINARY, 1 - BINARY]))
    xgboost("dart_softmax", {"objective": "multi:softmax", "num_class": 3, "booster": "dart", "rate_drop": 0.5}, X, THREE, ext="ubj")
    xgboost("linear_softprob", {"objective": "multi:softprob", "num_class": 3, "booster": "gblinear"}, WITH_NAN, THREE, ext="ubj")
    xgboost("stump", {"objective": "reg:squarederror", "gamma": 1e9}, X, SCORE)
    xgboost("deep", {"objective": "reg:squarederror", "max_depth": 12, "min_child_weight": 0}, X, SCORE, 2, ext="ubj")
    kinds = {"feature_types": ["c", "c", "q"], "enable_categorical": True}
    xgboost("onehot", {"objective": "reg:squarederror", "max_cat_to_onehot": 100}, CATEGORIES, CATEGORY_SCORE, 8, **kinds)
    # The library refuses these rows for sets it has not seen, so only what it lets through.
    fractions = CATEGORIES[:60] + np.where(np.arange(60)[:, None] % 2 == 0, [0.7, 0.3, 0.0], 0.0)
    xgboost("cat_fraction", {"objective": "reg:squarederror", "max_cat_to_onehot": 2}, CATEGORIES, CATEGORY_SCORE, 8, rows=fractions, **kinds)

    lightgbm("ova", {"objective": "multiclassova", "num_class": 3, "sigmoid": 1.5}, X, THREE)
    lightgbm("binary_sigmoid", {"objective": "binary", "sigmoid": 0.7}, WITH_NAN, BINARY)
    lightgbm("forest", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, X, BINARY)
    odd = X[:40].copy()
    odd[::3, 0] = np.nan
    odd[1::3, 1] = np.nan
    odd[2::5, 2] = 1e-36
    lightgbm("linear", {"objective": "regression", "linear_tree": True}, X, SCORE, rows=odd)
    lightgbm("xentlambda", {"objective": "cross_entropy_lambda"}, X, BINARY)
    lightgbm("tweedie", {"objective": "tweedie"}, X, POSITIVE)
    lightgbm("l1_sqrt", {"objective": "regression_l1", "reg_sqrt": True}, X, SCORE)
    lightgbm("huber_sqrt", {"objective": "huber", "reg_sqrt": True}, X, SCORE)
    lightgbm("quantile", {"objective": "quantile", "alpha": 0.8}, X, SCORE)
    lightgbm("lambdarank", {"objective": "lambdarank"}, X, THREE, group=QUERIES)
    lightgbm("nomiss", {"objective": "binary", "use_missing": False}, WITH_NAN, BINARY)
    sparse = np.where(rng.random(X.shape) < 0.3, 0, WITH_NAN)
    tiny = sparse[:60].copy()
    tiny[::7] = 1e-36
    tiny[1::7] = -1e-35
    tiny[2::7] = np.float64(np.float32(1e-35))
    tiny[3::7] = np.nextafter(np.float64(np.float32(1e-35)), 1)
    lightgbm("zero", {"objective": "binary", "zero_as_missing": True}, sparse, BINARY, rows=tiny)
    lightgbm("plain_tiny", {"objective": "regression"}, sparse, SCORE, rows=tiny)
    lightgbm("one_leaf", {"objective": "regression", "min_data_in_leaf": 1000}, X, SCORE)
    lightgbm("cat_odd", {"objective": "regression", "min_data_per_group": 5, "max_cat_to_onehot": 2}, CATEGORIES, CATEGORY_SCORE, 12, rows=odd_categories(), categories=[0, 1])
    lightgbm("fair", {"objective": "fair"}, WITH_NAN, SCORE)
    lightgbm("mape", {"objective": "mape"}, X, POSITIVE)
    lightgbm("rank_xendcg", {"objective": "rank_xendcg"}, X, THREE, group=QUERIES)
    average = {"objective": "multiclass", "num_class": 3, "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    lightgbm("forest_multiclass", average, WITH_NAN, THREE)

    # `xgb_early` was trained with early stopping; its other answers leave out what came after the best round.
    model = xgb.Booster(model_file=HERE / "xgb_early.json")
    answers = json.loads((HERE / "xgb_early.answers.json").read_text())
    asked = xgb.DMatrix(np.array(answers["X"], float))
    save("xgb_early.all", answers["X"], model.predict(asked, output_margin=True), model.predict(asked))


main()
