"""The words that a page explains."""

from experiments.results.page.definitions import DEFINITIONS


def test_every_word_is_explained_once_in_whole_sentences() -> None:
    words = [word for word, _ in DEFINITIONS]
    assert len(words) == len({*words})
    assert all(meaning.endswith(".") for _, meaning in DEFINITIONS)
    assert {"n", "validation", "test", "=N"} <= {*words}
