"""What admins measure: now and over time, processes and connections."""
