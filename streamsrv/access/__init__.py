"""Who may do what: authentication, client secrets, and how a session begins."""
