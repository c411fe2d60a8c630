"""DICOM out: SEG, SR, PDF and result.json from one frozen Analysis; headers only, no pixels decoded."""
