"""People, their limits, logins and tokens, and the audit log."""
