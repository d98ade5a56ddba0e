"""Debian's package database, and the release that a host says it is."""

from __future__ import annotations

import pytest

from tests.jobs.dependency_scan.lock_files import read

pytestmark = pytest.mark.req("B10")


STATUS = """\
    Package: base-files
    Status: install ok installed
    Version: 12.4+deb12u11

    Package: libssl3
    Status: install ok installed
    Source: openssl
    Version: 3.0.11-1~deb12u1
    Description: libraries
     Package: not-a-package

    Package: libgcc-s1
    Status: hold ok installed
    Source: gcc-12 (12.2.0-14)
    Version: 12.2.0-14+b1

    Package: removed
    Status: deinstall ok config-files
    Version: 1.0

    Package: base-files
    Status: install ok installed
    Version: 12.4+deb12u11
    """


def test_a_dpkg_database_names_source_packages_and_its_release() -> None:
    found = read("dpkg", STATUS)
    assert list(found) == ["base-files 12.4+deb12u11", "libssl3 3.0.11-1~deb12u1", "libgcc-s1 12.2.0-14+b1"]
    assert {each.ecosystem for each in found.values()} == {"Debian:12"}
    assert found["libssl3 3.0.11-1~deb12u1"].source == "openssl"
    assert found["libgcc-s1 12.2.0-14+b1"].source_version == "12.2.0-14"


@pytest.mark.parametrize(
    ("os_release", "ecosystem"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "Debian:12"), ("ID=debian\n", "Debian"), ("", "linux"),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "Ubuntu:24.04"), ("ID='alpine'\nVERSION_ID=3.20\n", "alpine:3.20"),
    ],
)  # fmt: skip
def test_the_release_of_a_host_is_read_from_its_own_file(os_release: str, ecosystem: str) -> None:
    from jobs.dependency_scan.readers.dpkg import ecosystem_of

    assert ecosystem_of(os_release) == ecosystem
