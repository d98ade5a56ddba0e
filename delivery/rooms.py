"""Who in this process watches which task, and what each of them has seen.

The promise to one socket and one task: `seq` strictly rises, nothing final or logged is missing, nothing comes twice.
A member is either live (each event is its next one) or catching up: then events that arrive are held back until history
has been read from the tail, and whatever does not fit (a hole, a new epoch) sends the member back to catching up. It is
tried until it works or the member has gone, so no trouble with Redis or the database leaves a member behind.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from database import DatabaseBusy
from delivery.event_log import Tail
from delivery.history import History, collapsed
from delivery.latency import Latency
from delivery.members import Arrivals, Joined, Member, Room, Target, ignore
from delivery.outbox import Batch, Outgoing
from delivery.published import Event, outgoing
from delivery.subscriber import Subscriber
from tasks import events

log = logging.getLogger("taskroom.rooms")

RETRY_S = 0.5
WRITES_PER_TURN = 1000
"""some 5 ms of writing; then others have a turn"""
TROUBLE = (RedisError, SQLAlchemyError, DatabaseBusy)


class Rooms:
    """All rooms of this process.

    `target(sid)` answers where a socket's packets go, and writing there must not wait; None for a socket that is gone.
    `spawn(function, …)` starts a (green) thread, `pause()` lets others have a turn.
    """

    def __init__(
        self,
        history: History,
        subscriber: Subscriber,
        target: Callable[[str], Target | None],
        spawn: Callable[..., object],
        pause: Callable[[], object] = lambda: None,
    ) -> None:
        self.history = history
        self._target = target
        self._spawn = spawn
        self._pause = pause
        self._rooms: dict[str, Room] = {}
        self._joined: dict[str, set[str]] = {}
        self._lock = threading.RLock()
        self._moments = itertools.count(1)
        self.subscriber = subscriber
        self.delivered = 0
        """events times the members who got them, since this process began"""
        self.replays = 0
        self.snapshots = 0
        """members brought to the present after a loss: with what they lacked, or with the state as it is"""
        self.slow: set[str] = set()
        """sockets that get no events until they have read what waits for them"""
        self.latency = Latency()

    def join(self, sid: str, task_id: str, last_seq: int | None, epoch: str | None) -> Joined:
        """Make the socket a member and bring it to the present, from what it says it has seen.

        The caller has checked that the asker may watch the task. While Redis is away, the member gets the state that
        SQL has and is brought to the present when Redis is back.
        """
        if not sid or not task_id:
            raise ValueError(f"there is no room of socket {sid!r} and task {task_id!r}")
        target = self._target(sid)
        write = target.write if target else ignore
        member = Member(sid, epoch if last_seq is not None else None, last_seq or 0, write)
        member.is_slow = target is not None and target.is_overrun
        with self._lock:
            self._leave(sid, task_id)
            room = self._rooms.setdefault(task_id, Room(task_id))
            room.members[sid] = member
            self._joined.setdefault(sid, set()).add(task_id)
        try:
            self.subscriber.subscribe(self.history.channel(task_id))
            return self._arrive(room, member)
        except RedisError:
            self._send_stored_state(room, member)
            self._chase(room, [member])
            return Joined(None, None, recovered=False, replayed=0)
        except Exception:
            self.leave(sid, task_id)
            raise

    def _arrive(self, room: Room, member: Member) -> Joined:
        """Bring a new member to the present, together with all who come while another reading goes on."""
        with self._lock:
            mine = room.arriving
            is_first = mine is None
            if mine is None:
                mine = room.arriving = Arrivals(room.reading)
            mine.members.append(member)
        if is_first:
            self._read_for(room, mine)
        mine.done.wait()
        if mine.error is not None:
            raise mine.error
        return mine.joined[member.sid]

    def _read_for(self, room: Room, arrivals: Arrivals) -> None:
        if arrivals.before is not None:
            arrivals.before.done.wait()
        with self._lock:
            room.arriving, room.reading, arrivals.before = None, arrivals, None
        try:
            joined = self._catch_up(room, arrivals.members)
            arrivals.joined = {member.sid: one for member, one in zip(arrivals.members, joined, strict=True)}
        except Exception as error:
            arrivals.error = error
        finally:
            arrivals.done.set()

    def leave(self, sid: str, task_id: str) -> None:
        """After this returns, nothing of the task goes to the socket any more."""
        with self._lock:
            self._leave(sid, task_id)

    def drop(self, sid: str) -> None:
        """The socket is closed: it leaves all rooms."""
        with self._lock:
            self.slow.discard(sid)
            for task_id in list(self._joined.get(sid, ())):
                self._leave(sid, task_id)

    def joined_by(self, sid: str) -> frozenset[str]:
        """The tasks that this socket watches."""
        return frozenset(self._joined.get(sid, ()))

    def count_of(self, sid: str) -> int:
        """How many tasks this socket watches."""
        return len(self._joined.get(sid, ()))

    def watched(self) -> dict[str, int]:
        """Members by task, in this process."""
        with self._lock:
            return {task_id: len(room.members) for task_id, room in self._rooms.items()}

    def activity(self) -> list[tuple[str, int, int]]:
        """For each watched task its id, its members in this process, and the events that came since the first."""
        with self._lock:
            return [(room.task_id, len(room.members), room.events) for room in self._rooms.values()]

    def receive(self, task_id: str, published: Sequence[Event]) -> None:
        """Pass on published events, in the order of their arrival, to the members for whom they are the next ones."""
        room = self._rooms.get(task_id)
        if room is None:
            return
        for run in _runs(published):
            self._fan_out(room, list(room.members.values()), run)
        room.events += len(published)
        self.latency.look(published[-1].item.frame)
        if published[-1].name in events.FINAL_EVENTS:
            with self._lock:
                self._close_if_done(room)

    def _fan_out(self, room: Room, members: Sequence[Member], run: Sequence[Event]) -> None:
        """One pass over the members, with turns for others in between."""
        epoch, before, last = run[0].epoch, run[0].seq - 1, run[-1].seq
        batch = Batch.of([event.item for event in run])
        has_final = run[-1].name in events.FINAL_EVENTS
        written = 0
        for start in range(0, len(members), WRITES_PER_TURN):
            if start:
                self._pause()
            behind = []
            with self._lock:
                for member in members[start : start + WRITES_PER_TURN]:
                    if member.is_live and member.seen == before and member.epoch == epoch:
                        member.seen = last
                        if has_final:
                            member.has_final = True
                        member.write(batch)
                        written += 1
                        continue
                    outcomes = [self._deliver(member, event) for event in run]
                    if not all(outcomes):
                        behind.append(member)
                self._chase(room, behind)
        self.delivered += written * len(run)

    def give_up(self, sid: str, lost: Set[str]) -> None:
        """This socket reads too slowly: events of the tasks in `lost` are gone, and until `recover` it gets none."""
        self.slow.add(sid)
        for task_id in self._joined.get(sid, ()):
            member = self._rooms[task_id].members[sid]
            if not member.has_final:
                member.is_slow, member.is_live, member.held = True, False, []
                member.epoch = None if task_id in lost else member.epoch

    def recover(self, sid: str) -> None:
        """The socket has read what was left: bring it to the present, with snapshots of the tasks that lost events."""
        with self._lock:
            self.slow.discard(sid)
            for task_id in list(self._joined.get(sid, ())):
                room = self._rooms[task_id]
                member = room.members[sid]
                if member.is_slow:
                    member.is_slow = False
                    self._chase(room, [member])

    def resync(self) -> None:
        """Redis is back, or messages may be lost: bring every member of every room to the present."""
        with self._lock:
            for room in list(self._rooms.values()):
                members = [member for member in room.members.values() if not (member.has_final or member.is_slow)]
                for member in members:
                    member.is_live = False
                self._chase(room, members)

    def _deliver(self, member: Member, event: Event) -> bool:
        """Send, hold or drop one event for one member; False if the member must catch up first."""
        if member.has_final or member.is_slow or member.is_gone:
            return True
        if not member.is_live:
            member.held.append((next(self._moments), event))
            return True
        if event.epoch == member.epoch:
            if event.seq <= member.seen:
                return True
            if event.seq == member.seen + 1:
                self._pass(member, event.epoch, event.seq, event.name, event.item)
                return True
        member.is_live = False
        return False

    def _pass(self, member: Member, epoch: str, seq: int, name: str, item: Outgoing) -> None:
        member.epoch, member.seen = epoch, seq
        member.has_final = name in events.FINAL_EVENTS
        self.delivered += 1
        member.write(Batch.of([item]))

    def _chase(self, room: Room, members: Sequence[Member]) -> None:
        """Bring members to the present in the background, however long that takes."""
        waiting = [member for member in members if not member.is_chased]
        for member in waiting:
            member.is_chased = True
        if waiting:
            self._spawn(self._catch_up_at_last, room, waiting)

    def _catch_up_at_last(self, room: Room, members: Sequence[Member]) -> None:
        while True:
            with self._lock:
                members = [member for member in members if member.is_behind]
                if not members:
                    return
            try:
                self._catch_up(room, members)
            except TROUBLE as error:
                log.debug("%d watchers of %s catch up later: %s", len(members), room.task_id, type(error).__name__)
                time.sleep(RETRY_S)
            finally:
                with self._lock:
                    for member in members:
                        member.is_chased = member.is_behind

    def _catch_up(self, room: Room, members: Sequence[Member]) -> list[Joined]:
        """Read history and make the members live. Events that arrive meanwhile are held and follow in order."""
        answers: dict[str, Joined] = {}
        waiting = list(members)
        while waiting:
            with self._lock:
                reading = next(self._moments)
                after = min(member.seen for member in waiting)
            tail = self.history.read(room.task_id, after)
            snapshot = outgoing(tail.snapshot_packet(), tail.task_id, tail.snapshot_name, is_snapshot=True)
            with self._lock:
                for member in waiting:
                    answers.setdefault(member.sid, self._replay(member, tail, snapshot, reading))
                waiting = [member for member in waiting if not self._go_live(member)]
                self._close_if_done(room)
        return [answers[member.sid] for member in members]

    def _replay(self, member: Member, tail: Tail, snapshot: Outgoing, reading: int) -> Joined:
        """Send what the member lacks up to the tail's seq: the unbroken rest, or the snapshot."""
        is_ahead = member.epoch == tail.epoch and member.seen > tail.seq and not member.is_new
        if not member.is_behind or is_ahead or reading < member.read:  # another reading was faster
            return Joined(tail.epoch, tail.seq, recovered=False, replayed=0)
        member.read = reading
        was_here = member.epoch is not None or not member.is_new
        member.is_new = False
        missed = [event for event in tail.events if event.seq > member.seen]
        unbroken = member.epoch == tail.epoch and member.seen + len(missed) == tail.seq
        if unbroken:
            kept = collapsed(missed)
            for event in kept:
                if member.is_slow:
                    break
                self._pass(member, tail.epoch, event.seq, event.name, outgoing(event.packet, tail.task_id, event.name))
            member.has_final = tail.is_final and not member.is_slow
            self.replays += bool(was_here and kept)
            return Joined(tail.epoch, tail.seq, recovered=True, replayed=len(kept))
        self._pass(member, tail.epoch, tail.seq, tail.snapshot_name, snapshot)
        self.snapshots += was_here
        return Joined(tail.epoch, tail.seq, recovered=False, replayed=0)

    def _go_live(self, member: Member) -> bool:
        """Let the held events follow; False if they do not fit on and the member must read once more.

        What arrived before the reading began is in what was read, whichever epoch it names.
        """
        if not member.is_behind:
            return True
        held, member.held = member.held, []
        member.is_live = True
        for place, (moment, event) in enumerate(held):
            if moment > member.read and not self._deliver(member, event):
                member.held = held[place:]
                return False
        return True

    def _send_stored_state(self, room: Room, member: Member) -> None:
        """Without Redis: the state of the task as SQL has it, said to be of no epoch."""
        stored = self.history.stored(room.task_id)
        if stored is None:
            return
        name, data = stored
        item = outgoing(events.packet(name, data), room.task_id, name, is_snapshot=True)
        with self._lock:
            if member.is_behind:
                member.write(Batch.of([item]))
                if name in events.FINAL_EVENTS:
                    member.has_final = member.is_live = True
                    self._close_if_done(room)

    def _leave(self, sid: str, task_id: str) -> None:
        joined = self._joined.get(sid)
        if joined is not None:
            joined.discard(task_id)
            if not joined:
                del self._joined[sid]
        room = self._rooms.get(task_id)
        if room is None:
            return
        member = room.members.pop(sid, None)
        if member is not None:
            member.is_gone, member.is_live = True, False
        if not room.members:
            del self._rooms[task_id]
            self.subscriber.unsubscribe(self.history.channel(task_id))

    def _close_if_done(self, room: Room) -> None:
        """Stop listening to a finished task once all its members have its final event."""
        if room.members and all(member.has_final for member in room.members.values()):
            for sid in list(room.members):
                self._leave(sid, room.task_id)


def _runs(published: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """The events in pieces within which each is the next one."""
    start = 0
    for place in range(1, len(published)):
        one, next_one = published[place - 1], published[place]
        if next_one.seq != one.seq + 1 or next_one.epoch != one.epoch:
            yield published[start:place]
            start = place
    yield published[start:]
