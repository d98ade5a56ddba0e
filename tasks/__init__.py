"""The core: what a task is, how it changes, runs and reports. Imports no Flask, no Socket.IO, no eventlet."""
