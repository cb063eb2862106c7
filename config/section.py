"""What every table of the settings is."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0, le=86400)]


class Section(BaseModel):
    """A table of the settings; a key that is not known is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")
