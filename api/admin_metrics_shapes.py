"""The shapes of the metrics, their history, and connections."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.parsing import Body, Query, Text, Whole, Words
from api.task_shapes import Answer, Time

Count = int | None
Measured = float | None


class Metrics(Answer):
    """One moment. Shares in percent, sizes in bytes; what nobody knows is null."""

    sampled_at: Time
    sampled_on: str
    active_jobs: Count
    queued_jobs: Count
    queued_by_priority: dict[str, int] | None
    oldest_by_priority_s: dict[str, float | None] | None
    oldest_queued_s: Measured
    completed_today: Count
    failed_jobs: Count = Field(description="Today, like all of the day in UTC.")
    cancelled_today: Count
    success_rate: Measured
    error_rate: Measured
    avg_processing_time_ms: Measured
    finished_last_hour: Count
    failed_last_hour: Count
    system_load: Measured
    cpu_percent: Measured
    memory_percent: Measured
    memory_total: Count
    disk_percent: Measured
    disk_free: Count
    disk_total: Count
    workers: Count
    connections: Count
    connections_peak_today: Count
    connection_limit: Count
    users: Count
    rooms: Count
    events_per_s: Measured
    delivery_p50_ms: Measured = Field(description="From the worker's send to the socket, over the last minute.")
    delivery_p99_ms: Measured
    loop_delay_ms: Measured
    loop_delay_max_ms: Measured
    database: Literal["ok", "unavailable"]
    database_ms: Measured
    redis: Literal["ok", "unavailable"]
    redis_ms: Measured


class HistoryRange(Query):
    """Which part of the past."""

    range: Literal["1h", "24h", "7d"] = "1h"


class Counts(Answer):
    """What was counted in each step."""

    step_s: int
    times: list[int]
    series: dict[str, list[int | None]]


class LatencyShape(Answer):
    """What was delivered in the range: how many events took at most each of `bounds_ms`, and one more for the rest."""

    bounds_ms: list[int]
    counts: list[int]
    p50_ms: Measured
    p95_ms: Measured
    p99_ms: Measured
    at_most_ms: Count


class Peak(Answer):
    """The highest value, and the step in which it was."""

    value: float
    at: int


class MetricsHistory(Answer):
    """Equal steps of `step_s`, in Unix seconds. A step in which nobody measured is left out."""

    range: Literal["1h", "24h", "7d"]
    from_: int = Field(alias="from")
    to: int
    step_s: int
    times: list[int]
    series: dict[str, list[float | None]]
    counts: Counts
    peaks: dict[str, Peak | None]
    latency: LatencyShape


class ConnectionFilters(Query):
    """Which sockets to list."""

    q: Words = Field("", description="Part of the username or address, or a whole `sid`.")
    limit: Whole = Field(100, ge=1, le=500)


class Socket(Answer):
    """One open socket; `user_id` is null for a visitor by share link."""

    sid: str
    process: str
    user_id: int | None
    username: str
    role: str
    address: str
    since: Time
    namespace: str
    tasks: list[str] = Field(description="The tasks that it watches.")
    is_slow: bool


class RoomShape(Answer):
    """One task that is watched."""

    task_id: str
    title: str | None
    members: int
    events_per_s: Measured


class SocketsOfUser(Answer):
    """How many sockets somebody has open."""

    username: str
    sockets: int


class SocketsOfAddress(Answer):
    """How many sockets come from an address."""

    address: str
    sockets: int


class Connections(Answer):
    """Who is connected, over all web processes."""

    connections: Count
    connections_peak_today: Count
    connection_limit: Count
    users: Count
    rooms: Count
    events_per_s: Measured
    slow_readers: Count
    refused_by_reason: dict[str, int] | None = Field(description="Since the web processes began.")
    by_room: list[RoomShape]
    by_user: list[SocketsOfUser]
    by_address: list[SocketsOfAddress]
    sockets: list[Socket] = Field(description="The newest that match.")
    matching: int
    missing: list[str] | None = Field(description="Processes that did not answer; null while Redis is away.")
    sampled_at: Time


class Disconnect(Body):
    """Why."""

    reason: Text | None = Field(None, max_length=500)


class Disconnected(Answer):
    """Whose connection was ended."""

    sid: str
    username: str
    address: str

