"""The test notification: goes the whole way from a worker to a browser, and says how long each part of it took."""
