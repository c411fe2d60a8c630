"""The objects of a result: segmentations, measurement documents, rejection notes."""
