"""Values of DICOM headers, as careful plain values."""
