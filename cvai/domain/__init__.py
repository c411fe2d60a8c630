"""The domain: anatomy, geometry, cine, phases, volumes, function, findings. No DICOM, no I/O, no settings."""
