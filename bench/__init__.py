"""`make bench`: Taskroom beside stock Flask-SocketIO and Node's socket.io, in one run, on one machine."""
