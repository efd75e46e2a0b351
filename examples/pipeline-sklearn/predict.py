"""Will a parcel come late? A scikit-learn pipeline that wants a data frame, asked with plain records."""

from pathlib import Path

import joblib
import pandas as pd

NUMBERS = ["distance_km", "weight_kg"]


class Model:
    """Loads the pipeline once; wharf makes every public method a route."""

    def __init__(self):
        self.pipeline = joblib.load(Path(__file__).parent / "parcels.joblib")

    def predict(self, data: list):
        """Returns `late` or `on_time` for each record."""
        return self.pipeline.predict(frame_of(data))

    def predict_proba(self, data: list):
        """Returns the probabilities of `late` and `on_time` for each record."""
        return self.pipeline.predict_proba(frame_of(data))


def frame_of(records):
    """Returns a data frame. JSON says `null` where a number is missing, the pipeline wants NaN there."""
    return pd.DataFrame(records).astype({name: float for name in NUMBERS})
