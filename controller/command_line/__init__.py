"""The command lines of the controller: its options, user administration and SSH keys."""
