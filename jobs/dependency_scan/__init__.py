"""Checks which installed packages and which entries of lock files are named by known advisories."""
