"""The job that copies the whole database into DATA_DIR/backups."""
