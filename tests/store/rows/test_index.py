from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.signals.record import pack_id
from celery_monitor.store.rows import index

ids = st.one_of(st.binary(min_size=16, max_size=16), st.text(min_size=1, max_size=20).map(pack_id))


@given(st.dictionaries(st.integers(0, 500), st.sets(ids, max_size=20), max_size=6))
def test_every_id_leads_to_every_block_that_mentions_it(mentions: dict[int, set[bytes]]) -> None:
    parts: dict[tuple[int, int], bytes] = {}
    for number, found in mentions.items():
        for part, data in index.entries(found, number).items():
            key = (index.group_of(number), part)
            parts[key] = parts.get(key, b"") + data

    for number, found in mentions.items():
        for one in found:
            group = index.group_of(number)
            assert number in index.search(parts[group, index.part_of(one)], one, group)


def test_an_id_that_was_never_indexed_leads_nowhere() -> None:
    assert index.search(None, bytes(16), 3) == set()
    assert index.search(index.entries([b"\0" + b"a" * 15], 3)[0], b"\0" + b"b" * 15, 0) == set()
