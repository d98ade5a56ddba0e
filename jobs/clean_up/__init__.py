"""The clean-up: removes ended tasks that are older than the installation keeps them, with all that they left."""
