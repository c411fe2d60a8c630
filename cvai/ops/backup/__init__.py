"""Copies of a service's state while it runs, and the way back.

What is copied when decides whether a copy is consistent. ``make`` holds to this order: the inbox before the
archive that its deliveries move to; the page's decisions before the jobs that are queued for them, and both
as of one moment; the archive and the results after the jobs that say that they stand there.
"""
