"""How good a model is on patients it has not seen, through the same code that runs in the service.

Volumes are segmented and compared (``scores``, ``robustness``), summed up over patients (``summary``,
``agreement``), and shown as JSON (``record``), in the terminal (``tables``), and as a page with pictures
(``page``, ``bland_altman``, ``worst``).
"""
