"""What versions did that made one job of a study: it is told from what is done now by the names it was given."""

from __future__ import annotations

FORMER_KINDS = ("cine_sax", "echo_apical")
"""The analyses that such a job did in one; in the order in which ``jobs_digest`` took their models."""
