"""What evaluations of every kind of model have in common.

Statistics over patients (``bootstrap``, ``agreement``, ``distances``, ``calibrate``), the ``Report`` that a
task makes of them, and how it is printed and written (``terminal``, ``page``, ``write``).
"""
