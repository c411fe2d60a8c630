"""The left ventricle in ultrasound loops: views, beats, discs, and what makes them doubtful."""
