"""Kinds of jobs made by versions with a single job for each study, by which their results are recognised."""

from __future__ import annotations

FORMER_KINDS = ("cine_sax", "echo_apical")
"""The analyses that such a job did in one; in the order in which ``jobs_digest`` took their models."""
