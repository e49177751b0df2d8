"""Our own verses: their alphabets and languages, the committed vectors, and what each encoder
groups them by."""

import unicodedata

import numpy as np
import pytest

from helpers.lyrics import sha256
from musicbook.chapters.own_words import verses
from musicbook.corpus import embedding, encoders
from musicbook.corpus.embedding import without_language
from tests.material import needs_e5, needs_use, needs_weights

ALPHABETS = {
    "en": "LATIN",
    "de": "LATIN",
    "es": "LATIN",
    "ru": "CYRILLIC",
    "ar": "ARABIC",
    "zh": "CJK",
    "bn": "BENGALI",
}
EACH = [
    pytest.param("minilm", marks=needs_weights),
    pytest.param("use", marks=needs_use),
    pytest.param("e5", marks=needs_e5),
]


@pytest.fixture(scope="module")
def table():
    return verses.verse_table()


@pytest.fixture(scope="module")
def six(table):
    return table[table.language != verses.APART]


def test_ten_subjects_in_seven_languages_each_in_its_alphabet(table):
    assert table.groupby("language").subject.nunique().to_dict() == dict.fromkeys(ALPHABETS, 10)
    assert len(table) == 70 and table.text.is_unique and table.back_translation.notna().all()
    for code, text in zip(table.language, table.text):
        letters = [unicodedata.name(letter) for letter in text if letter.isalpha()]
        assert all(name.startswith(ALPHABETS[code]) for name in letters), text
        assert 2 <= text.count("\n") + 1 <= 4


def test_every_verse_was_translated_back_a_second_time(table):
    """The check is of the verses as they are: a changed verse has to be read again."""
    check, rest = verses.check_table(), table[table.language != "en"]
    assert set(check.same_meaning) <= {"yes", "no"} and len(check) == 60
    key = ["subject", "language"]
    both = rest.merge(check, on=key, how="left", validate="one_to_one")
    assert both.second_translation.notna().all()
    assert [sha256(text).hex()[:12] for text in both.text] == both.text_sha256.tolist()


@needs_weights
def test_the_two_translations_find_each_other(table):
    """By an English encoder each second translation is nearest to the first one of its verse, and
    to the English verse on its subject."""
    check = verses.check_table()
    first = check.merge(table, on=["subject", "language"]).back_translation.str.replace("\n", " ")
    english = table[table.language == "en"]
    texts = [*check.second_translation, *first, *english.text]
    vectors = embedding.embed_texts(texts, encoder="minilm", quiet=True)
    n = len(check)
    second, others = vectors[:n], vectors[n : 2 * n]
    assert ((second @ others.T).argmax(axis=1) == np.arange(n)).all()
    subjects = english.subject.to_numpy()[(second @ vectors[2 * n :].T).argmax(axis=1)]
    assert (subjects == check.subject).mean() >= 0.9


def test_each_verse_is_in_the_language_that_it_is_said_to_be_in(table):
    langid = pytest.importorskip("py3langid", reason="py3langid is not installed")
    assert [langid.classify(text)[0] for text in table.text] == list(table.language)


@pytest.mark.parametrize("encoder", EACH)
def test_the_committed_vectors_are_those_of_the_encoder(table, encoder, tmp_path, monkeypatch):
    """float16 rounds a component of a unit vector by less than 2e-4, and MiniLM's sums by less than
    1e-3; e5's weights have four bits, which processors add up in different orders."""
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    live, kept = verses.verse_vectors(table, encoder), verses.committed_vectors(table, encoder)
    assert np.abs(live - kept).max() < {"minilm": 1e-3, "use": 2e-4, "e5": 5e-3}[encoder]
    lengths = np.linalg.norm(live, axis=1) * np.linalg.norm(kept, axis=1)
    assert ((live * kept).sum(axis=1) / lengths).min() > 0.999  # cosine with the vector kept


def test_without_the_packages_the_committed_vectors_are_taken(table, monkeypatch):
    monkeypatch.setattr(encoders, "encoder_at_hand", lambda name: False)
    np.testing.assert_array_equal(
        verses.verse_vectors(table, "use"), verses.committed_vectors(table, "use")
    )
    changed = table.assign(text=table.text + "!")
    with pytest.raises(ValueError, match="verses.npz has no vector of the verse 'The waves roll"):
        verses.verse_vectors(changed, "use")


def test_one_encoder_groups_by_language_and_the_other_by_subject(six):
    read_by = {name: verses.committed_vectors(six, name) for name in ("minilm", "use")}
    found = verses.agreement_table(six, read_by, 3)
    assert found.language_nmi["minilm"] >= 0.8 and found.language_nmi["use"] <= 0.2
    assert found.subject_nmi["use"] - found.subject_nmi["minilm"] >= 0.3


def test_e5_groups_by_subject_once_the_language_is_taken_off_bangla_too(table):
    vectors = without_language(verses.committed_vectors(table, "e5"), table.language.to_numpy())
    found = verses.agreement_table(table, {"e5": vectors}, 3).loc["e5"]
    assert found.language_nmi <= 0.2 and found.subject_nmi >= 0.8
    right = table.subject[table.language == verses.APART].to_numpy()
    assert (verses.subject_guesses(table, vectors) == right).mean() >= 0.8


def test_use_cannot_tell_the_subject_of_a_verse_in_bangla(table):
    right = table.subject[table.language == verses.APART].to_numpy()
    guesses = verses.subject_guesses(table, verses.committed_vectors(table, "use"))
    assert (guesses == right).mean() <= 0.3
