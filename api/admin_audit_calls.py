"""Everybody's API tokens and the audit log. All of it is for admins: see `api.dispatch`."""

from __future__ import annotations

import re
from typing import Any

import accounts
import extensions
from accounts import NoSuchAccount, audit_log, token_list
from api import admin_audit_shapes as shapes
from api import reading
from api.operations import Call, operation
from database import Database, utc_now
from tasks.errors import InvalidPayload

MAX_ID = 2**31 - 1
NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


@operation(
    "GET",
    "/admin/tokens",
    summary="List everybody's API tokens",
    tag="Admin",
    answer=shapes.AdminTokenPage,
    query=shapes.TokenQuery,
    refuses=(400,),
)
def list_api_tokens(call: Call) -> dict[str, Any]:
    """By hint: what a token is, only its holder knows."""
    asked: shapes.TokenQuery = call.query
    filters = token_list.TokenFilters(asked.q, asked.owner, asked.state, asked.care)
    with reading.database().read() as session:
        items, following = token_list.list_all_tokens(session, filters, utc_now(), _before(asked.cursor), asked.limit)
    return {"items": items, "next_cursor": str(following) if following else None}


@operation(
    "DELETE",
    "/admin/tokens/{token_id}",
    summary="Revoke an API token",
    tag="Admin",
    answer=shapes.Ended,
    query=shapes.BecauseQuery,
)
def revoke_api_token(call: Call) -> dict[str, Any]:
    """It ends at once, and what it has open closes. Doing it twice is harmless."""
    accounts.revoke_token(
        reading.database(), whole_number(call, "token_id"), call.actor, reason=call.query.reason or None
    )
    return {"ended": 1}


@operation(
    "GET",
    "/admin/audit",
    summary="Read the audit log",
    tag="Admin",
    answer=shapes.AuditPage,
    query=shapes.AuditQuery,
    refuses=(400,),
)
def list_audit_entries(call: Call) -> dict[str, Any]:
    """Who changed what, newest first, with what it was before and after."""
    asked: shapes.AuditQuery = call.query
    filters = audit_log.AuditFilters(asked.actor, asked.action, asked.subject, asked.q, asked.since, asked.until)
    before = _before(asked.cursor)

    def read(database: Database) -> dict[str, Any]:
        with database.read() as session:
            found, following = audit_log.entries(session, filters, before, asked.limit)
            items = [audit_log.as_fields(each) for each in found]
            return {"items": items, "next_cursor": str(following) if following else None}

    database: Database = extensions.current().analysis
    return extensions.offload_read(lambda: read(database)) if database.is_sqlite else read(database)


def whole_number(call: Call, name: str) -> int:
    """A number in the path. Raises NoSuchAccount for what cannot be one."""
    text = call.path[name]
    if not NUMBER.fullmatch(text) or int(text) > MAX_ID:
        raise NoSuchAccount("There is nothing of this number.")
    return int(text)


def _before(cursor: str) -> int | None:
    if not cursor:
        return None
    if not NUMBER.fullmatch(cursor) or int(cursor) > MAX_ID:
        raise InvalidPayload("This cursor is not one that a list gave out. Start again without it.")
    return int(cursor)
