//! The operators of `ai.onnx.ml`: what scikit-learn's models are exported to.

mod trees;

mod forest;

mod linear;

mod svm;

mod prepare;

mod encode;

mod labels;

mod post_transform;

use super::ops::Build;

pub(super) const OPERATORS: &[(&str, Build)] = &[
    ("TreeEnsembleClassifier", trees::classifier),
    ("TreeEnsembleRegressor", trees::regressor),
    ("LinearClassifier", linear::classifier),
    ("LinearRegressor", linear::regressor),
    ("SVMClassifier", svm::classifier),
    ("SVMRegressor", svm::regressor),
    ("Scaler", prepare::scaler),
    ("Normalizer", prepare::normalizer),
    ("Imputer", prepare::imputer),
    ("Binarizer", prepare::binarizer),
    ("FeatureVectorizer", prepare::feature_vectorizer),
    ("OneHotEncoder", encode::one_hot),
    ("LabelEncoder", encode::label_encoder),
    ("CategoryMapper", encode::category_mapper),
    ("ArrayFeatureExtractor", encode::array_feature_extractor),
    ("ZipMap", encode::zip_map),
];
