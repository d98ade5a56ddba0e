"""How long a task still takes, and how good such estimates were."""
