"""Whose trouble it is when a scan cannot go on: the asker's, who can mend it, or one that may pass by itself."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from database import DatabaseBusy
from jobs.repository.discovery import TooManyFiles
from jobs.repository.git_address import AddressRefused
from jobs.repository.git_fetch import FetchFailed, FetchInterrupted
from jobs.repository.sources import SourceRefused
from tasks.errors import JobFailed, Retryable

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def told() -> Iterator[None]:
    """Turn what goes wrong with sources, fetching, files, disk and database into JobFailed or Retryable, in words."""
    try:
        yield
    except (SourceRefused, AddressRefused, FetchFailed) as error:
        raise JobFailed(str(error)) from error
    except TooManyFiles as error:
        raise JobFailed("There are more than a million files. Scan a part, or leave folders out.") from error
    except FetchInterrupted as error:
        raise Retryable(str(error)) from error
    except (DBAPIError, DatabaseBusy) as error:
        raise Retryable("The database did not take the results.") from error
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Retryable("The disk of this worker is full. Free some space.") from error
        raise Retryable(f"The files could not be read: {error.strerror or 'the disk did not answer'}.") from error
