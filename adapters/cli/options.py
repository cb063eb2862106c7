"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Config = Annotated[
    Path | None, Parameter(name="--config", help="Settings file (TOML); otherwise SMS_CONFIG, otherwise the defaults.")
]
