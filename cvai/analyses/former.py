"""Names that versions gave which made one job of a study: what they did is told by them."""

from __future__ import annotations

FORMER_KINDS = ("cine_sax", "echo_apical")
"""The analyses that such a job did in one; in the order in which ``jobs_digest`` took their models."""
