"""The routes of the page, by what they answer."""
