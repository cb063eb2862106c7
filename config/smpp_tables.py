"""The tables and values in the settings of a carrier that speaks SMPP."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from config.section import Section

Latin = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
Sender = Annotated[str, Field(pattern=r"^(\+?[0-9]{1,20}|[A-Za-z0-9 ._&-]{1,11})?$")]
Name = Annotated[str, Field(min_length=1)]


class TlsSettings(Section):
    """TLS to a carrier; its certificate and the name in it are always checked."""

    ca_file: Name | None = None
    certificate_file: Name | None = None
    key_file: Name | None = None
    server_name: Name | None = None

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("key_file needs a certificate_file")
        return self
