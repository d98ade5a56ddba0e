"""What people are told beside the pages: stored in the transaction of what happened, and only then pushed."""

from tasks.notices.making import Notice, notify, notify_admins
from tasks.notices.models import Notification

__all__ = ["Notice", "Notification", "notify", "notify_admins"]
