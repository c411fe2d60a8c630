"""The reader's page as ``cvai serve`` and ``cvai readers`` put it together from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import typer

from cvai.audit.messages import open_audit_trail
from cvai.ops.health import Routes
from cvai.review.page import PageOptions
from cvai.review.routes.sign_in import CALLBACK_PATH
from cvai.review.security import SIGN_IN_PATH
from cvai.review.server import serving
from cvai.review.sign_in.accounts import Role, SessionLimits
from cvai.review.sign_in.claims import ReaderClaims
from cvai.review.sign_in.oidc import OidcOptions, OpenIdProvider
from cvai.service import open_archive
from cvai.settings import Settings

GIGABYTE = 1_000_000_000


def page_options(settings: Settings) -> PageOptions | None:
    """How the page is reached; None where the settings name no address."""
    review = settings.review
    if review.address is None:
        return None
    host, port = review.address.rsplit(":", 1)
    return PageOptions(
        host=host,
        port=int(port),
        public_url=review.public_url or "",
        organization=review.organization,
        session=session_limits(settings),
        cache_bytes=int(review.cache_gb * GIGABYTE),
        viewer_url=review.viewer_url or "",
        language=review.language,
        proxies=tuple(str(network) for network in review.proxies),
        connections=review.connections,
        connections_per_address=review.connections_per_address,
    )


def session_limits(settings: Settings) -> SessionLimits:
    """How long a reader stays signed in."""
    review = settings.review
    return SessionLimits(idle_s=60 * review.session_idle_minutes, longest_s=3600 * review.session_hours)


def openid_provider(settings: Settings, page: PageOptions) -> OpenIdProvider | None:
    """Who says who readers are; None where the settings name no issuer. Connects to nothing."""
    oidc = settings.oidc
    if oidc.issuer is None:
        return None
    values = {role: frozenset(getattr(oidc, role)) for role in Role}
    return OpenIdProvider(
        OidcOptions(
            issuer=oidc.issuer,
            client_id=oidc.client_id,
            client_secret="" if oidc.client_secret is None else oidc.client_secret.get_secret_value(),
            redirect_uri=page.url + CALLBACK_PATH,
            signed_out_uri=page.url + SIGN_IN_PATH,
            scope=oidc.scope,
            claims=ReaderClaims(oidc.name_claim, oidc.role_claim, values),
            clock_skew_s=oidc.clock_skew_s,
            timeout_s=oidc.timeout_s,
        )
    )


def reader_page(
    settings: Settings, titles: Mapping[str, str]
) -> Callable[[Routes], AbstractContextManager[object]]:
    """What serves the page beside a service; nothing where the settings name no address.

    Args:
        settings: of the service.
        titles: of its analyses by kind.
    """
    options = page_options(settings)
    if options is None:
        return nullcontext
    archive, _ = open_archive(settings)
    return lambda routes: serving(
        replace(options, titles=titles),
        archive=archive,
        database_url=settings.jobs_database_url,
        data_folder=settings.data_folder,
        archive_folder=settings.archive_folder if settings.archive == "folder" else None,
        inbox=settings.inbox_folder if settings.archive == "folder" else None,
        record=open_audit_trail(settings).record,
        service_routes=routes,
        announce=typer.echo,
        provider=openid_provider(settings, options),
    )
