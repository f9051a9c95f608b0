"""The controller: the rack's state over HTTP, for people and for programs."""
