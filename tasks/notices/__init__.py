"""What people are told beside the pages: stored in the transaction of what happened, and only then pushed."""

from tasks.notices.making import MUTABLE_TYPES, TYPES, Notice, notify, notify_admins
from tasks.notices.models import Notification, NotificationPreferences, TaskFollower

__all__ = [
    "MUTABLE_TYPES",
    "TYPES",
    "Notice",
    "Notification",
    "NotificationPreferences",
    "TaskFollower",
    "notify",
    "notify_admins",
]
