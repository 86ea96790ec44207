"""The journal: its lock says who drains, its intent outlives the agent."""

from __future__ import annotations

from pathlib import Path

from celery_monitor.agent.journal import Journal

INSTANCE = b"i" * 16
A, B = b"ring-aaa", b"ring-bbb"


def test_an_intent_is_open_until_it_is_settled(shm: Path) -> None:
    journal = Journal.create(shm, INSTANCE, {})
    assert journal.intent() is None
    journal.intend(1, {A: 100, B: 7})
    assert journal.intent() == (1, {A: 100, B: 7})
    journal.settle(1)
    assert journal.intent() is None
    assert journal.settled == 1
    journal.close()


def test_a_living_agents_journal_is_not_taken_over(shm: Path) -> None:
    journal = Journal.create(shm, INSTANCE, {})
    assert journal.path is not None
    assert Journal.take_over(journal.path) is None
    journal.close()


def test_a_successor_finds_what_the_dead_agent_wrote(shm: Path) -> None:
    journal = Journal.create(shm, INSTANCE, {"hostname": "celery@a"})
    journal.settle(4)
    journal.intend(5, {A: 9})
    path = journal.path or shm
    journal.close()
    found = Journal.take_over(path)
    assert found is not None
    assert (found.about, found.settled, found.intent()) == ({"hostname": "celery@a"}, 4, (5, {A: 9}))
    assert Journal.take_over(path) is None, "it has one owner again"
    found.close(remove=True)
    assert list(shm.iterdir()) == []


def test_an_intent_that_was_cut_off_is_none(shm: Path) -> None:
    journal = Journal.create(shm, INSTANCE, {})
    journal.intend(1, {A: 100})
    journal._map[4096] ^= 0xFF
    assert journal.intent() is None
    journal.close()


def test_what_is_no_journal_is_left_alone(shm: Path) -> None:
    for content in (b"", b"x", b"\0" * 70_000):
        path = shm / "x.agent"
        path.write_bytes(content)
        assert Journal.take_over(path) is None
        assert path.exists()


def test_a_name_of_any_length_fits(shm: Path) -> None:
    journal = Journal.create(shm, INSTANCE, {"hostname": "h" * 5000})
    journal.intend(1, {A: 1})
    assert journal.about == {}, "what was cut is not half a name"
    assert journal.intent() == (1, {A: 1})
    journal.close()


def test_without_a_tmpfs_the_journal_lives_in_memory() -> None:
    journal = Journal.create(None, INSTANCE, {"role": "worker"})
    journal.intend(1, {A: 1})
    assert (journal.path, journal.about, journal.intent()) == (None, {"role": "worker"}, (1, {A: 1}))
    journal.close(remove=True)
