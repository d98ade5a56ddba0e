"""What admins do to everybody's tasks, to the queue and to its workers."""
