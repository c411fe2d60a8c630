"""Orthanc: its DICOMweb plugin as the archive, its list of changes as the feed."""
