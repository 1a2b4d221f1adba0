"""Who may do what: authentication, client secrets, admission, and how a session begins."""
