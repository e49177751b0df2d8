"""What `print` gives of our records: a line, whatever they hold."""

import dataclasses
import importlib
import pkgutil
import re

import numpy as np
import pytest

import helpers
import musicbook
from helpers import inputs, phases, protocols, training
from helpers.shown import short_repr
from musicbook.corpus import audio, fast_features, folders, sources
from tests.material import write_clips


def records(folder):
    """Real records of every kind that a reader meets, by name."""
    paths = write_clips(folder, 2, seconds=1.0)
    tracks = sources.load("gtzan-mini-tracks").rows(np.arange(0, 100, 4))
    recipe = protocols.get("controlled").recipes["basic_vae"].but(epochs=1, anneal="none")
    X = inputs.zscore(tracks.features.to_numpy())
    return {
        "gtzan-mini": sources.load("gtzan-mini"),
        "paired": sources.load("paired"),
        "folder": folders.look_through(folder),
        "extracted": fast_features.extract_all(paths, quiet=True),
        "sound": audio.read_sound(next(iter(paths.values()))),
        "input": inputs.prepare(tracks, protocols.get("controlled"), 1, 0),
        "fit": training.fit(X, recipe, 0),
    }


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return {
            name: repr(record) for name, record in records(tmp_path_factory.mktemp("m")).items()
        }


def test_every_record_is_one_line(shown):
    for name, text in shown.items():
        assert "\n" not in text and len(text) < 600, name


def test_the_line_says_what_there_is(shown):
    assert shown["paired"].startswith("Tracks(name='paired', ids=ndarray 1000")
    assert "blocks={audio, text, facts}" in shown["paired"]
    assert "y=ndarray 22050" in shown["sound"] and "table=DataFrame 2 x 69" in shown["extracted"]


def test_a_run_is_short():
    assert phases.Run.__repr__ is short_repr


HOLDS_DATA = re.compile(r"ndarray|DataFrame|Tensor|Tracks")
INSIDE = {  # parts that no call hands out
    "helpers.metrics.Metric",
    "musicbook.chapters.own_words.fusions.Way",
    "musicbook.chapters.results.multiverse.Variant",
    "musicbook.corpus.encoders.Encoder",
    "musicbook.make_results.Merged",
}


@pytest.mark.parametrize("package", [helpers, musicbook], ids=lambda package: package.__name__)
def test_every_public_dataclass_that_holds_data_prints_in_a_line(package):
    long = set()
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if module.name.endswith("__main__"):
            continue
        for name, kind in vars(importlib.import_module(module.name)).items():
            own = getattr(kind, "__module__", None) == module.name and not name.startswith("_")
            if not (own and dataclasses.is_dataclass(kind)):
                continue
            types = " ".join(str(field.type) for field in dataclasses.fields(kind))
            if HOLDS_DATA.search(types) and kind.__repr__ is not short_repr:
                long.add(f"{module.name}.{name}")
    assert long <= INSIDE
