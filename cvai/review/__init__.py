"""The page on which readers see, correct and sign what was measured."""
