"""The rules: what each looks at, from when on it speaks, how grave that is, and what to do about it.

Whatever of a rule can be changed in the page is a Value or one of the four fields that all rules have; the defaults
stand here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

QUIET_S = 30.0


class Severity(StrEnum):
    """How grave it is, the mildest first."""

    INFO = "info"
    WARNING = "warning"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the mildest."""
        return list(Severity).index(self)

    @property
    def next(self) -> Severity:
        """One step graver; critical stays."""
        return list(Severity)[min(self.rank + 1, len(Severity) - 1)]


class AlertState(StrEnum):
    """Active until somebody says that they know, open until it is resolved."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Value:
    """One limit of a rule, a whole number between `low` and `high`. `title` begins with a capital."""

    name: str
    title: str
    unit: str
    default: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One type of alert.

    `measures` completes "Comes when …" and names its values in braces; `step` says what to do. The cause has to hold
    for `after_s` before anybody is told, and to be gone for `quiet_s` before the alert is resolved. Unless somebody
    acknowledges it, the severity rises by a step each `escalate_after_s` (0: never).
    """

    type: str
    title: str
    measures: str
    step: str
    severity: Severity
    values: tuple[Value, ...] = ()
    after_s: int = 0
    escalate_after_s: int = 900
    quiet_s: float = QUIET_S


AFTER = Value("after_s", "Tell after", "s", 0, 0, 3600)
ESCALATE = Value("escalate_after_s", "Graver after", "s", 900, 0, 86_400)

_LISTED = (
    Rule(
        "database_trouble",
        "Database in trouble",
        "the database refuses to write, or a small write takes longer than {write_ms} ms",
        "Look at the disk of the database and at its log. `./taskroom doctor` says what it finds. Whoever holds "
        "SQLite's lock for long (a backup tool, an editor) has to let go. Nothing is lost: tasks wait until it writes.",
        Severity.CRITICAL,
        (Value("write_ms", "A write takes", "ms", 1000, 100, 10_000),),
        after_s=3,
    ),
    Rule(
        "redis_lost",
        "Redis lost",
        "Redis does not answer, or takes no writes",
        "Start Redis again, or look at its disk and memory, at REDIS_URL, its password and the network. Running tasks "
        "go on and nothing durable is lost; waiting tasks start when it is back, and pages say that they are not live.",
        Severity.CRITICAL,
        after_s=5,
    ),
    Rule(
        "no_workers",
        "No workers",
        "no worker has been heard of for 20 s",
        "Start a worker (`./taskroom worker`), or look at the log of `serve` for why they end. Tasks wait until then.",
        Severity.HIGH,
        after_s=20,
    ),
    Rule(
        "worker_silent",
        "Worker silent",
        "a worker with a task gives no sign of life for {silent_s} s",
        "Look whether its host is up and not out of memory. When its lease has run out, its task goes to another "
        "worker by itself, or fails if that was its last attempt; a worker that wakes up too late is refused.",
        Severity.HIGH,
        (Value("silent_s", "No sign of life for", "s", 8, 4, 600),),
        quiet_s=60.0,
    ),
    Rule(
        "disk_low",
        "Disk low",
        "less than {free_percent} % of the disk of DATA_DIR is free",
        "Free some space, or move DATA_DIR to a larger disk. `clean_up` with fewer days removes old tasks, and scratch "
        "folders of ended tasks may go. On a full disk nothing is stored and tasks wait.",
        Severity.WARNING,
        (Value("free_percent", "Free is less than", "%", 10, 1, 90),),
        after_s=10,
    ),
    Rule(
        "disk_filling",
        "Disk fills up",
        "the disk of DATA_DIR is full within {hours} h, at the rate of the last half hour",
        "See what grows: logs, uploads, the database. Free space or stop what fills it before the disk is full.",
        Severity.WARNING,
        (Value("hours", "Full within", "h", 6, 1, 168),),
        after_s=300,
        quiet_s=300.0,
    ),
    Rule(
        "memory_low",
        "Memory low",
        "less than {available_percent} % of the memory of the scheduler's machine is available",
        "See which process grows (the workers' page tells of ours), run fewer workers, or add memory. When none is "
        "left, the system ends processes, workers among them; their tasks are tried again.",
        Severity.HIGH,
        (Value("available_percent", "Available is less than", "%", 5, 1, 90),),
        after_s=20,
    ),
    Rule(
        "loop_blocked",
        "Web process blocked",
        "the loop of a web process is held for {blocked_ms} ms, or the process says nothing for 8 s",
        "Its log names who held the loop (“the loop was held for …”). Meanwhile all of its connections wait. A busy or "
        "stopped machine does this, too: compare the load.",
        Severity.WARNING,
        (Value("blocked_ms", "Held for", "ms", 1000, 100, 20_000),),
    ),
    Rule(
        "queue_backup",
        "Queue backed up",
        "a task waits for {wait_s} s, or {tasks} tasks wait",
        "Add workers, raise MAX_CONCURRENT_TASKS, or cancel what is not needed. See whether one person's tasks fill "
        "the queue, and whether workers live.",
        Severity.WARNING,
        (
            Value("wait_s", "The oldest waits for", "s", 600, 5, 86_400),
            Value("tasks", "Tasks that wait", "tasks", 100, 1, 100_000),
        ),
        after_s=10,
    ),
    Rule(
        "repeated_failures",
        "Repeated failures",
        "{failures} tasks of one job fail within {window_min} min, and at least {share_percent} % of those that end",
        "Open the newest failed task: its error says what to do. Pause the job until the cause is gone, then retry.",
        Severity.WARNING,
        (
            Value("failures", "Failed tasks", "tasks", 5, 2, 10_000),
            Value("share_percent", "Of all that ended, at least", "%", 50, 0, 100),
            Value("window_min", "Within", "min", 60, 1, 1440),
        ),
    ),
    Rule(
        "task_stalled",
        "Task stalled",
        "a task makes no progress for far longer than usual, although its worker lives",
        "Read the end of its log. It may wait for something outside; cancel it if it will not go on.",
        Severity.INFO,
        after_s=30,
        escalate_after_s=3600,
    ),
)

RULES = {rule.type: rule for rule in _LISTED}
