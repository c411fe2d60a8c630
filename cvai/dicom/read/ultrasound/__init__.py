"""The loops of an ultrasound study: which can be measured, and what their times and pixels are worth."""
