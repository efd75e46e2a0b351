"""Trains a pipeline over numbers and text, saves it with joblib, and stores scikit-learn's answers."""

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from answers import batches, write_answers  # noqa: E402

NUMBERS = ["distance_km", "weight_kg"]
TEXTS = ["service", "weekday"]


def parcels(count):
    """Makes up parcels and whether each came late: far ones, heavy ones and those sent on a Friday more often."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({
        "distance_km": random.gamma(2.0, 150.0, count).round(1),
        "weight_kg": random.gamma(2.0, 2.0, count).round(2),
        "service": random.choice(["standard", "express", "same_day"], count, p=[0.6, 0.3, 0.1]),
        "weekday": random.choice(["Mon", "Tue", "Wed", "Thu", "Fri"], count),
    })
    score = frame.distance_km / 200 + frame.weight_kg / 5 - 3 * (frame.service != "standard") + (frame.weekday == "Fri")
    late = np.where(score + random.normal(0, 0.7, count) > 2, "late", "on_time")
    frame.loc[random.random(count) < 0.05, "weight_kg"] = np.nan
    return frame, late


def frame_of(records):
    """Returns the data frame that scikit-learn is asked with; a missing number is NaN."""
    frame = pd.DataFrame(records)
    return frame.astype({name: float for name in NUMBERS})


frame, late = parcels(400)
model = make_pipeline(
    ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
    ]),
    LogisticRegression(),
)
model.fit(frame, late)
joblib.dump(model, FOLDER / "parcels.joblib")

model = joblib.load(FOLDER / "parcels.joblib")
records = [
    {"distance_km": 420.0, "weight_kg": 3.5, "service": "standard", "weekday": "Fri"},
    {"distance_km": 120.5, "weight_kg": None, "service": "express", "weekday": "Mon"},
    {"distance_km": 333.3, "weight_kg": 2.0, "service": "by pigeon", "weekday": "Sün"},
]
records += [{**row, "weight_kg": None if np.isnan(row["weight_kg"]) else row["weight_kg"]}
            for row in frame[::40].to_dict("records")]
cases = []
for batch in batches(records):
    cases.append(("predict", {"data": batch}, model.predict(frame_of(batch))))
    cases.append(("predict_proba", {"data": batch}, model.predict_proba(frame_of(batch))))
write_answers(FOLDER, ["scikit-learn", "numpy", "pandas", "scipy", "joblib"], cases)
