"""Ids, buckets and enumerations of a record."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.signals.record import (
    GAMMA,
    RUNTIME_LE,
    WAIT_LE,
    bin_of,
    fixed_id,
    pack_id,
    runtime_le,
    unpack_id,
    wait_le,
)

TEXT_IDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)


@given(st.uuids())
def test_a_uuid_takes_sixteen_bytes_and_comes_back(value: uuid.UUID) -> None:
    assert pack_id(str(value)) == value.bytes
    assert unpack_id(value.bytes) == str(value)


@given(TEXT_IDS)
def test_any_text_that_is_used_as_an_id_comes_back(text: str) -> None:
    assert unpack_id(pack_id(text)) == text


@pytest.mark.parametrize("size", range(1, 40))
def test_a_text_id_of_any_length_is_not_taken_for_a_uuid(size: int) -> None:
    """Fifteen bytes of text and their mark would be sixteen, the length of a UUID."""
    text = "x" * size
    assert unpack_id(pack_id(text)) == text
    assert len(fixed_id(pack_id(text))) == 16


@pytest.mark.parametrize("text", ["0B9E2F6C-1111-4222-8333-444455556666", "0b9e2f6c-1111-4222-8333-44445555666g"])
def test_what_only_looks_like_a_uuid_is_kept_as_text(text: str) -> None:
    assert unpack_id(pack_id(text)) == text


@given(st.text(st.characters(codec="utf-8"), min_size=251, max_size=400))
def test_a_long_id_is_told_from_any_other_and_found_by_the_form_that_is_shown(text: str) -> None:
    assert pack_id(text) != pack_id(text + "x")
    assert pack_id(unpack_id(pack_id(text))) == pack_id(text)


def test_an_id_that_is_no_text_is_that_of_its_text() -> None:
    given_as = uuid.UUID("0b9e2f6c-1111-4222-8333-444455556666")
    assert pack_id(given_as) == given_as.bytes  # type: ignore[arg-type]
    assert pack_id(17) == pack_id("17")  # type: ignore[arg-type]


@given(st.text(max_size=400))
def test_an_id_of_any_text_is_bounded(text: str) -> None:
    assert len(pack_id(text)) <= 255, "the length of an id is one byte"
    assert len(fixed_id(pack_id(text))) == 16


@given(st.integers(min_value=1, max_value=10**13))
def test_the_middle_of_a_bucket_is_within_two_percent_of_every_value_in_it(value: int) -> None:
    middle = 2 * GAMMA ** bin_of(value) / (GAMMA + 1)
    assert abs(middle - value) <= 0.02 * value * (1 + 1e-9)


@given(st.integers(min_value=-1, max_value=10**10))
def test_a_duration_falls_into_the_first_prometheus_bucket_that_holds_it(us: int) -> None:
    for edges, bucket in ((RUNTIME_LE, runtime_le(us)), (WAIT_LE, wait_le(us))):
        assert all(us > round(edge * 1e6) for edge in edges[:bucket])
        assert bucket == len(edges) or us <= round(edges[bucket] * 1e6)
