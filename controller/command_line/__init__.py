"""Command line of the controller: options, administration of users and tokens, SSH keys."""
