"""Stock Flask-SocketIO on eventlet, as its documentation sets it up: PORT and a Redis URL are its arguments."""

import eventlet

eventlet.monkey_patch()

import sys  # noqa: E402

from flask import Flask  # noqa: E402
from flask_socketio import SocketIO, join_room  # noqa: E402

MAX_CONNECTIONS = 20_000  # eventlet's own 1,024 would not hold the members


def main(port: int, redis_url: str) -> None:
    """Serve until killed."""
    app = Flask(__name__)
    socketio = SocketIO(app, async_mode="eventlet", message_queue=redis_url)

    @socketio.on("join_task")  # type: ignore[untyped-decorator]
    def join_task(data: dict[str, str]) -> dict[str, bool]:
        join_room(data["task_id"])
        return {"ok": True}

    socketio.run(app, host="127.0.0.1", port=port, max_size=MAX_CONNECTIONS)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
