"""Running the installation: settings, checks, backups, logs, the test notification."""
