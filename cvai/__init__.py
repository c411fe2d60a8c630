"""cvai: ventricular volumes and ejection fraction, written back into the study they came from."""

__version__ = "0.1.0"
