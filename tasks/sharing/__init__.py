"""Links that show one task, live and read-only, to people without an account; and what of a task they show."""

from tasks.sharing.links import (
    DEFAULT_S,
    LONGEST_S,
    MOST_LINKS,
    SHORTEST_S,
    OpenLink,
    ShareLink,
    Sharing,
)
from tasks.sharing.veil import Veil

__all__ = ["DEFAULT_S", "LONGEST_S", "MOST_LINKS", "SHORTEST_S", "OpenLink", "ShareLink", "Sharing", "Veil"]
