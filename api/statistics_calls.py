"""How long each job takes, how often it fails, and how good its estimates were."""
