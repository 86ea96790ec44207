"""The built page: which files there are, under which names, and what to do when they were not built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

STATIC: Final = Path(__file__).parent / "static"

MISSING: Final = (
    "The page's script was not built into this installation; the JSON API and the metrics work without it. "
    "Reinstall celery-monitor without CELERY_MONITOR_NO_FRONTEND and with the npm registry in reach, "
    "or, in a checkout, run `npm ci && npm run build` in frontend/."
)


class Assets(NamedTuple):
    """Names of the built files below `STATIC`; each carries a hash of its content."""

    script: str
    style: str
    pages: dict[str, list[str]]
    """Files that the script fetches, itself among them, when a page of that room is the first to be opened; and with a
    part of a page that has files of its own."""

    @property
    def files(self) -> set[str]:
        """All of them."""
        return {self.script, self.style, *(name for names in self.pages.values() for name in names)}

    @property
    def common(self) -> list[str]:
        """What the script fetches on any page: the browser need not find that out one by one."""
        shared = set.intersection(*map(set, self.pages.values())) if self.pages else set()
        return sorted(shared - {self.script})


def load(folder: Path = STATIC) -> Assets | None:
    """Return what the build wrote into its manifest; None when there is no complete build."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        assets = Assets(manifest["files"]["script"], manifest["files"]["style"], manifest["pages"])
        whole = all((folder / name).is_file() for name in assets.files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return assets if whole else None
