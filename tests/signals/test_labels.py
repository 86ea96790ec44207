"""Labels: their caps, their text, what is hidden and what is counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.signals import guard, header, labels

KEYS = st.from_regex(labels.KEY, fullmatch=True).filter(lambda key: key != labels.CONTINUES)
VALUES = st.text(st.characters(codec="utf-8"), max_size=labels.MAX_VALUE)


@pytest.fixture
def rules() -> Iterator[None]:
    """Settings of labels as they were, after the test."""
    before = vars(labels.rules).copy()
    yield
    vars(labels.rules).update(before)
    labels.of_counted.cache_clear()


@given(st.dictionaries(KEYS, VALUES, max_size=labels.MOST))
def test_labels_come_back_from_their_text(given_: dict[str, str]) -> None:
    text = labels.write(given_)
    assert labels.read(text) == given_
    assert text.isascii()
    assert "?" not in text
    assert list(labels.read(text)) == sorted(given_)


@given(st.text(max_size=300))
def test_any_text_can_be_read_and_is_bounded(text: str) -> None:
    found = labels.read(text)
    assert len(found) <= labels.MOST + 1
    assert all(len(value) <= labels.MAX_VALUE and labels.KEY.fullmatch(key) for key, value in found.items())


@given(st.dictionaries(KEYS, st.text(max_size=400), max_size=40), st.dictionaries(KEYS, st.text(max_size=400)))
def test_whatever_is_given_fits_into_a_header(older: dict[str, str], newer: dict[str, str]) -> None:
    """Lone surrogates, which no transport can encode, are no exception."""
    found = labels.joined(labels.joined({}, labels.cleaned(older)), labels.cleaned(newer))
    assert len(found) <= labels.MOST
    text = header.tail("n" * 100, labels.write(found))
    assert len(text) <= header.MAX_TAIL
    assert text.encode("utf-8")
    assert labels.split(header.parts(text)[1])[0].keys() == found.keys()


def test_what_is_no_label_is_left_out_and_counted_and_raises_nothing() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    before = guard.caught.total()
    found = labels.cleaned({"": 1, "a b": 1, "x" * 41: 1, "broken": Broken(), "continues": "me", "fine": 3})
    assert found == {"fine": "3"}
    assert guard.caught.total() == before + 5


def test_a_long_value_is_cut_where_one_can_see_it() -> None:
    assert labels.cleaned({"note": "x" * 500}) == {"note": "x" * (labels.MAX_VALUE - 1) + "…"}


def test_of_too_many_labels_the_first_stay_and_known_keys_can_still_change() -> None:
    full = {f"k{n:02}": "v" for n in range(labels.MOST)}
    assert labels.joined(full, {"k03": "new", "more": "v"}) == full | {"k03": "new"}


@pytest.mark.usefixtures("rules")
def test_a_hidden_value_leaves_only_its_keyed_hash() -> None:
    labels.use(hidden=["user"], key="0123456789abcdef")
    first, again = (labels.cleaned({"user": "anna", "team": "red"}) for _ in range(2))
    assert first == again
    assert first["team"] == "red"
    assert "anna" not in first["user"]
    assert first["user"] == labels.anonymous("anna", b"0123456789abcdef")
    labels.use(hidden=["user"], key="another key of 16")
    assert labels.cleaned({"user": "anna"}) != first


@pytest.mark.usefixtures("rules")
def test_only_listed_keys_are_counted_whether_the_run_or_the_execution_has_them() -> None:
    assert labels.of_counted("tenant=a") == ""
    labels.use(counted=["tenant", "size"])
    assert labels.of_counted("session=s1&tenant=a?size=L&user=u") == "size=L&tenant=a"
    assert labels.of_counted("tenant=a?tenant=b") == "tenant=b"


@pytest.mark.usefixtures("rules")
def test_what_is_counted_fits_into_a_series_block() -> None:
    keys = [f"key{n}" for n in range(10)]
    labels.use(counted=keys)
    text = labels.of_counted(labels.write(dict.fromkeys(keys, "x" * 100)))
    assert len(text) <= 200
    assert set(labels.read(text).values()) == {"x" * 100}
