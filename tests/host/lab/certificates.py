"""A throwaway CA, and certificates for each name that the gateway answers for."""

from __future__ import annotations

import ssl
import tempfile
import threading
from pathlib import Path

from .shell import run

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
_LOCK = threading.Lock()


class Authority:
    """The lab's CA under DIRECTORY; hosts trust `certificate`."""

    def __init__(self, directory: Path) -> None:
        """Make the CA the first time."""
        self.directory = directory
        self.certificate = directory / "ca.crt"
        self._contexts: dict[str, ssl.SSLContext] = {}
        if not self.certificate.exists():
            self._create()

    def _create(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        subject = ["-days", "3650", "-subj", "/CN=standin lab CA"]
        use = ["-addext", "basicConstraints=critical,CA:TRUE"]
        use += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        out: list[str | Path] = ["-keyout", self.directory / "ca.key", "-out", self.certificate]
        run(["openssl", "req", "-x509", *_EC, *subject, *use, *out])

    def context(self, name: str) -> ssl.SSLContext:
        """A server context whose certificate is for NAME; issued on first use."""
        with _LOCK:
            if name not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._issue(name))
                self._contexts[name] = context
            return self._contexts[name]

    def _issue(self, name: str) -> Path:
        pem = self.directory / f"{name}.pem"
        if pem.exists():
            return pem
        with tempfile.TemporaryDirectory(dir=self.directory) as temporary:
            d = Path(temporary)
            (d / "ext").write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth\n")
            ours: list[str | Path] = ["-CA", self.certificate, "-CAkey", self.directory / "ca.key"]
            request: list[str | Path] = [
                *_EC,
                "-subj",
                f"/CN={name[:60]}",
                "-keyout",
                d / "key",
                "-out",
                d / "csr",
            ]
            run(["openssl", "req", *request])
            sign: list[str | Path] = [
                "-req",
                "-in",
                d / "csr",
                "-days",
                "800",
                *ours,
                "-CAcreateserial",
            ]
            run(["openssl", "x509", *sign, "-extfile", d / "ext", "-out", d / "crt"])
            (d / "pem").write_text((d / "crt").read_text() + (d / "key").read_text())
            (d / "pem").rename(pem)
        return pem
