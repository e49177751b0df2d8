import io
import logging
import math
import re

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from tqdm import tqdm

from helpers import models, store, training
from helpers.protocols import Recipe

SMALL = Recipe(hidden=(24, 12), latent=4, epochs=4)
RECIPES = {
    "plain": SMALL,
    "autoencoder": SMALL.but(kind="ae", reduction="elements"),
    "batch norm": SMALL.but(batch_norm=True, activation="leaky_relu"),
    "residual": SMALL.but(residual=True, batch_norm=True, beta=4.0),
    "conditional": SMALL.but(kind="cvae", anneal="linear", anneal_epochs=2),
    "encoder only": SMALL.but(kind="cvae", condition="encoder", schedule="constant"),
    "decoder only": SMALL.but(kind="cvae", condition="decoder", anneal="cyclical", anneal_epochs=2),
    "free bits": SMALL.but(free_bits=0.3),
    "learned sigma": SMALL.but(sigma="learned"),
    "clipped sum": SMALL.but(reduction="sum", clip_norm=1.0),
    "BN-VAE": SMALL.but(bn_gamma=0.5),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    store._counts.clear()


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((97, 3)) @ rng.standard_normal((3, 9))).astype(
        np.float32
    )  # 97 = 3 * 32 + 1


@pytest.fixture(scope="module")
def c():
    return np.random.default_rng(1).integers(0, 3, 97)


def reference(X, recipe, seed, c=None):
    """The plainest trainer: torch.optim.Adam, one batch after the other; draws in the order of
    `training.train`."""
    torch.manual_seed(seed)
    n_classes = 0 if c is None or recipe.kind != "cvae" else c.max() + 1
    net = models.build(recipe, X.shape[1], n_classes).train()
    data, given = torch.from_numpy(X), training.one_hot(c, n_classes) if n_classes else None
    adam, history = (
        torch.optim.Adam(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay),
        [],
    )
    for epoch in range(recipe.epochs):
        adam.param_groups[0]["lr"] = training.lr_at(recipe, epoch)
        order, total = torch.randperm(len(X)), np.zeros(3)
        for start, stop in [(0, 32), (32, 64), (64, 97)]:  # the last row joins the batch before it
            rows, cond = order[start:stop], None if given is None else given[order[start:stop]]
            mu, logvar = net.encode(data[rows], cond)
            z = mu if logvar is None else mu + torch.randn(mu.shape) * torch.exp(0.5 * logvar)
            parts = models.elbo(
                data[rows], net.decode(z, cond), mu, logvar, recipe, training.beta_at(recipe, epoch)
            )
            adam.zero_grad()
            (
                parts[0]
                * {"mean": 1, "sum": stop - start, "elements": 1 / X.shape[1]}[recipe.reduction]
            ).backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            adam.step()
            total += [p.sum().item() * (stop - start) / len(X) for p in parts]
        history.append(total)
    with torch.no_grad():
        return np.array(history), net.eval().encode(data, given)[0].numpy()


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("name", RECIPES)
def test_the_loop_equals_the_plainest_trainer(name, dropout, X, c):
    recipe = RECIPES[name].but(dropout=(dropout, dropout))
    history, mu = reference(X, recipe, 5, c)
    fit = training.fit(X, recipe, 5, c, use_cache=False)
    for i, part in enumerate(("loss", "reconstruction", "kl")):
        np.testing.assert_allclose(fit.history[part], history[:, i], rtol=1e-4, atol=1e-5)
    # a bias before BatchNorm has no gradient but rounding noise, which Adam scales up
    np.testing.assert_allclose(
        fit.mu, mu, atol=1e-2 if recipe.batch_norm or recipe.bn_gamma else 1e-4
    )


@pytest.mark.parametrize("shown", ["elbo", "kl_divergence", "sample", "loss"])
def test_what_the_method_page_shows_is_what_trains(shown, X, monkeypatch):
    """A formula that is printed and not called would let this pass with the same fit."""
    right = training.fit(X, SMALL, 0, use_cache=False)
    own = getattr(models, shown)

    def wrong(*arguments):
        made = own(*arguments)
        return tuple(part * 0.5 for part in made) if isinstance(made, tuple) else made * 0.5

    monkeypatch.setattr(models, shown, wrong)
    assert not same(right, training.fit(X, SMALL, 0, use_cache=False))


def test_shapes_and_fields(X, c):
    fit = training.fit(X, RECIPES["conditional"], 0, c)
    assert fit.mu.shape == fit.logvar.shape == (97, 4) and fit.mu.dtype == np.float32
    shapes = {name: values.shape for name, values in fit.history.items()}
    one_an_epoch = dict.fromkeys(("loss", "reconstruction", "kl"), (4,))
    assert shapes == one_an_epoch | {"kl_per_dim": (4, 4)}
    np.testing.assert_allclose(fit.history["kl_per_dim"].sum(axis=1), fit.history["kl"])
    assert (
        fit.kl_per_dim.shape == (4,)
        and fit.n_features == 9
        and fit.n_classes == 3
        and fit.seconds > 0
    )
    with torch.no_grad():
        mu, _ = fit.model().encode(torch.from_numpy(X), training.one_hot(c, 3))
    np.testing.assert_allclose(mu, fit.mu, atol=1e-6)
    code = training.fit(X, RECIPES["autoencoder"], 0)
    assert (
        code.logvar is None and not code.history["kl"].any() and (code.sample(0) == code.mu).all()
    )


def test_kl_per_dimension_is_the_closed_form():
    logvar = np.log(np.array([[1.0, 0.25]], np.float32))
    fit = training.Fit(np.array([[2.0, 0.0]], np.float32), logvar, {}, {}, SMALL, 0, 1, 0, 0.0)
    np.testing.assert_allclose(fit.kl_per_dim, [2.0, 0.5 * (0.25 - 1 - math.log(0.25))], rtol=1e-6)
    np.testing.assert_array_equal(fit.active, [0, 1])


def test_a_number_of_updates_instead_of_epochs(X, monkeypatch):
    """Three batches make an epoch: six updates are two epochs; five are all that happens, over the
    whole schedule."""
    plain = SMALL.but(schedule="constant")
    whole, bound = (
        training.fit(X, plain.but(**given), 0, use_cache=False)
        for given in ({"epochs": 2}, {"steps": 6})
    )
    assert (
        whole.mu.tobytes() == bound.mu.tobytes()
        and (whole.history["loss"] == bound.history["loss"]).all()
    )
    asked, lr_at = [], training.lr_at
    monkeypatch.setattr(
        training, "lr_at", lambda recipe, epoch: asked.append(epoch) or lr_at(recipe, epoch)
    )
    five = training.fit(X, SMALL.but(steps=5), 0, use_cache=False)
    np.testing.assert_allclose(asked, np.arange(5) * SMALL.epochs / 5)
    assert len(five.history["loss"]) == 2 and np.isfinite(five.history["loss"]).all()
    with pytest.raises(ValueError, match="steps is 0"):
        Recipe(steps=0)


def test_a_long_training_says_how_long_it_will_take(X, monkeypatch):
    said = io.StringIO()
    shown = {"file": said, "delay": 0, "disable": False, "mininterval": 0}
    monkeypatch.setattr(training, "tqdm", lambda **given: tqdm(**{**given, **shown}))
    training.fit_arrays(X, None, 0, SMALL, 0)
    assert "12/12" in said.getvalue() and re.search(
        r"\d\d:\d\d<\d\d:\d\d, .*step/s", said.getvalue()
    )


def test_schedules():
    assert [training.lr_at(Recipe(lr=1.0, epochs=4), e) for e in (0, 2, 4)] == pytest.approx(
        [1.0, 0.5, 0.0]
    )
    assert training.lr_at(Recipe(lr=1.0, epochs=4, schedule="constant"), 3) == 1.0
    linear = Recipe(beta=2.0, anneal="linear", anneal_epochs=4)
    assert [training.beta_at(linear, e) for e in (0, 1, 4, 9)] == [0.0, 0.5, 2.0, 2.0]
    cyclical = Recipe(anneal="cyclical", anneal_epochs=4)
    assert [training.beta_at(cyclical, e) for e in range(5)] == [0.0, 0.5, 1.0, 1.0, 0.0]
    assert training.beta_at(Recipe(beta=4.0), 0) == 4.0


def test_a_lone_last_row_joins_the_batch_before_it():
    def sizes(n, size):
        return [len(range(n)[rows]) for rows in training.batches(n, size)]

    assert sizes(97, 32) == [32, 32, 33] and sizes(98, 32) == [32, 32, 32, 2]
    assert sizes(2, 1) == [2] and sizes(5, 32) == [5]
    rows = [row for part in training.batches(97, 32) for row in range(97)[part]]
    assert rows == list(range(97))


def same(a, b):
    assert a.history.keys() == b.history.keys() and a.state.keys() == b.state.keys()
    pairs = [
        (a.mu, b.mu),
        *((a.history[k], b.history[k]) for k in a.history),
        *((a.state[k], b.state[k]) for k in a.state),
    ]
    return all(np.array_equal(x, y) for x, y in pairs)


def many(X, recipe, seeds, n_jobs=1, **more):
    return training.fit_many([(X, recipe, seed) for seed in seeds], n_jobs, **more)


def test_equal_seeds_are_equal_alone_and_in_a_pool_and_unequal_seeds_are_not(X):
    recipe = RECIPES["residual"].but(dropout=(0.25, 0.2), clip_norm=1.0)
    torch.manual_seed(123)
    alone = training.fit(X, recipe, 1, use_cache=False)
    torch.manual_seed(456)  # the caller's random state and threads play no part
    pool = many(X, recipe, range(3), n_jobs=2, use_cache=False)
    assert same(alone, pool[1]) and not same(alone, pool[2])
    assert [fit.seed for fit in pool] == [0, 1, 2]


def test_the_callers_random_state_and_threads_are_left_alone(X):
    torch.manual_seed(0)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    training.fit(X, SMALL, 9).model()
    assert torch.equal(state, torch.random.get_rng_state()) and torch.get_num_threads() == threads


def test_lagging_inference_trains_the_encoder_more(X):
    plain, lagging = (training.fit(X, SMALL.but(aggressive=k), 0, use_cache=False) for k in (0, 3))
    assert np.isfinite(lagging.history["loss"]).all()
    assert lagging.history["loss"][0] != plain.history["loss"][0]


def test_a_frozen_part_stays(X):
    """What lagging inference rests on: a step of the encoder leaves the decoder, and the
    reverse."""
    net = models.build(SMALL, X.shape[1])
    optimiser = torch.optim.Adam(net.parameters(), weight_decay=1.0, fused=True)
    batch = (torch.from_numpy(X[:32]),)
    for frozen, moving in ((net.decoder, net.encoder), (net.encoder, net.decoder)):
        before = [w.detach().clone() for w in (*frozen.parameters(), *moving.parameters())]
        weights = list(frozen.parameters())
        training.take_step(net, batch, models.loss, optimiser, SMALL, 0, weights)
        after = [*frozen.parameters(), *moving.parameters()]
        stayed = [torch.equal(old, new) for old, new in zip(before, after, strict=True)]
        assert all(stayed[: len(weights)]) and not any(stayed[len(weights) :])


def test_training_lowers_the_loss(X):
    for name, recipe in RECIPES.items():
        loss = training.fit(
            X, recipe.but(epochs=30, anneal="none", kind="vae", lr=5e-3), 0, use_cache=False
        ).history["loss"]
        assert loss[-1] < loss[0], name


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda X, c: (X[:1], SMALL, 0), "at least 2 rows"),
        (lambda X, c: (X[0], SMALL, 0), "not an array of shape"),
        (lambda X, c: (np.where(X == X[0, 0], np.nan, X), SMALL, 0), "1 NaN or infinite values"),
        (lambda X, c: (X, SMALL.but(kind="cvae"), 0), "needs the condition c"),
        (lambda X, c: (X, SMALL.but(kind="cvae"), 0, c[:5]), "5 codes for 97 rows"),
        (lambda X, c: (X, SMALL.but(kind="cvae"), 0, c - 1), "code -1; codes count from 0"),
        (lambda X, c: (X, SMALL.but(kind="cvae"), 0, 0 * c), "at least 2 classes"),
    ],
)
def test_wrong_input_says_what_to_do(change, message, X, c):
    with pytest.raises(ValueError, match=message):
        training.fit(*change(X, c))
    assert store.cache_report()["entries"] == 0


def test_a_diverging_loss_stops_with_advice_and_is_not_trained_again(X):
    wild = SMALL.but(lr=1e6)
    with pytest.raises(
        training.Diverged, match="VAE of seed 0 ran away and is left out.*lower lr or a clip_norm"
    ):
        training.fit(X * 1e18, wild, 0)
    assert store.cache_report()["entries"] == 1
    one, two = many(X, SMALL, [0]) + many(X * 1e18, wild, [0])  # the others of a list go on
    assert isinstance(one, training.Fit) and isinstance(two, training.Diverged)


def test_an_exploded_kl_cannot_be_taken_for_a_result(caplog):
    """Finite, but far above where it was: one outlying track, and log-variances that run away in
    the KL ramp."""
    X = np.random.default_rng(0).standard_normal((400, 60)).astype(np.float32)
    X[0] *= 30
    wild = SMALL.but(epochs=20, lr=0.03, anneal="linear", anneal_epochs=10, schedule="constant")
    found = many(X, wild, range(4))
    gone = [one for one in found if isinstance(one, training.Diverged)]
    assert any("far above" in str(one) for one in gone), (
        "the planted case no longer explodes: choose another"
    )
    for one in gone:
        assert "seed" in str(one) and "\n" not in str(one) and str(one) in caplog.text
    for one in found:
        if isinstance(one, training.Fit):
            total = one.history["reconstruction"] + one.history["kl"]
            assert total[-1] <= training.TOO_FAR * total.min()
    tame = many(X, wild.but(clip_norm=1.0, lr=1e-3), range(4))
    assert all(isinstance(one, training.Fit) for one in tame)


# ---- the store -----------------------------------------------------------------------------------


def test_hits_and_misses_are_reported(X):
    first = many(X, SMALL, range(2), n_jobs=2)
    report = store.cache_report()
    assert (report["hits"], report["misses"], report["entries"]) == (0, 2, 2)
    second = many(X, SMALL, range(3))
    report = store.cache_report()
    assert (report["hits"], report["misses"], report["entries"]) == (2, 3, 3)
    assert same(first[0], second[0]) and same(first[1], second[1])
    assert second[0].recipe == SMALL and second[0].seconds == first[0].seconds


def test_the_key_is_data_recipe_seed_and_condition(X, c):
    conditional = RECIPES["conditional"]
    jobs = [
        (X, SMALL, 0),
        (X + 1, SMALL, 0),
        (X, SMALL.but(beta=2.0), 0),
        (X, SMALL, 1),
        (X, conditional, 0, c),
        (X, conditional, 0, 2 - c),
    ]
    training.fit_many(jobs, 1)
    assert store.cache_report()["entries"] == 6
    training.fit_many(jobs, 1)
    assert store.cache_report()["misses"] == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays: {"mu": arrays["mu"]},
        lambda arrays: arrays | {"mu": np.zeros((3, 4), np.float32)},
        lambda arrays: arrays | {"state/head.weight": np.zeros((1, 1), np.float32)},
    ],
)
def test_an_entry_that_is_no_fit_is_trained_again_with_a_warning(damage, X, caplog):
    fit = training.fit(X, SMALL, 0)
    (path,) = store.cache_dir().glob("*.npz")
    store.write_entry(path.stem, damage(store.read_entry(path.stem)))
    with caplog.at_level(logging.WARNING, logger="helpers"):
        again = training.fit(X, SMALL, 0)
    assert "training again" in caplog.text
    assert same(fit, again) and same(fit, training.fit(X, SMALL, 0))


# ---- scikit-learn --------------------------------------------------------------------------------


def test_latent_encoder_is_a_scikit_learn_transformer():
    check_estimator(training.LatentEncoder(Recipe(hidden=(8,), latent=3, epochs=2)))


def test_latent_encoder_in_a_pipeline(X):
    pipeline = make_pipeline(
        StandardScaler(), training.LatentEncoder(SMALL), KMeans(3, n_init=2, random_state=0)
    )
    assert set(pipeline.fit_predict(X)) == {0, 1, 2}
    names = pipeline[:-1].get_feature_names_out()
    assert list(names) == [f"latentencoder{i}" for i in range(4)]
    np.testing.assert_allclose(
        pipeline[1].transform(pipeline[0].transform(X)), pipeline[1].fit_.mu, atol=1e-5
    )


def test_a_grid_search_turns_the_settings_of_a_latent_encoder(X, c):
    pipeline = make_pipeline(training.LatentEncoder(SMALL), LogisticRegression())
    grid = {
        "latentencoder__latent": [2, 3],
        "latentencoder__beta": [0.5, 4.0],
        "latentencoder__epochs": [1, 2],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, c)
    assert len(search.cv_results_["params"]) == 8
    encoder = training.LatentEncoder(SMALL, latent=2, beta=4.0, epochs=1).fit(X)
    assert encoder.transform(X).shape == (97, 2) and len(encoder.fit_.history["loss"]) == 1
    assert encoder.fit_.recipe == SMALL.but(latent=2, beta=4.0, epochs=1)
    assert encoder.recipe == SMALL  # the setting stays as it was given
    with pytest.raises(ValueError, match="latent is 0"):
        training.LatentEncoder(latent=0).fit(X)


def test_latent_encoder_refuses_a_condition(X):
    with pytest.raises(ValueError, match="has no condition"):
        training.LatentEncoder(SMALL.but(kind="cvae")).fit(X)


def test_a_negative_seed_is_refused_in_one_sentence():
    X = np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match="random_state=-1: a seed is a whole number of 0 or more"):
        training.LatentEncoder(random_state=-1).fit(X)
