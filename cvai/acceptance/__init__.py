"""A local acceptance test: numbers of cvai beside a site's own reference, judged by bounds set beforehand.

``cases`` are what was compared; ``analysed`` and ``signed`` make them, from a folder of studies with a
``table`` of reference values and from decisions on the reader's page. ``judge`` compares them with
``bounds``; ``record`` and ``report`` write what came out.
"""
