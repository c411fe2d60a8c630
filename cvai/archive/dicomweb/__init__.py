"""Archives that speak DICOMweb (PS3.18)."""
