"""DICOM, in and out: `read` for what archives hold, `write` for what is put back."""
