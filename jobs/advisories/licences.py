"""Under which licence an advisory comes, told by its id: its first word names the database."""

from __future__ import annotations

# What the databases behind OSV say of themselves (osv.dev's list of data sources).
_LICENCES = {
    "GHSA": "CC-BY-4.0",
    "PYSEC": "CC-BY-4.0",
    "PSF": "CC-BY-4.0",
    "GO": "CC-BY-4.0",
    "OSV": "CC-BY-4.0",
    "EEF": "CC-BY-4.0",
    "RUSTSEC": "CC0-1.0",
    "HSEC": "CC0-1.0",
    "GSD": "CC0-1.0",
    "MAL": "Apache-2.0",
    "BIT": "Apache-2.0",
    "RSEC": "Apache-2.0",
    "DRUPAL": "MIT",
    "USN": "CC-BY-SA-4.0",
    "UBUNTU": "CC-BY-SA-4.0",
    "LSN": "CC-BY-SA-4.0",
}
UNKNOWN_LICENCE = "not stated"


def licence_of(record_id: str) -> str:
    """The licence of the database that this id belongs to."""
    return _LICENCES.get(record_id.partition("-")[0], UNKNOWN_LICENCE)
