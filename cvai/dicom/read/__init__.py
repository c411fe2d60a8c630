"""DICOM in: files become frozen, typed values here and nowhere else, and one honest cine is assembled."""
