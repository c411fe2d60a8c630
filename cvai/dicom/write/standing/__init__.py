"""Results that exist in a study already: distinguished, superseded, withdrawn."""
