"""Ways in and out beside the archive: C-STORE, storage commitment, FHIR, UPS."""
