"""TLS for DICOM associations."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvai.errors import ConfigurationInvalid


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of this node and its trusted authorities.

    Args:
        certificate: of this node, None for a client without one.
        key: private key of the certificate.
        authorities: CA certificates; without them clients need no certificate, and servers are verified by
            the system's CA certificates.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None

    def for_callers(self) -> ssl.SSLContext:
        """Server context; TLS 1.2 at least (PS3.15 section B.12).

        Raises:
            ConfigurationInvalid: a file is missing or invalid.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with _certificate_errors():
            self._load(context)
            if self.authorities is not None:
                context.load_verify_locations(self.authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        return context

    def for_calls(self) -> ssl.SSLContext:
        """Client context; raises as ``for_callers``."""
        with _certificate_errors():
            context = ssl.create_default_context(cafile=self.authorities)
            self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)


@contextmanager
def _certificate_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl.SSLError is one too
        raise ConfigurationInvalid(
            "certificate_unusable",
            f"a certificate or key cannot be used ({error.strerror or type(error).__name__}).",
            "Check the tls settings: PEM files, the certificate's own key, readable by the service.",
        ) from error
