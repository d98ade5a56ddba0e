"""The work that Taskroom does. Importing this package registers every job; a job knows its work and a JobContext."""

from jobs.caption_images import job as _caption_images  # noqa: F401
from jobs.code_scan import job as _code_scan  # noqa: F401
