"""Users, sessions, API tokens, passwords, and the access control of every endpoint."""
