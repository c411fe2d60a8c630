"""TLS for DICOM's own protocol: which files prove who we are, and whom we believe."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cvai.errors import ConfigurationInvalid


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of PEM: who we are, and whom we believe.

    Args:
        certificate: of this node, None for a caller that need not say who it is.
        key: private key of the certificate.
        authorities: certificates that vouch for the other side; without them a caller is not asked to prove
            anything, and somebody called must be vouched for by those this system trusts.
    """

    certificate: Path | None = None
    key: Path | None = None
    authorities: Path | None = None

    def for_callers(self) -> ssl.SSLContext:
        """What a server shows and asks for; PS3.15 section B.12 wants TLS 1.2 at least.

        Raises:
            ConfigurationInvalid: a file is missing or not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with _certificate_errors():
            self._load(context)
            if self.authorities is not None:
                context.load_verify_locations(self.authorities)
                context.verify_mode = ssl.CERT_REQUIRED
        return context

    def for_calls(self) -> ssl.SSLContext:
        """What a client shows and asks for; see ``for_callers``."""
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
