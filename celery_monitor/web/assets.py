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


def load(folder: Path = STATIC) -> Assets | None:
    """Return what the build wrote into its manifest; None when there is no complete build."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        assets = Assets(manifest["files"]["script"], manifest["files"]["style"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return assets if all((folder / name).is_file() for name in assets) else None
