"""Who may use the page: accounts, sessions, an organisation's own sign-in."""
