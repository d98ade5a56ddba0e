"""Watchers of tasks that check, event by event, what the wire contract promises to one socket and one task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FINAL = ("task_completed", "task_error", "task_cancelled")
TASK_EVENTS = ("progress_update", "task_log", "task_retrying", *FINAL)

ReadLog = Callable[[int, int], list[dict[str, Any]]]


@dataclass
class Follower:
    """What a correct client of the protocol keeps of one task, over all its connections; says what breaks the promise.

    `read_log(first, last)` is `get_task_log`: called for the lines that a snapshot says were told before.
    """

    read_log: ReadLog
    epoch: str | None = None
    seq: int = 0
    epochs: list[str] = field(default_factory=list)
    log: dict[int, str] = field(default_factory=dict)
    finals: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    percent: tuple[int, float] = (0, -1.0)
    is_joined: bool = False
    replays: int = 0
    snapshots: int = 0

    def position(self) -> dict[str, Any]:
        """What to send with a join after a reconnect."""
        return {} if self.epoch is None else {"last_seq": self.seq, "epoch": self.epoch}

    def forget(self) -> None:
        """Start over, as a page that is loaded again."""
        self.epoch, self.seq, self.epochs, self.log, self.finals = None, 0, [], {}, []
        self.percent = (0, -1.0)

    def take(self, name: str, data: dict[str, Any]) -> None:
        """One event as it came over the wire."""
        where = f"{name} {data.get('epoch')}/{data.get('seq')}"
        if not self.is_joined:
            self.faults.append(f"{where} came after leaving")
        if data["epoch"] is None:
            self._take_stored(name, data, where)
            return
        if data["epoch"] != self.epoch:
            if data["epoch"] in self.epochs:
                self.faults.append(f"{where}: an epoch that was over came back")
            self.epochs.append(data["epoch"])
            self.percent = (0, -1.0)  # SQL, from which an epoch begins, may know a little less than the tail did
            is_start = bool(data.get("snapshot")) or name in FINAL
            if not is_start:
                self.faults.append(f"{where}: a new epoch began without a snapshot")
        elif data["seq"] <= self.seq:
            self.faults.append(f"{where} after seq {self.seq}")
        elif data["seq"] != self.seq + 1 and not data.get("snapshot") and name not in (*FINAL, "progress_update"):
            self.faults.append(f"{where}: a hole after seq {self.seq}")
        self.epoch, self.seq = data["epoch"], data["seq"]
        if data.get("snapshot"):
            self.snapshots += 1
        self._take_content(name, data, where)

    def _take_content(self, name: str, data: dict[str, Any], where: str) -> None:
        if name == "task_log":
            for line in data["lines"]:
                if line["n"] in self.log:
                    self.faults.append(f"{where}: line {line['n']} came twice")
                if line["n"] != len(self.log) + 1:
                    self.faults.append(f"{where}: line {line['n']} after {len(self.log)} lines")
                self.log[line["n"]] = line["text"]
        if data.get("snapshot") or name in FINAL:
            self._fetch_up_to(data["log_total"], where)
        if name in FINAL:
            self._end(name, where)
        if name == "progress_update" and data["status"] == "running" and data["progress_percent"] is not None:
            attempt, percent = self.percent
            if data["attempt"] == attempt and data["progress_percent"] < percent:
                self.faults.append(f"{where}: {percent} % fell to {data['progress_percent']} %")
            self.percent = (data["attempt"], data["progress_percent"])

    def _end(self, name: str, where: str) -> None:
        """The end is also the snapshot of each new epoch; within one epoch `seq` lets it come only once."""
        if self.finals and (self.finals != [name] or len(self.epochs) < 2):
            self.faults.append(f"{where} after {self.finals}")
        self.finals = [name]

    def _fetch_up_to(self, total: int, where: str) -> None:
        missing = [n for n in range(1, total + 1) if n not in self.log]
        if not missing:
            return
        for line in self.read_log(missing[0], total):
            self.log.setdefault(line["n"], line["text"])
        if len(self.log) < total:
            self.faults.append(f"{where}: {total} lines were told but {len(self.log)} are there")

    def _take_stored(self, name: str, data: dict[str, Any], where: str) -> None:
        """A state without epoch, told while Redis is away."""
        if name in FINAL:
            self._fetch_up_to(data["log_total"], where)
            self.epochs.append("stored")
            self.finals = [name]
