"""Every Redis key and every time to live, and nowhere else.

All keys of a shard carry one hash tag, ``cm:{namespace:shard}:``, so that one script may touch them on a Cluster.
"""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400
LATE_S: Final = DAY_S
"""A bucket of time this old is accepted no more."""
SEEN_S: Final = 3 * DAY_S
"""A batch is remembered for two to three days, longer than `LATE_S`, so nothing late can count twice."""
UNROLLED_S: Final = 92 * DAY_S
"""A bucket whose coarser bucket is not written yet must outlive any pause of the fold."""
RUNS_S: Final = 8 * DAY_S
"""A run that nobody has heard of for a week is not followed any more."""
WAITS_S: Final = 92 * DAY_S
"""An approval may take its time; a hash of open waits that nobody touches goes after this."""
RETRIED_S: Final = 8 * DAY_S
"""A hash of executions that wait for their last attempt goes when nothing was retried for this long."""
WORKERS_S: Final = 92 * DAY_S
"""The book of workers goes when nobody has ticked for this long; each entry of it much earlier."""
SCHEDULE_S: Final = 32 * DAY_S
"""What beats have sent is kept as long as an hourly figure; a monthly entry shows its last time."""
LIVE_S: Final = 2 * DAY_S
"""The live table and the pace go when nobody has ticked for this long."""


class Shelf:
    """The keys of one row of blocks with its index.

    Parameters:
        tag: what all keys of the shard begin with.
        mark: tells rows of blocks apart.
    """

    def __init__(self, tag: str, mark: str = "") -> None:
        self._tag: Final = tag + mark
        self.blocks = self._tag + "blocks"  # zset: block number by its newest end
        self.block_info = self._tag + "blockinfo"  # hash: block number to what it holds

    def block(self, number: int) -> str:
        """Return a block of task rows."""
        return f"{self._tag}b:{number}"

    def index(self, group: int, part: int) -> str:
        """Return the index of a group of blocks for ids whose first byte is `part`."""
        return f"{self._tag}x:{group}:{part:02x}"


class Keys:
    """The keys of one shard of one namespace.

    Parameters:
        namespace: the name under which a fleet keeps its data; braces are escaped, they would end the hash tag.
        shard: number of the shard.
        prefix: first part of every key.

    >>> Keys("shop").rollup(60, 1763636400, "tq")
    'cm:{shop:0}:r:60:1763636400:tq'
    """

    def __init__(self, namespace: str, shard: int = 0, prefix: str = "cm") -> None:
        safe = namespace.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
        self.tag: Final = f"{prefix}:{{{safe}:{shard}}}:"
        self.meta = self.tag + "meta"
        self.inbox_metrics = self.tag + "m"
        self.inbox_tasks = self.tag + "t"
        self.inbox_bytes = self.tag + "inboxbytes"  # hash: kind to the bytes of what waits in its stream
        self.rollup_bytes = self.tag + "rollupbytes"  # bytes of rollups by tier, written with them
        self.executions = Shelf(self.tag)
        self.logs = Shelf(self.tag, "l:")  # log records and attempts that failed, with bytes of their own
        self.live = self.tag + "live"
        self.pace = self.tag + "pace"
        self.lease = self.tag + "lease"
        self.lifetime = self.tag + "lifetime"
        self.alerts = self.tag + "alerts"
        self.lost = self.tag + "lost"  # hash: uid of an attempt the sweep booked as LOST, to its booking
        self.runs = self.tag + "runs"  # zset: runs that are not over, by the time (us) of their last news
        self.waits = self.tag + "waits"  # hash: key of a wait to its row, for those that are open
        self.retried = self.tag + "retried"  # hash: id of an execution that is retried, to its first publish
        self.workers = self.tag + "workers"  # hash: a worker's name to its last lives
        self.findings = self.tag + "findings"
        self.broker = self.tag + "broker"  # what the last look at the broker told beside the gauges
        self.beats = self.tag + "beats"  # hash: boot of a beat to the entries it has
        self.fires = self.tag + "fires"  # zset: what beats have sent, by when (us)
        self.skipped = self.tag + "skipped"  # hash: what the fold left out and why, since ever

    def inbox(self, kind: str) -> str:
        """Return the stream of a kind: ``m`` metrics, ``t`` task rows."""
        return self.tag + kind

    def cursor(self, kind: str) -> str:
        """Return the key of how far the fold of a kind has come: the guard of every commit."""
        return f"{self.tag}cursor:{kind}"

    def seen(self, kind: str, day: int) -> str:
        """Return the hash of the batches of a kind folded on a day (days since the epoch)."""
        return f"{self.tag}seen:{kind}:{day}"

    def rollup(self, step: int, bucket: int, part: str) -> str:
        """Return the blob of one part in one bucket of the tier with buckets of `step` seconds."""
        return f"{self.tag}r:{step}:{bucket}:{part}"

    @property
    def shelves(self) -> tuple[Shelf, Shelf]:
        """All rows of blocks."""
        return self.executions, self.logs
