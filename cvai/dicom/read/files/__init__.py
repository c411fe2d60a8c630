"""From files, folders, archives and media to the DICOM files in them."""
