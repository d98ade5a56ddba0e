"""Webhooks and what became of their deliveries, as every surface shows them to their owner."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from database import rfc3339, utc_now
from outbound.models import Delivery, DeliveryTry, Webhook
from tasks.errors import NotFound
from tasks.paging import after_cursor, next_cursor

MAX_PAGE = 200


def find(session: Session, webhook_id: str, user_id: int) -> Webhook:
    """The person's webhook. Raises NotFound, also for somebody else's."""
    hook = session.get(Webhook, webhook_id)
    if hook is None or hook.user_id != user_id:
        raise NotFound("There is no such webhook.")
    return hook


def listed(session: Session, user_id: int) -> list[dict[str, Any]]:
    """All webhooks of the person, the oldest first."""
    hooks = session.scalars(select(Webhook).where(Webhook.user_id == user_id).order_by(Webhook.created_at))
    return [shown(hook) for hook in hooks]


def shown(hook: Webhook) -> dict[str, Any]:
    """A webhook as every surface shows it to its owner."""
    overlap = hook.previous_until if hook.previous_until and hook.previous_until > utc_now() else None
    return {
        "id": hook.id,
        "name": hook.name,
        "url": hook.url,
        "types": hook.types,
        "kinds": hook.kinds,
        "active": hook.active,
        "switched_off": hook.switched_off,
        "failing_since": rfc3339(hook.failing_since),
        "old_secret_until": rfc3339(overlap),
        "created_at": rfc3339(hook.created_at),
        "last_try": hook.last_try,
    }


def log_of(
    session: Session, webhook_id: str, cursor: str | None = None, limit: int = 50
) -> tuple[list[dict[str, Any]], str | None]:
    """Its deliveries, newest first, each with all its tries; and the cursor that goes on. Raises InvalidPayload."""
    limit = min(max(limit, 1), MAX_PAGE)
    query = select(Delivery).where(Delivery.webhook_id == webhook_id)
    if cursor:
        query = query.where(after_cursor(cursor, Delivery.created_at, Delivery.id))
    newest = query.order_by(Delivery.created_at.desc(), Delivery.id.desc()).limit(limit + 1)
    rows = session.scalars(newest).all()
    tries: dict[str, list[dict[str, Any]]] = defaultdict(list)
    ids = [row.id for row in rows]
    of_these = select(DeliveryTry).where(DeliveryTry.delivery_id.in_(ids)).order_by(DeliveryTry.attempt)
    for each in session.scalars(of_these):
        tries[each.delivery_id].append(each.fields)
    items = [_delivery(row, tries[row.id]) for row in rows[:limit]]
    return items, next_cursor(rows[limit - 1].created_at, rows[limit - 1].id) if len(rows) > limit else None


def _delivery(row: Delivery, tries: list[dict[str, Any]]) -> dict[str, Any]:
    is_waiting = row.state == "waiting"
    is_held = row.leased_until is not None and row.leased_until > utc_now()
    return {
        "id": row.id,
        "type": row.type,
        "title": row.title,
        "task_id": (row.content.get("task") or {}).get("task_id"),
        "state": row.state,
        "attempts": row.attempt,
        "next_try_at": rfc3339(row.due_at) if is_waiting and not is_held else None,
        "created_at": rfc3339(row.created_at),
        "ended_at": rfc3339(row.ended_at),
        "tries": tries,
    }
