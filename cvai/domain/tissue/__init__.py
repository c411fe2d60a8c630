"""What contrast shows of the myocardium: infarct and no-reflow."""
