"""Certificates for tests, made on the spot."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Certificates:
    """An authority of our own, and certificates it signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._openssl("req", "-x509", "-subj", "/CN=our authority", "-keyout", "ca.key", "-out", "ca.pem")

    def sign(self, name: str, alternative: str) -> None:
        self._openssl("req", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "ext").write_text(f"subjectAltName={alternative}\n")
        signing = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-extfile", "ext"]
        self._run(*signing, "-CAcreateserial", "-out", f"{name}.pem")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def _openssl(self, *arguments: str) -> None:
        self._run(*arguments, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
