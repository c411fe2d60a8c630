"""Results that stand in a study already: told apart, succeeded, withdrawn."""
