import logging
import math
import multiprocessing
import os

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from helpers import cache as store, models, training
from helpers.protocols import Recipe
from helpers.training import Stack, random_bits

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
    return (rng.standard_normal((97, 3)) @ rng.standard_normal((3, 9))).astype(np.float32)  # 97 = 3 * 32 + 1


@pytest.fixture(scope="module")
def c():
    return np.random.default_rng(1).integers(0, 3, 97)


def reference(X, recipe, seed, c=None):
    """The plainest trainer: autograd, torch.optim.Adam, one batch after the other; draws as `training.train` draws."""
    torch.manual_seed(seed)
    n_classes = 0 if c is None or recipe.kind != "cvae" else c.max() + 1
    net = models.build(recipe, X.shape[1], n_classes).train()
    data, given = torch.from_numpy(X), training.one_hot(c, n_classes) if n_classes else None
    adam = torch.optim.Adam(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    draw, history = torch.Generator().manual_seed(seed), []
    for epoch in range(recipe.epochs):
        adam.param_groups[0]["lr"] = training.lr_at(recipe, epoch)
        order = torch.randperm(len(X), generator=draw)
        noise = torch.randn(len(X), recipe.latent, generator=draw)
        total = np.zeros(3)
        for start, stop in [(0, 32), (32, 64), (64, 97)]:  # the last row joins the batch before it
            rows, cond = order[start:stop], None if given is None else given[order[start:stop]]
            mu, logvar = net.encode(data[rows], cond)
            z = mu if logvar is None else mu + noise[start:stop] * torch.exp(0.5 * logvar)
            parts = models.elbo(data[rows], net.decode(z, cond), mu, logvar, recipe, training.beta_at(recipe, epoch))
            adam.zero_grad()
            (parts[0] * {"mean": 1, "sum": stop - start, "elements": 1 / X.shape[1]}[recipe.reduction]).backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            adam.step()
            total += [p.item() * (stop - start) / len(X) for p in parts]
        history.append(total)
    with torch.no_grad():
        return np.array(history), net.eval().encode(data, given)[0].numpy()


@pytest.mark.parametrize("name", RECIPES)
def test_training_equals_autograd_and_plain_adam(name, X, c):
    recipe = RECIPES[name]
    history, mu = reference(X, recipe, 5, c)
    fit = training.fit(X, recipe, 5, c, cache=False)
    for i, part in enumerate(("loss", "reconstruction", "kl")):
        np.testing.assert_allclose(fit.history[part], history[:, i], rtol=1e-5, atol=1e-6)
    # a bias before BatchNorm has no gradient; autograd gives it rounding noise, which Adam scales up
    np.testing.assert_allclose(fit.mu, mu, atol=1e-2 if recipe.batch_norm or recipe.bn_gamma else 1e-5)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("name", RECIPES)
def test_gradients_equal_autograds(name, dropout, n, X, c, monkeypatch):
    """Of a single network, and of two that are stepped together on rows of their own."""
    recipe = RECIPES[name].but(dropout=(dropout, dropout))
    classes = 3 if recipe.kind == "cvae" else 0
    nets, twins = ([models.build(recipe, X.shape[1], classes).double().train() for _ in range(n)] for _ in range(2))
    for net, twin in zip(nets, twins):
        twin.load_state_dict(net.state_dict())
    stack = Stack(nets)
    rows = [slice(20 * i, 20 * i + 20) for i in range(n)]
    x = torch.stack([torch.from_numpy(X[r]).double() for r in rows])
    noise = torch.randn(n, 20, recipe.latent, dtype=torch.float64)
    given = torch.stack([training.one_hot(c[r], 3).double() for r in rows]) if classes else None
    drawn = [random_bits(20 * sum(stack.dropped), torch.Generator().manual_seed(i)) for i in range(n)]
    batch = (x, noise, given, torch.stack(drawn) if dropout else None)
    stack.forward(*(part if n > 1 or part is None else part[0] for part in batch), 0.7)
    stack.backward()

    def gradient(key: str, i: int) -> torch.Tensor:
        return stack.views[key][1][i] if n > 1 else stack.views[key][1]

    for i, twin in enumerate(twins):
        layers = stack.encoder + stack.decoder if dropout else []
        masks = iter([layer.mask[i] if n > 1 else layer.mask for layer in layers])
        monkeypatch.setattr(torch.nn.Dropout, "forward", lambda self, h, masks=masks: h * next(masks))
        own = None if given is None else given[i]
        mu, logvar = twin.encode(x[i], own)
        z = mu if logvar is None else mu + noise[i] * torch.exp(0.5 * logvar)
        loss = models.elbo(x[i], twin.decode(z, own), mu, logvar, recipe, 0.7)[0]
        (loss * {"mean": 1, "sum": 20, "elements": 1 / X.shape[1]}[recipe.reduction]).backward()
        for key, parameter in twin.named_parameters():
            if parameter.requires_grad:
                torch.testing.assert_close(gradient(key, i), parameter.grad, rtol=1e-6, atol=1e-7)


def test_dropout_keeps_the_asked_share_and_the_mean():
    layer = Stack([models.build(SMALL.but(dropout=(0.2, 0.2)), 9)]).encoder[0]
    layer.forward(torch.ones(4000, 9), random_bits(4000 * 24, torch.Generator().manual_seed(0)).view(4000, 24))
    assert float((layer.mask > 0).float().mean()) == pytest.approx(0.8, abs=0.01)
    assert float(layer.mask.mean()) == pytest.approx(1.0, abs=0.01)


def test_clip_scales_only_the_longer_gradient():
    stack = Stack([models.build(SMALL, 9) for _ in range(2)])
    stack.gradients[0], stack.gradients[1] = 2.0, 1e-6
    stack.clip(1.0)
    assert float(stack.gradients[0].norm()) == pytest.approx(1.0, rel=1e-5)
    assert float(stack.gradients[1, 0]) == pytest.approx(1e-6)


def test_shapes_and_fields(X, c):
    fit = training.fit(X, RECIPES["conditional"], 0, c)
    assert fit.mu.shape == fit.logvar.shape == (97, 4) and fit.mu.dtype == np.float32
    assert {k: v.shape for k, v in fit.history.items()} == dict.fromkeys(("loss", "reconstruction", "kl"), (4,))
    assert fit.kl_per_dim.shape == (4,) and fit.n_features == 9 and fit.n_classes == 3 and fit.seconds > 0
    with torch.no_grad():
        mu, _ = fit.model().encode(torch.from_numpy(X), training.one_hot(c, 3))
    np.testing.assert_allclose(mu, fit.mu, atol=1e-6)
    code = training.fit(X, RECIPES["autoencoder"], 0)
    assert code.logvar is None and not code.history["kl"].any() and (code.sample(0) == code.mu).all()


def test_kl_per_dimension_is_the_closed_form():
    logvar = np.log(np.array([[1.0, 0.25]], np.float32))
    fit = training.Fit(np.array([[2.0, 0.0]], np.float32), logvar, {}, {}, SMALL, 0, 1, 0, 0.0)
    np.testing.assert_allclose(fit.kl_per_dim, [2.0, 0.5 * (0.25 - 1 - math.log(0.25))], rtol=1e-6)
    np.testing.assert_array_equal(fit.active, [0, 1])


def test_schedules():
    assert [training.lr_at(Recipe(lr=1.0, epochs=4), e) for e in (0, 2, 4)] == pytest.approx([1.0, 0.5, 0.0])
    assert training.lr_at(Recipe(lr=1.0, epochs=4, schedule="constant"), 3) == 1.0
    linear = Recipe(beta=2.0, anneal="linear", anneal_epochs=4)
    assert [training.beta_at(linear, e) for e in (0, 1, 4, 9)] == [0.0, 0.5, 2.0, 2.0]
    cyclical = Recipe(anneal="cyclical", anneal_epochs=4)
    assert [training.beta_at(cyclical, e) for e in range(5)] == [0.0, 0.5, 1.0, 1.0, 0.0]
    assert training.beta_at(Recipe(beta=4.0), 0) == 4.0


def test_a_lone_last_row_joins_the_batch_before_it():
    edges = training.batch_edges
    assert edges(97, SMALL) == [(0, 32), (32, 64), (64, 97)]
    assert edges(98, SMALL)[-1] == (96, 98)
    assert edges(2, SMALL.but(batch_size=1)) == [(0, 2)]


def same(a, b):
    assert a.history.keys() == b.history.keys() and a.state.keys() == b.state.keys()
    pairs = [
        (a.mu, b.mu),
        *((a.history[k], b.history[k]) for k in a.history),
        *((a.state[k], b.state[k]) for k in a.state),
    ]
    return all(np.array_equal(x, y) for x, y in pairs)


def test_equal_seeds_are_equal_alone_and_in_a_pool_and_unequal_seeds_are_not(X):
    recipe = RECIPES["residual"].but(dropout=(0.25, 0.2), clip_norm=1.0)
    torch.manual_seed(123)
    alone = training.fit(X, recipe, 1, cache=False)
    torch.manual_seed(456)  # the caller's random state and threads play no part
    pool = training.fit_seeds(X, recipe, 3, n_jobs=2, cache=False)
    assert same(alone, pool[1]) and not same(alone, pool[2])
    assert [fit.seed for fit in pool] == [0, 1, 2]


@pytest.mark.parametrize("name", RECIPES)
def test_stacked_seeds_equal_single_ones(name, X, c):
    recipe = RECIPES[name].but(dropout=(0.25, 0.2))
    for alone, stacked in zip(
        training.fit_seeds(X, recipe, [7, 1, 4], c, n_jobs=1, cache=False),
        training.fit_seeds(X, recipe, [7, 1, 4], c, n_jobs=1, cache=False, stack=3),
        strict=True,
    ):
        np.testing.assert_allclose(stacked.history["loss"], alone.history["loss"], rtol=1e-4)
        np.testing.assert_allclose(stacked.mu, alone.mu, atol=2e-3)


def test_the_callers_random_state_and_threads_are_left_alone(X):
    torch.manual_seed(0)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    training.fit(X, SMALL, 9).model()
    assert torch.equal(state, torch.random.get_rng_state()) and torch.get_num_threads() == threads


def test_patience_stops_early_and_stays_out_of_stacks(X):
    recipe = SMALL.but(epochs=60, lr=0.05, patience=2)
    fits = training.fit_seeds(X, recipe, 2, n_jobs=1, cache=False, stack=2)
    for fit in fits:
        loss = fit.history["loss"]
        assert len(loss) < 60
        assert loss[-2:].min() >= loss[:-2].min()  # two epochs without a better loss, and none stopped before
    assert same(fits[0], training.fit(X, recipe, 0, cache=False))


def test_lagging_inference_trains_the_encoder_more(X):
    plain, lagging = (training.fit(X, SMALL.but(aggressive=k), 0, cache=False) for k in (0, 3))
    assert np.isfinite(lagging.history["loss"]).all()
    assert lagging.history["loss"][0] != plain.history["loss"][0]


def test_training_lowers_the_loss(X):
    for name, recipe in RECIPES.items():
        loss = training.fit(X, recipe.but(epochs=30, anneal="none", kind="vae", lr=5e-3), 0, cache=False).history[
            "loss"
        ]
        assert loss[-1] < loss[0], name


@pytest.mark.parametrize("change, message", [
    (lambda X, c: (X[:1], SMALL, 0), "at least 2 rows"),
    (lambda X, c: (X[0], SMALL, 0), "not an array of shape"),
    (lambda X, c: (np.where(X == X[0, 0], np.nan, X), SMALL, 0), "1 NaN or infinite values"),
    (lambda X, c: (X, SMALL.but(kind="cvae"), 0), "needs the condition c"),
    (lambda X, c: (X, SMALL.but(kind="cvae"), 0, c[:5]), "5 codes for 97 rows"),
    (lambda X, c: (X, SMALL.but(kind="cvae"), 0, c - 1), "code -1; codes count from 0"),
    (lambda X, c: (X, SMALL.but(kind="cvae"), 0, 0 * c), "at least 2 classes"),
])  # fmt: skip
def test_wrong_input_says_what_to_do(change, message, X, c):
    with pytest.raises(ValueError, match=message):
        training.fit(*change(X, c))
    assert training.cache_report()["files"] == 0


def test_a_diverging_loss_stops_with_advice(X):
    with pytest.raises(FloatingPointError, match="lower lr"):
        training.fit(X * 1e18, SMALL.but(lr=1e6), 0)
    assert training.cache_report()["files"] == 0


# ---- cache ----------------------------------------------------------------------------------------------------------


def test_hits_misses_and_bytes_are_reported(X):
    first = training.fit_seeds(X, SMALL, 2, n_jobs=2)  # workers write, this process counts
    report = training.cache_report()
    assert (report["hits"], report["misses"], report["files"]) == (0, 2, 2)
    assert report["bytes"] == report["bytes_written"] > 0
    second = training.fit_seeds(X, SMALL, 3, n_jobs=1)
    report = training.cache_report()
    assert (report["hits"], report["misses"], report["files"]) == (2, 3, 3) and report["bytes_read"] > 0
    assert same(first[0], second[0]) and same(first[1], second[1])
    assert second[0].recipe == SMALL and second[0].seconds == first[0].seconds


def test_the_key_is_data_recipe_seed_condition_and_code(X, c, monkeypatch):
    keys = {training._path(training._check(*data), recipe, seed) for data, recipe, seed in [
        ((X, SMALL), SMALL, 0), ((X + 1, SMALL), SMALL, 0), ((X, SMALL), SMALL.but(beta=2.0), 0),
        ((X, SMALL), SMALL, 1),
        ((X, RECIPES["conditional"], c), RECIPES["conditional"], 0),
        ((X, RECIPES["conditional"], 2 - c), RECIPES["conditional"], 0)]}  # fmt: skip
    assert len(keys) == 6
    before = training._path(training._check(X, SMALL), SMALL, 0)
    assert before in keys
    monkeypatch.setattr(training, "_CODE", "another")
    assert training._path(training._check(X, SMALL), SMALL, 0) not in keys


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:500]),
    lambda path: path.write_bytes(b"not an archive"),
    lambda path: path.write_bytes(b""),
    lambda path: np.savez(path, mu=np.zeros((97, 4), np.float32)),
    lambda path: np.savez(path, **dict(np.load(path)) | {"mu": np.zeros((3, 4), np.float32)}),
    lambda path: np.savez(path, **dict(np.load(path)) | {"state/head.weight": np.zeros((1, 1), np.float32)}),
    lambda path: np.savez(path, mu=np.array([{"a": 1}], dtype=object)),
])  # fmt: skip
def test_damaged_and_foreign_files_are_trained_again_with_a_warning(damage, X, caplog):
    fit = training.fit(X, SMALL, 0)
    (path,) = store.cache_dir().glob("*.npz")
    damage(path)
    with caplog.at_level(logging.WARNING, logger="helpers"):
        again = training.fit(X, SMALL, 0)
    assert "training again" in caplog.text and path.name in caplog.text
    assert same(fit, again) and same(fit, training.fit(X, SMALL, 0))
    assert training.cache_report()["hits"] == 1


def test_a_folder_that_cannot_be_written_is_named(X, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(OSError, match="set HELPERS_CACHE"):
        training.fit(X, SMALL, 0)


def fit_and_tell(X, folder, barrier, queue):
    os.environ["HELPERS_CACHE"] = folder
    barrier.wait()
    queue.put([training.fit(X, SMALL, seed).mu.tobytes() for seed in (0, 1, 0)])


def test_concurrent_processes_share_a_folder(X):
    spawn = multiprocessing.get_context("spawn")
    barrier, queue = spawn.Barrier(3), spawn.Queue()
    workers = [spawn.Process(target=fit_and_tell, args=(X, str(store.cache_dir()), barrier, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    told = [queue.get(timeout=240) for _ in workers]
    for worker in workers:
        worker.join()
    assert told[0] == told[1] == told[2] and told[0][0] == told[0][2]
    assert len(list(store.cache_dir().iterdir())) == 2  # two fits, no temporary left behind


# ---- scikit-learn ---------------------------------------------------------------------------------------------------


def test_latent_encoder_is_a_scikit_learn_transformer():
    check_estimator(training.LatentEncoder(Recipe(hidden=(8,), latent=3, epochs=2)))


def test_latent_encoder_in_a_pipeline(X):
    pipeline = make_pipeline(StandardScaler(), training.LatentEncoder(SMALL), KMeans(3, n_init=2, random_state=0))
    assert set(pipeline.fit_predict(X)) == {0, 1, 2}
    names = pipeline[:-1].get_feature_names_out()
    assert list(names) == [f"latentencoder{i}" for i in range(4)]
    np.testing.assert_allclose(pipeline[1].transform(pipeline[0].transform(X)), pipeline[1].fit_.mu, atol=1e-5)


def test_latent_encoder_refuses_a_condition(X):
    with pytest.raises(ValueError, match="has no condition"):
        training.LatentEncoder(SMALL.but(kind="cvae")).fit(X)
