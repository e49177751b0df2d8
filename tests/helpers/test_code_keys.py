"""A key follows the code that a call can reach, through all three packages, and nothing else."""

import ast
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import metrics, models, phases, protocols, store, training
from leakaudit import examination
from musicbook.corpus import fast_features
from musicbook.make_results import run_unit
from tests.material import copied_sources, forget_sources

FIT = training.fit_arrays


@pytest.fixture
def sources(tmp_path):
    """A copy of our packages, which keys are made from in the test."""
    with copied_sources(tmp_path / "src") as copy:
        yield copy


def insert(sources, module, name, line):
    """Put a line at the start of the body of a function or of a method, "Class.method"."""
    path = sources / f"{module}.py"
    lines = path.read_text().splitlines()
    body = ast.parse("\n".join(lines)).body
    for part in name.split("."):
        node = next(node for node in body if getattr(node, "name", None) == part)
        body = node.body
    docstring = ast.get_docstring(node) is not None
    is_docstring = line.startswith('"""')
    first = body[1] if docstring and not is_docstring else body[0]
    if is_docstring and docstring:
        del lines[body[0].lineno - 1 : body[0].end_lineno]
    lines.insert(first.lineno - 1, " " * first.col_offset + line)
    path.write_text("\n".join(lines) + "\n")
    forget_sources()


def append(sources, module, text):
    path = sources / f"{module}.py"
    path.write_text(path.read_text() + text)
    forget_sources()


@pytest.mark.parametrize(
    ("function", "module", "name", "changes"),
    [
        (FIT, "helpers/training", "fit_arrays", True),
        (FIT, "helpers/models", "elbo", True),  # fit_arrays -> train -> loss -> elbo
        (FIT, "helpers/models", "VAE.encode", True),  # a method of a class that models.build names
        (FIT, "helpers/training", "fit_many", False),
        (FIT, "helpers/plots", "use_style", False),
        (FIT, "helpers/phases", "run_phase", False),
        # imported inside a function, and called by what is imported there
        (fast_features.extract_file, "musicbook/corpus/kernels", "scan_frames", True),
        (fast_features.extract_file, "musicbook/corpus/kernels", "_moments", True),
        (fast_features.extract_file, "musicbook/corpus/audio", "read_sound", True),
        (fast_features.extract_file, "musicbook/corpus/fast_features", "extract_table", False),
        (metrics.scores, "helpers/metrics", "purity", True),  # reached by the table METRICS alone
        (
            phases.score_methods,
            "helpers/metrics",
            "purity",
            True,
        ),  # through two modules and the table
        (metrics.scores, "leakaudit/leaks", "permuted", True),  # from one package into another
        (run_unit, "leakaudit/leaks", "permuted", True),  # and through a third
        (examination.examine, "helpers/metrics", "purity", False),
    ],
)
def test_an_edit_changes_the_keys_of_what_reaches_it(sources, function, module, name, changes):
    before = store.key(function, 1)
    insert(sources, module, name, "# a remark")
    assert store.key(function, 1) == before
    insert(sources, module, name, '"""Said in other words."""')
    assert store.key(function, 1) == before
    insert(sources, module, name, "changed = True")
    assert (store.key(function, 1) != before) == changes


def test_a_table_is_followed(sources):
    before = store.key(metrics.scores), store.key(models.build)
    append(sources, "helpers/metrics", "\nMETRICS = {**METRICS}\n")
    assert store.key(metrics.scores) != before[0] and store.key(models.build) == before[1]


def test_a_new_protocol_leaves_the_fits(sources):
    recipe = protocols.get("controlled").recipes["basic_vae"]
    before = store.key(FIT, np.eye(3), None, 0, recipe, 1), store.key(protocols.get)
    new = 'PROTOCOLS["mine"] = replace(PROTOCOLS["written"], name="mine")'
    append(sources, "helpers/protocols", f"\n{new}\n")
    assert store.key(FIT, np.eye(3), None, 0, recipe, 1) == before[0]
    assert store.key(protocols.get) != before[1]


def test_types_of_arguments_do_not_count(sources):
    before = store.key(training.lr_at)
    path = sources / "helpers" / "training.py"
    old = path.read_text()
    typed = "def lr_at(recipe: Recipe, epoch: float) -> float:"
    assert typed in old
    path.write_text(old.replace(typed, "def lr_at(recipe, epoch):"))
    forget_sources()
    assert store.key(training.lr_at) == before
    path.write_text(old.replace(typed, "def lr_at(recipe, epoch=0):"))
    forget_sources()
    assert store.key(training.lr_at) != before


@pytest.mark.parametrize(
    "source",
    [
        "from helpers import models\nmodels.elbo(1)",
        "from helpers.models import elbo as loss\nloss(1)",
        "import helpers.models\nhelpers.models.elbo(1)",
        "import helpers.models as m\nm.elbo(1)",
        "import helpers\nhelpers.models.elbo(1)",
        "def f():\n    from helpers.training import fit\n    return fit",
        "from musicbook.make_results import run\nrun()",
    ],
)
def test_source_is_followed_however_it_imports(sources, source):
    before, other = store.key(source), store.key("from helpers import plots\nplots.use_style()")
    assert store.key(source + "  # a remark") == before != store.key(source + "\n2")
    insert(sources, "helpers/models", "elbo", "changed = True")
    assert store.key(source) != before
    assert store.key("from helpers import plots\nplots.use_style()") == other


def ours(x):
    return {"x": np.asarray(x)}


def theirs(x):
    return {"x": np.asarray(x)}


class Two:
    def first(self): ...
    def second(self): ...


def test_functions_have_keys_of_their_own():
    assert len({store.key(f, 1) for f in (ours, theirs, Two.first, Two.second, FIT)}) == 5
    assert store.key(training.Fit.model) != store.key(training.Fit.sample)
    with pytest.raises(ValueError, match="defined in no file"):
        exec("def loose(): ...", scope := {"__name__": "nowhere"})
        store.key(scope["loose"])


def test_a_module_that_is_run_has_the_keys_it_has_when_imported(sources):
    (sources / "helpers" / "probe.py").write_text(
        "from helpers import store\ndef f(): ...\nprint(store.key(f, 1))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    printed = []
    for way in (["-m", "helpers.probe"], ["-c", "import helpers.probe"]):
        command = [sys.executable, *way]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        printed.append(done.stdout)
    assert printed[0] == printed[1] and len(printed[0]) == 41
