"""Sets that come along: scikit-learn's small ones, and the 16 days of views that the course prints."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import polars as pl

from sonde.data.contents import Content, Examples
from sonde.data.fingerprint import of_arrays, of_frame
from sonde.data.readers.arrays import column
from sonde.data.readers.pictures import ArrayPictures

# name → what it is, for `sonde data`.
SETS: dict[str, str] = {
    "digits": "1,797 handwritten digits of 8 × 8 pixels, 10 classes (scikit-learn)",
    "iris": "150 flowers, 4 measurements, 3 species (scikit-learn)",
    "wine": "178 wines, 13 measurements, 3 growers (scikit-learn)",
    "breast-cancer": "569 tumours, 30 measurements, malignant or benign (scikit-learn)",
    "diabetes": "442 patients, 10 measurements, progression after a year (scikit-learn)",
    "noisy-sine": "1,000 values of sin(t / 100), t = 1 … 1,000, with normal noise of standard deviation 0.2",
    "views": "daily views of a course's videos, 16 days from 2021-01-26",
}

# Set → what scikit-learn calls it, the target column.
_TABLES = {"iris": "species", "wine": "grower", "breast-cancer": "diagnosis", "diabetes": "progression"}

# Video views a day, 2021-01-26 to 2021-02-10, as printed in Hung-yi Lee's machine learning course (2021, lecture 1).
_VIEWS = (6788, 6242, 5868, 4413, 4372, 5135, 5527, 5911, 5248, 4771, 3850, 3828, 4559, 4772, 3847, 3382)


def read_bundled(name: str) -> Content:
    """One of `SETS`."""
    if name == "views":
        return _views()
    if name == "noisy-sine":
        return _noisy_sine()
    return _digits() if name == "digits" else _table(name)


def _views() -> Content:
    days = pl.date_range(date(2021, 1, 26), date(2021, 2, 10), "1d", eager=True).alias("date")
    frame = pl.DataFrame([days, pl.Series("views", _VIEWS, dtype=pl.Int64)])
    return Content(
        kind="series",
        origin="views",
        name="views",
        reason="a column of numbers (views), 16 rows, and one of dates (date)",
        parts={"all": Examples(frame)},
        fingerprint=of_frame(frame),
        target="views",
        time="date",
    )


def _noisy_sine() -> Content:
    """The series on which courses show what foretelling many steps ahead comes to."""
    t = np.arange(1, 1_001)
    frame = pl.DataFrame({"y": np.sin(t / 100) + np.random.default_rng(0).normal(0, 0.2, len(t))})
    return Content(
        kind="series",
        origin="noisy-sine",
        name="noisy-sine",
        reason="a column of numbers (y), 1,000 rows",
        parts={"all": Examples(frame)},
        fingerprint=of_frame(frame),
        target="y",
    )


def _digits() -> Content:
    """Pictures of 8 × 8 pixels; the set's values 0 … 16 are scaled to 0 … 255."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    store = ArrayPictures(images, "digits")
    frame = pl.DataFrame({"image": store.names(), "label": [str(label) for label in bunch.target]})
    return Content(
        kind="images",
        origin="digits",
        name="digits",
        reason=f"a bundled set of {len(frame):,} pictures",
        parts={"all": Examples(frame, store)},
        fingerprint=of_arrays({"images": images, "labels": bunch.target}),
        target="label",
    )


def _table(name: str) -> Content:
    from sklearn import datasets

    loaders = {"iris": datasets.load_iris, "wine": datasets.load_wine, "breast-cancer": datasets.load_breast_cancer, "diabetes": datasets.load_diabetes}
    bunch: Any = loaders[name]()
    columns = [column(str(feature), bunch.data[:, place]) for place, feature in enumerate(bunch.feature_names)]
    if name == "diabetes":
        target = column(_TABLES[name], bunch.target)
    else:
        target = pl.Series(_TABLES[name], [str(bunch.target_names[label]) for label in bunch.target])
    frame = pl.DataFrame([*columns, target])
    return Content(
        kind="table",
        origin=name,
        name=name,
        reason=f"a bundled table of {frame.height:,} rows and {frame.width} columns",
        parts={"all": Examples(frame)},
        fingerprint=of_frame(frame),
        target=_TABLES[name],
    )
