"""Makes `estimators.jsonl`: one small model of scikit-learn a line, as skl2onnx writes it, and what onnxruntime answers.

Run with Python 3.11 and the versions that README.md names, and with the locale en_US.UTF-8, which onnxruntime wants for
texts: `python estimators.py > estimators.jsonl`. ZipMap's list of maps is written as the array of its values. Behind the
estimators come operators that skl2onnx writes seldom or never, a node a model. What cannot be converted is left out.
"""

import base64
import json
import warnings

import numpy as np
import onnxruntime
import pandas
from onnx import TensorProto, helper
from skl2onnx import convert_sklearn, to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import (
    calibration,
    cluster,
    compose,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_extraction,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    mixture,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    random_projection,
    svm,
    tree,
)

warnings.filterwarnings("ignore")
random = np.random.RandomState(5)
X = np.round(random.normal(size=(60, 4)), 2).astype(np.float32)
POSITIVE = np.abs(X)
SCORE = X[:, 0] * 2 - X[:, 1] ** 2 + X[:, 2]
TWO = (SCORE > 0).astype(np.int64)
THREE = np.digitize(SCORE, [-1, 0.7])
NAMES = np.array(["low", "mid", "high"])[THREE]
GAPS = np.where(random.uniform(size=X.shape) < 0.2, np.nan, X).astype(np.float32)
TEXTS = np.array([["red", "s"], ["green", "m"], ["blue", "l"], ["red", "l"], ["green", "s"]] * 4, dtype=object)
NUMBERS = np.array([[1, 10], [2, 20], [3, 10], [1, 20], [2, 10]] * 4, dtype=np.int64)
SENTENCES = np.array(["the cat sat", "a dog and a cat", "The DOG!", "birds sing", "cat cat dog", ""] * 2, dtype=object)
OPSETS = {"": 18, "ai.onnx.ml": 3}
ROWS = 6


def written(name, value):
    if isinstance(value, list):
        value = np.array([list(row.values()) for row in value], dtype=np.float32)
    dtype = "str" if value.dtype.kind in "UO" else str(value.dtype)
    items = [None if item != item else item for item in value.ravel().tolist()]
    return {"name": name, "dtype": dtype, "shape": list(value.shape), "data": items}


def line(name, model, inputs):
    encoded = model.SerializeToString()
    session = onnxruntime.InferenceSession(encoded, providers=["CPUExecutionProvider"])
    outputs = session.run(None, inputs)
    names = [output.name for output in session.get_outputs()]
    print(
        json.dumps({
            "operator": name,
            "model": base64.b64encode(encoded).decode(),
            "inputs": [written(*item) for item in inputs.items()],
            "outputs": [written(*item) for item in zip(names, outputs)],
        })
    )


def case(estimator, data, target=None, name=None, options=None):
    """Fits an estimator and writes a line."""
    name = name or type(estimator).__name__
    estimator.fit(data, target)
    kind = {"f": FloatTensorType, "i": Int64TensorType, "O": StringTensorType}[data.dtype.kind]
    shape = [None, data.shape[1] if data.ndim == 2 else 1]
    model = convert_sklearn(estimator, initial_types=[("X", kind(shape))], target_opset=OPSETS, options=options)
    line(name, model, {"X": data[:ROWS].reshape(ROWS, -1)})


def node(operator, data, element, domain="ai.onnx.ml", **attributes):
    """Writes a line for a model of one node."""
    made = helper.make_node(operator, ["X"], ["Y"], domain=domain, **attributes)
    kinds = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "O": TensorProto.STRING}
    given = helper.make_tensor_value_info("X", kinds[data.dtype.kind], [None] * data.ndim)
    graph = helper.make_graph([made], "g", [given], [helper.make_tensor_value_info("Y", element, None)])
    versions = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("com.microsoft", 1)]
    line(operator, helper.make_model(graph, opset_imports=versions, ir_version=8), {"X": data})


def classifiers():
    few = {"n_estimators": 3, "random_state": 0, "max_depth": 3}
    base = linear_model.LogisticRegression()
    yield linear_model.LogisticRegression()
    yield linear_model.LogisticRegressionCV(cv=2)
    yield linear_model.Perceptron()
    yield linear_model.PassiveAggressiveClassifier(random_state=0)
    yield linear_model.RidgeClassifier()
    yield linear_model.RidgeClassifierCV()
    yield linear_model.SGDClassifier(loss="log_loss", random_state=0)
    yield linear_model.SGDClassifier(loss="modified_huber", random_state=0)
    yield tree.DecisionTreeClassifier(max_depth=3, random_state=0)
    yield tree.ExtraTreeClassifier(max_depth=3, random_state=0)
    yield ensemble.RandomForestClassifier(**few)
    yield ensemble.ExtraTreesClassifier(**few)
    yield ensemble.GradientBoostingClassifier(**few)
    yield ensemble.AdaBoostClassifier(n_estimators=3, random_state=0)
    yield ensemble.BaggingClassifier(n_estimators=3, random_state=0)
    yield ensemble.BaggingClassifier(base, n_estimators=3, max_features=2, random_state=0)
    yield ensemble.VotingClassifier([("a", base), ("b", naive_bayes.GaussianNB())], voting="soft", flatten_transform=False)
    yield ensemble.VotingClassifier([("a", base), ("b", naive_bayes.GaussianNB())], flatten_transform=False)
    yield ensemble.StackingClassifier([("a", base), ("b", naive_bayes.GaussianNB())], cv=2)
    yield neighbors.KNeighborsClassifier(3)
    yield neighbors.KNeighborsClassifier(3, weights="distance")
    yield neighbors.KNeighborsClassifier(3, metric="manhattan")
    yield naive_bayes.GaussianNB()
    yield neural_network.MLPClassifier((4,), max_iter=40, random_state=0)
    yield neural_network.MLPClassifier((4,), activation="tanh", max_iter=40, random_state=0)
    yield svm.SVC(random_state=0)
    yield svm.SVC(probability=True, random_state=0)
    yield svm.SVC(kernel="poly", probability=True, random_state=0)
    yield svm.NuSVC(probability=True, nu=0.2, random_state=0)
    yield svm.LinearSVC(random_state=0)
    yield discriminant_analysis.LinearDiscriminantAnalysis()
    yield discriminant_analysis.QuadraticDiscriminantAnalysis()
    yield multiclass.OneVsRestClassifier(base)
    yield multiclass.OneVsOneClassifier(base)
    yield calibration.CalibratedClassifierCV(base, cv=2)
    yield calibration.CalibratedClassifierCV(base, cv=2, method="isotonic")


def regressors():
    few = {"n_estimators": 3, "random_state": 0, "max_depth": 3}
    base = linear_model.LinearRegression()
    for name in ["ARDRegression", "BayesianRidge", "ElasticNet", "HuberRegressor", "Lars", "Lasso", "LassoLars", "LinearRegression"]:
        yield getattr(linear_model, name)()
    for name in ["OrthogonalMatchingPursuit", "Ridge", "SGDRegressor", "TheilSenRegressor", "PassiveAggressiveRegressor", "QuantileRegressor"]:
        yield getattr(linear_model, name)()
    yield linear_model.RANSACRegressor(random_state=0)
    yield tree.DecisionTreeRegressor(max_depth=3, random_state=0)
    yield tree.ExtraTreeRegressor(max_depth=3, random_state=0)
    yield ensemble.RandomForestRegressor(**few)
    yield ensemble.ExtraTreesRegressor(**few)
    yield ensemble.GradientBoostingRegressor(**few)
    yield ensemble.AdaBoostRegressor(n_estimators=3, random_state=0)
    yield ensemble.BaggingRegressor(n_estimators=3, random_state=0)
    yield ensemble.VotingRegressor([("a", base), ("b", linear_model.Ridge())])
    yield ensemble.StackingRegressor([("a", base), ("b", linear_model.Ridge())], cv=2)
    yield neighbors.KNeighborsRegressor(3)
    yield neural_network.MLPRegressor(hidden_layer_sizes=(4,), activation="logistic", max_iter=40, random_state=0)
    yield svm.SVR()
    yield svm.NuSVR(kernel="sigmoid")
    yield svm.LinearSVR(random_state=0)
    yield gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel())
    yield cross_decomposition.PLSRegression(2)


def positive_regressors():
    yield linear_model.PoissonRegressor()
    yield linear_model.GammaRegressor()
    yield linear_model.TweedieRegressor(power=1.5)


def transformers():
    yield preprocessing.StandardScaler()
    yield preprocessing.MinMaxScaler(clip=True)
    yield preprocessing.MaxAbsScaler()
    yield preprocessing.RobustScaler()
    for norm in ["l1", "l2", "max"]:
        yield preprocessing.Normalizer(norm)
    yield preprocessing.Binarizer(threshold=0.3)
    yield preprocessing.PolynomialFeatures(2, interaction_only=True)
    yield preprocessing.PowerTransformer()
    yield preprocessing.KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf")
    yield preprocessing.KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf")
    yield decomposition.PCA(2)
    yield decomposition.PCA(2, whiten=True)
    yield decomposition.IncrementalPCA(2)
    yield decomposition.TruncatedSVD(2, random_state=0)
    yield decomposition.KernelPCA(2, kernel="rbf")
    yield cluster.KMeans(3, n_init=1, random_state=0)
    yield cluster.MiniBatchKMeans(3, n_init=1, random_state=0)
    yield mixture.GaussianMixture(2, random_state=0)
    yield mixture.GaussianMixture(2, covariance_type="diag", random_state=0)
    yield mixture.BayesianGaussianMixture(n_components=2, random_state=0)
    yield ensemble.IsolationForest(n_estimators=3, random_state=0)
    yield svm.OneClassSVM()
    yield linear_model.SGDOneClassSVM(random_state=0)
    yield neighbors.LocalOutlierFactor(5, novelty=True)
    yield neighbors.KNeighborsTransformer(n_neighbors=3)
    yield random_projection.GaussianRandomProjection(2, random_state=0)
    yield feature_selection.VarianceThreshold()
    yield pipeline.FeatureUnion([("a", preprocessing.StandardScaler()), ("b", decomposition.PCA(2))])


def main():
    for estimator in classifiers():
        case(estimator, X, THREE)
    for estimator in [linear_model.LogisticRegression(), svm.SVC(probability=True, random_state=0), tree.DecisionTreeClassifier(max_depth=2)]:
        case(estimator, X, TWO)
        case(estimator, X, NAMES)
    case(linear_model.LogisticRegression(), X, THREE, options={"zipmap": False})
    case(linear_model.LogisticRegression(), X, THREE, options={"raw_scores": True})
    for estimator in [naive_bayes.BernoulliNB(), naive_bayes.ComplementNB(), naive_bayes.MultinomialNB()]:
        case(estimator, POSITIVE, THREE)
    case(naive_bayes.CategoricalNB(), NUMBERS // 10, TWO[:20])
    for estimator in regressors():
        case(estimator, X, SCORE)
    for estimator in positive_regressors():
        case(estimator, X, np.exp(SCORE / 4))
    twice = np.column_stack([SCORE, -SCORE])
    for estimator in [linear_model.MultiTaskLasso(), linear_model.LinearRegression(), tree.DecisionTreeRegressor(max_depth=2)]:
        case(estimator, X, twice)
    case(multioutput.MultiOutputRegressor(svm.SVR()), X, twice)
    for estimator in transformers():
        case(estimator, X)
    case(feature_selection.SelectKBest(k=2), X, THREE)
    case(feature_selection.RFE(linear_model.LogisticRegression(), n_features_to_select=2), X, THREE)
    case(preprocessing.QuantileTransformer(n_quantiles=8), X)
    for strategy in ["mean", "median", "most_frequent"]:
        case(impute.SimpleImputer(strategy=strategy), GAPS)
    case(impute.SimpleImputer(strategy="constant", fill_value=7), GAPS)
    case(preprocessing.OneHotEncoder(sparse_output=False), TEXTS)
    case(preprocessing.OneHotEncoder(drop="first", sparse_output=False), TEXTS)
    case(preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), NUMBERS)
    case(preprocessing.OrdinalEncoder(), TEXTS)
    case(preprocessing.OrdinalEncoder(), NUMBERS)
    case(preprocessing.TargetEncoder(), TEXTS, TWO[:20])
    encoder = preprocessing.LabelEncoder().fit(NAMES)
    line("LabelEncoder", to_onnx(encoder, NAMES[:1], target_opset=OPSETS), {"X": NAMES[:ROWS].astype(object)})
    columns()
    texts()
    operators()


def columns():
    """Writes a pipeline over columns of texts and numbers, of which one has gaps."""
    gaps = pipeline.make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    both = compose.ColumnTransformer([
        ("gaps", gaps, [0, 1]),
        ("texts", preprocessing.OneHotEncoder(handle_unknown="ignore"), [2]),
        ("rest", "passthrough", [3]),
    ])
    rows = pandas.DataFrame({"a": GAPS[:20, 0], "b": GAPS[:20, 1], "c": TEXTS[:, 0], "d": X[:20, 2]})
    model = pipeline.make_pipeline(both, ensemble.RandomForestClassifier(3, max_depth=3, random_state=0))
    model.fit(rows, TWO[:20])
    types = [(name, StringTensorType([None, 1]) if name == "c" else FloatTensorType([None, 1])) for name in rows.columns]
    converted = convert_sklearn(model, initial_types=types, target_opset=OPSETS)
    unseen = np.append(TEXTS[: ROWS - 1, :1], [["violet"]], axis=0)
    inputs = {name: unseen if name == "c" else rows[[name]].to_numpy(np.float32)[:ROWS] for name in rows.columns}
    line("ColumnTransformer", converted, inputs)


def texts():
    for estimator in [
        feature_extraction.text.CountVectorizer(),
        feature_extraction.text.CountVectorizer(ngram_range=(1, 2), lowercase=False),
        feature_extraction.text.TfidfVectorizer(),
        feature_extraction.text.TfidfVectorizer(sublinear_tf=True, norm="l1", ngram_range=(1, 2)),
        feature_extraction.text.TfidfVectorizer(stop_words=["the", "a"]),
        feature_extraction.text.CountVectorizer(analyzer="char"),
        feature_extraction.text.CountVectorizer(binary=True),
    ]:
        case(estimator, SENTENCES)
    model = pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), linear_model.LogisticRegression())
    case(model, SENTENCES, TWO[: len(SENTENCES)], name="Tfidf and LogisticRegression")


def operators():
    words = np.array([["a", "b", "c", "a", "q"], ["b", "b", "a", "c", "a"]], dtype=object)
    pool = {"pool_strings": ["a", "b", "a", "b", "b", "a"], "ngram_counts": [0, 2], "ngram_indexes": [3, 0, 1, 2]}
    for mode in ["TF", "IDF", "TFIDF"]:
        for skipped, shortest in [(0, 1), (2, 1), (1, 2)]:
            limits = {"min_gram_length": shortest, "max_gram_length": 2, "max_skip_count": skipped}
            weights = [0.5, 2.0, 3.0, 0.25]
            node("TfIdfVectorizer", words, TensorProto.FLOAT, "", mode=mode, weights=weights, **limits, **pool)
    numbers = {"pool_int64s": [7, 9, 7, 9], "ngram_counts": [0, 2], "ngram_indexes": [0, 1, 2], "mode": "TF"}
    given = np.array([7, 9, 7, 7, 9], dtype=np.int64)
    node("TfIdfVectorizer", given, TensorProto.FLOAT, "", min_gram_length=1, max_gram_length=2, max_skip_count=0, **numbers)
    names = np.array(["The", "CAT", "the", "\u00c9t\u00e9"], dtype=object)
    for case_change, is_sensitive in [("LOWER", 0), ("UPPER", 0), ("NONE", 1), ("LOWER", 1)]:
        kind = {"case_change_action": case_change, "is_case_sensitive": is_sensitive, "stopwords": ["the"]}
        node("StringNormalizer", names, TensorProto.STRING, "", **kind)
    node("StringNormalizer", names[:1], TensorProto.STRING, "", stopwords=["the"])
    cut = {"mark": 0, "pad_value": "#", "mincharnum": 2, "tokenexp": "[a-z0-9-]+"}
    node("Tokenizer", SENTENCES[:4].reshape(2, 2), TensorProto.STRING, "com.microsoft", **cut)
    mapped = {"cats_strings": ["red", "blue"], "cats_int64s": [4, 9]}
    node("CategoryMapper", TEXTS[:4], TensorProto.INT64, default_int64=-7, **mapped)
    node("CategoryMapper", np.array([9, 4, 0], dtype=np.int64), TensorProto.STRING, default_string="none", **mapped)


main()
