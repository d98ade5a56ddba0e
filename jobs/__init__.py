"""The work that Taskroom does. Importing this package registers every job; a job knows its work and a JobContext."""

# In the order in which people see them.
# isort: off
from jobs.code_scan import job as _code_scan  # noqa: F401
from jobs.trace_scan import job as _trace_scan  # noqa: F401
from jobs.dependency_scan import job as _dependency_scan  # noqa: F401
from jobs.caption_images import job as _caption_images  # noqa: F401
from jobs.command import job as _command  # noqa: F401
from jobs.advisories import job as _advisory_update  # noqa: F401
from jobs.clean_up import job as _clean_up  # noqa: F401
from jobs.backup import job as _backup  # noqa: F401
from jobs.test_notification import job as _test_notification  # noqa: F401
