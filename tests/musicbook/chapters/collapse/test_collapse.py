"""The battery: closed forms of every measure, and six planted models whose verdicts are known."""

import numpy as np
import pytest
import torch

from helpers import models, training
from helpers.protocols import PROTOCOLS, Recipe
from musicbook.chapters.collapse import measures
from musicbook.chapters.collapse.adapter import Network
from musicbook.chapters.collapse.battery import diagnose
from musicbook.chapters.collapse.decision import Thresholds
from musicbook.chapters.collapse.planted import CASES, draw

SEEDS = range(3)


@pytest.fixture(scope="module")
def diagnoses():
    """(seed, case) -> Diagnosis of a model trained on planted tracks: 18 small fits."""
    out = {}
    for seed in SEEDS:
        data = draw(600, seed=seed)
        for name, (recipe, _) in CASES.items():
            model = training.fit(data.X, recipe, seed, data.genre).model()
            out[seed, name] = diagnose(model, data.X, data.genre, {"style": data.style}, seed=seed)
    return out


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_planted_verdict(diagnoses, seed, name):
    found = diagnoses[seed, name]
    assert found.verdict == CASES[name][1], str(found)
    assert not found.table["value"].isna().any()


def test_planted_measures_are_those_of_the_theory(diagnoses):
    def middle(name, *key):
        """The median, since K-Means now and then finds two styles as one."""
        return np.median([diagnoses[seed, name].value(*key) for seed in SEEDS])

    within = "NMI within c", "style", "active units"
    assert middle("VAE", "NMI", "c", "active units") > 0.95 and middle("VAE", *within) > 0.9
    assert middle("CVAE", "NMI", "c", "active units") < 0.03 and middle("CVAE", *within) > 0.9
    assert middle("CVAE", "I(z;c)", "c") < 0.1 < 1.5 < middle("VAE", "I(z;c)", "c")
    dead = "CVAE, beta = 200"
    assert middle(dead, "KL") < 0.05
    assert middle(dead, "squared error", "", "z shuffled") == pytest.approx(
        middle(dead, "squared error"), rel=0.005
    )
    chance = np.median([diagnoses[seed, dead].table.at[within, "chance"] for seed in SEEDS])
    assert middle(dead, *within) == pytest.approx(chance, abs=0.02)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_signal_in_the_condition_is_used_under_every_protocol(protocol):
    """Class means of known size are planted into noise: a decoder that uses them misses them when c
    is shuffled."""
    share, n_classes, rng = 0.3, 10, np.random.default_rng(0)
    c, recipe = np.arange(400) % n_classes, PROTOCOLS[protocol].recipes["cvae"]
    recipe = recipe.but(
        hidden=(64, 32), latent=8, epochs=60, anneal_epochs=recipe.anneal_epochs and 30
    )
    noise, means = rng.normal(size=(400, 20)), rng.normal(size=(n_classes, 20))
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    missed = {}
    for planted in (0.0, share):
        X = np.sqrt(1 - planted) * noise + np.sqrt(planted) * means[c]
        found = diagnose(training.fit(X, recipe, 0, c).model(), X, c)
        missed[planted] = found.value("squared error", "", "c shuffled") - found.value(
            "squared error"
        )
    assert missed[0.0] < 0.1 and missed[share] > 0.6 * 2 * share * (1 - 1 / n_classes)


def test_thresholds_move_the_verdict(diagnoses):
    found = diagnoses[0, "CVAE"]
    assert found.verdict_at(Thresholds(active=1e9)) == "undecided"  # no unit, yet z matters
    assert found.verdict_at(Thresholds(notices=1e9)) == "undecided"
    assert found.verdict_at(Thresholds(partial=2.0)) == "partial collapse"
    assert found.verdict_at(Thresholds(shifts=1e9)) == "decoder only"
    assert found.verdict_at(Thresholds(forgets=0.0)) == "keeps c"
    part = diagnoses[0, "CVAE, beta = 4"]
    assert part.verdict_at(Thresholds(partial=0.0)) == "by design"
    assert diagnoses[0, "CVAE, beta = 200"].verdict_at(Thresholds(silent=0.0)) == "undecided"


def test_a_partial_collapse_is_told_from_both_neighbours(diagnoses):
    """Between the working CVAE and the dead one: z matters, but far less than it could."""
    for seed in SEEDS:
        works, part, dead = (
            diagnoses[seed, name].facts() for name in ("CVAE", "CVAE, beta = 4", "CVAE, beta = 200")
        )
        assert works.share_of_rate > 0.7 > 0.3 > part.share_of_rate > 0.05 > dead.share_of_rate
        assert works.share_of_gain > 0.7 > 0.4 > part.share_of_gain > 0.1 > dead.share_of_gain
        assert part.worse_z > 0.2 > 0.05 > dead.worse_z and part.units > 0


class Lesion:
    """A trained model of which only some units are left: the others are the prior."""

    def __init__(self, model, kept):
        self.model, self.kept, self.n_classes = model, kept, model.n_classes

    def encode(self, x, c):
        mu, logvar = self.model.encode(x, c)
        keep = torch.zeros(mu.shape[1])
        keep[self.kept] = 1.0
        return mu * keep, logvar * keep

    def decode(self, z, c):
        return self.model.decode(z, c)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("seed", SEEDS[:2])
def test_units_that_are_taken_away_one_by_one_lead_through_partial_collapse(seed):
    """The dose is known: from all units to one the verdict goes by design, partial collapse, and
    does not come back; without any unit no code is left."""
    data = draw(600, seed=seed)
    fit = training.fit(data.X, CASES["CVAE"][0], seed, data.genre)
    by_size = np.argsort(fit.kl_per_dim)[::-1]
    verdicts = []
    for n_kept in (16, 2, 1, 0):
        model = Lesion(fit.model(), by_size[:n_kept].copy())
        verdicts.append(diagnose(model, data.X, data.genre, seed=seed).verdict)
    assert verdicts[0] == "by design" and verdicts[2] == "partial collapse"
    order = ["by design", "partial collapse", "collapsed"]
    places = [order.index(verdict) for verdict in verdicts]
    assert places == sorted(places) and verdicts[-1] == "collapsed"


def test_the_reference_is_taken_without_columns_made_from_the_label():
    """A one-hot in the input makes the data know c, whatever the sound does; the verdict must ask
    the sound."""
    X, c, style, means = own_data()
    deaf = X[np.random.default_rng(2).permutation(300)]  # sound that does not show c
    both = np.hstack([deaf, np.eye(3)[c] * 3])

    class Wide(Own):
        def encode(self, x, onehot):
            return super().encode(x[:, :4], onehot)

        def decode(self, z, onehot):
            return np.hstack([super().decode(z, onehot), onehot.numpy() * 3])

    blind = diagnose(Wide(means), both, c)
    asked = diagnose(Wide(means), both, c, reference=np.arange(4), blocks={"sound": np.arange(4)})
    assert blind.value("probe", "c", "data") == pytest.approx(1.0) and blind.verdict == "by design"
    assert asked.value("probe", "c", "data") < 0.5 and asked.verdict == "undecided"
    whole, sound = (asked.value("squared error", name) for name in ("", "sound"))
    assert sound == pytest.approx(whole * 7 / 4)  # the one-hot is given back without error


def test_a_table_of_means_by_hand():
    X, c = np.array([[0.0], [2.0], [10.0], [14.0]]), np.array([0, 0, 1, 1])
    assert measures.class_means(X, c).ravel().tolist() == [1.0, 1.0, 12.0, 12.0]
    assert measures.class_means(X, None).ravel().tolist() == [6.5] * 4


# ---- closed forms --------------------------------------------------------------------------------


def test_active_units_and_the_older_rule_that_overcounts():
    # unit 0: mu of sd 2; unit 1: mu of sd 0.2, KL = 0.02 nats, yet a variance of 0.04; unit 2: the
    # prior
    mu = np.random.default_rng(0).normal(size=(500, 3)) * [2.0, 0.2, 0.0]

    class Given:
        encode = staticmethod(lambda x: (mu, np.zeros_like(mu)))
        decode = staticmethod(lambda z: z)

    found = diagnose(Given(), mu)
    assert (
        found.value("active units") == 1 and found.value("active units", "", "Var(mu) > 0.01") == 2
    )
    kl = models.kl_divergence(torch.tensor(mu), torch.zeros(mu.shape)).numpy()
    assert found.value("KL") == pytest.approx(kl.sum(axis=1).mean())


def test_information_of_a_gaussian_channel():
    # mu ~ N(0, 1 - v), noise v, so q(z) = N(0, 1) = p: I(x;z) = -log(v) / 2 = mean KL, and the
    # marginal KL is 0
    v = 0.25
    mu = np.random.default_rng(0).normal(size=(4000, 1)) * np.sqrt(1 - v)
    gained, marginal = measures.information(mu, np.full_like(mu, np.log(v)))
    assert gained == pytest.approx(-0.5 * np.log(v), abs=0.04)
    assert marginal == pytest.approx(0.0, abs=0.04)


def test_information_saturates_at_log_n_and_is_about_zero_at_the_prior():
    mu = np.random.default_rng(0).normal(size=(200, 8)) * 100
    assert measures.information(mu, np.zeros_like(mu))[0] == pytest.approx(np.log(200), abs=1e-6)
    assert measures.information(np.zeros((200, 8)), np.zeros((200, 8)))[0] == pytest.approx(
        0.0, abs=1e-9
    )


def test_the_best_linear_code_by_hand():
    # covariance diag(4, 1, 0.25), beta = 1: sigma^2 = 0.5 keeps two; rate = (log 8 + log 2) / 2;
    # error 0.5 + 0.5 + 0.25
    X = np.sqrt(3.0) * np.vstack([np.diag([2.0, 1.0, 0.5]), -np.diag([2.0, 1.0, 0.5])])
    found = measures.linear_code(X, beta=1.0)
    np.testing.assert_allclose(found.spectrum, [4.0, 1.0, 0.25])
    assert found.units == 2
    assert found.rate == pytest.approx(0.5 * np.log(16)) and found.distortion == pytest.approx(1.25)
    one = measures.linear_code(X, beta=1.0, limit=1)
    assert one.units == 1 and one.distortion == pytest.approx(0.5 + 1.0 + 0.25)
    dead = measures.linear_code(X, beta=40.0)
    assert dead.units == 0 and dead.rate == 0.0


def test_the_linear_code_has_class_means_for_nothing():
    c = np.repeat([0, 1], 50)
    X = np.random.default_rng(0).normal(size=(100, 3)) * 0.1 + 5.0 * c[:, None]
    assert measures.linear_code(X).units == 1 and measures.linear_code(X, c=c).units == 0


def test_the_analytic_optimum_meets_the_prediction():
    class Linear(torch.nn.Module):
        """The optimum of Lucas et al. 2019 at sigma^2 = 0.5."""

        def __init__(self, X):
            super().__init__()
            values, vectors = np.linalg.eigh(np.cov(X.T, ddof=0))
            values, vectors = values[::-1].copy(), vectors[:, ::-1].copy()
            self.W = torch.tensor(vectors * np.sqrt(np.maximum(values - 0.5, 0.0)))
            self.V = torch.tensor(vectors * np.sqrt(np.maximum(values - 0.5, 0.0)) / values)
            self.logvar = torch.tensor(np.log(1 - np.maximum(1 - 0.5 / values, 0.0)))
            self.recipe = Recipe(beta=1.0)

        def encode(self, x):
            return x.double() @ self.V, self.logvar.expand(len(x), -1)

        def decode(self, z):
            return z.double() @ self.W.T

    X = np.random.default_rng(0).normal(size=(2000, 6)) * [3, 2, 1.5, 1, 0.5, 0.2]
    X -= X.mean(axis=0)
    found = diagnose(Linear(X), X)
    assert found.value("active units") == found.value("active units", "", "pPCA") == 4
    assert found.value("KL") == pytest.approx(found.value("KL", "", "pPCA"), rel=1e-3)
    assert 6 * found.value("squared error") == pytest.approx(
        measures.linear_code(X).distortion, rel=0.03
    )
    assert found.verdict == "informative"


# ---- a user's own module -------------------------------------------------------------------------


class Own:
    """No torch module, numpy out: z = x's first two columns minus the class mean, which the decoder
    adds again."""

    def __init__(self, means):
        self.means = means

    def encode(self, x, onehot):
        mu = (x.numpy() - onehot.numpy() @ self.means)[:, :2]
        return mu, np.full_like(mu, -4.0)

    def decode(self, z, onehot):
        return np.pad(z.numpy(), ((0, 0), (0, 2))) + onehot.numpy() @ self.means


def own_data():
    rng = np.random.default_rng(0)
    means, c = 3 * rng.normal(size=(3, 4)), np.arange(300) % 3
    x = rng.normal(size=(300, 4)) * [2, 2, 0.1, 0.1]
    style = (x[:, 0] > 0).astype(int)
    return x + means[c], c, style, means


def test_a_users_module_is_diagnosed_and_left_in_its_mode():
    X, c, style, means = own_data()
    found = diagnose(Own(means), X, c, {"style": style})
    assert found.verdict == "by design"
    assert found.value("probe", "style", "sampled z") > 0.9
    assert found.value("encoder shift") > 0.5
    module = torch.nn.BatchNorm1d(4)
    module.encode, module.decode = lambda x: (module(x), torch.zeros_like(x)), lambda z: z
    module.train()
    diagnose(module, X)
    assert module.training and int(module.num_batches_tracked) == 0


def test_labels_may_be_words_and_groups_stay_together():
    X, c, _, means = own_data()
    mixed, alone = (
        np.arange(300) // 3,
        np.zeros(300),
    )  # every group holds all three classes; one group of all
    assert (
        diagnose(Own(means), X, np.array(["a", "b", "c"])[c], groups=mixed).verdict == "by design"
    )
    found = diagnose(
        Own(means), X, c, groups=alone
    )  # nothing to leave out: the genre cannot be probed
    assert found.verdict == "undecided" and "no probe of c" in found.notes[0]
    assert np.isnan(found.table.at[("KL", "", ""), "low"])


def test_what_the_data_do_not_show_cannot_be_lost():
    # the model uses c on both sides, but no probe finds c in the data: that z has none of it says
    # nothing
    X, c, style, means = own_data()
    found = diagnose(Own(means), X[np.random.default_rng(2).permutation(300)], c, {"style": style})
    assert found.value("encoder shift") > 0.5 and found.value("probe", "c", "data") < 0.5
    assert found.verdict == "undecided"


def test_the_encoder_is_told_another_class():
    X, c, _, means = own_data()
    with Network(Own(means), 3) as network:
        mu, _ = network.encode(X, c)
        shift = measures.encoder_shift(network, X, c, mu, np.array([0, 1]))
        assert measures.encoder_shift(network, X, c, mu, np.array([], dtype=int)) == 0.0
    gaps = np.array(
        [
            ((means[a] - means[b])[:2] / mu.std(axis=0)) ** 2
            for a in range(3)
            for b in range(3)
            if a != b
        ]
    )
    assert shift == pytest.approx(np.sqrt(gaps.mean()), rel=0.1)


# ---- bad input -----------------------------------------------------------------------------------


def broken(part):
    X, c, _, means = own_data()
    model = Own(means)
    if part == "nan in mu":
        model.encode = lambda x, c: (np.full((len(x), 2), np.nan), np.zeros((len(x), 2)))
    elif part == "autoencoder":
        model.encode = lambda x, c: (x[:, :2], None)
    elif part == "shape":
        model.decode = lambda z, c: z
    elif part == "no encode":
        model = object()
    elif part == "one class":
        c = np.zeros(len(X), dtype=int)
    elif part == "length":
        c = c[:-1]
    elif part == "one row":
        X, c = X[:1], c[:1]
    elif part == "nan in X":
        X = np.where(X > 4, np.nan, X)
    return model, X, c


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("nan in mu", "NaN or infinite values for 300 of 300"),
        ("autoencoder", "must return"),
        ("shape", "shape"),
        ("no encode", "no encode"),
        ("one class", "one class only"),
        ("length", "299 entries for 300"),
        ("one row", "at least two rows"),
        ("nan in X", "NaN or infinite"),
    ],
)
def test_bad_input_is_named(part, message):
    with pytest.raises(ValueError, match=message):
        diagnose(*broken(part))


def test_a_constant_feature_and_rare_classes_leave_no_nan():
    X, c, style, means = own_data()
    X = np.column_stack([X[:, :3], np.zeros(300)])
    means[:, 3] = 0.0
    c[0] = 3  # a class of one track
    means = np.vstack([means, means[:1]])
    found = diagnose(Own(means), X, c, {"style": style, "unique": np.arange(300)})
    assert not found.table["value"].isna().any()
    assert any("no probe of unique" in note for note in found.notes)
    assert found.verdict == "by design"


def test_planted_needs_rows_for_every_pair():
    with pytest.raises(ValueError, match="at least 50"):
        draw(49)


def test_planted_worlds_do_not_depend_on_n():
    small, large = draw(500, seed=3), draw(5000, seed=3)
    centre = [
        np.array([p.X[p.genre == g].mean(axis=0) for g in range(10)]).ravel()
        for p in (small, large)
    ]
    assert np.corrcoef(*centre)[0, 1] > 0.98
    assert (
        np.bincount(small.genre).tolist() == [50] * 10
        and np.bincount(small.style).tolist() == [100] * 5
    )
