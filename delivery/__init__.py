"""From a committed change to every watcher: the live tail in Redis, the rooms, the sockets."""
