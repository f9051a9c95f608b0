"""Users, sessions, API tokens, passwords, and access control of all endpoints."""
