"""Writes what is generated here: `python -m grafana.generate` (dashboard and rules)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import dashboard, rules

ROOM: Final = Path(__file__).resolve().parent
BANNER: Final = "# Made by `python -m grafana.generate`: edit rules.py, and make it again.\n"


def texts() -> dict[Path, str]:
    """The generated files and what stands in them."""
    board = json.dumps(dashboard.make(), cls=JSONEncoder, indent=2, sort_keys=True)
    ruled = yaml.safe_dump(rules.make(), sort_keys=False, width=100, allow_unicode=True)
    return {
        ROOM / "dashboards" / "surge.json": f"{board}\n",
        ROOM / "rules.yml": f"{BANNER}{ruled}",
    }


def main() -> None:
    """Write them."""
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
