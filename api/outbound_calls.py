"""Webhooks: your own, and what became of what was posted to them. There is no way to another's."""

from __future__ import annotations

from typing import Any

import extensions
from api import reading
from api.operations import PREFIX, Call, Reply, operation
from api.outbound_shapes import (
    ChangeWebhook,
    DeliveryId,
    DeliveryPage,
    DeliveryQuery,
    NewSecret,
    NewWebhook,
    WebhookPage,
    WebhookShape,
    WebhookWithSecret,
)
from outbound import hook_log
from outbound.webhooks import Webhooks
from tasks.errors import NotFound

ONE = "/webhooks/{webhook_id}"


@operation("GET", "/webhooks", summary="List your webhooks", tag="Notifications", answer=WebhookPage)
def list_webhooks(call: Call) -> dict[str, Any]:
    """Each with its newest try. Their secrets are never shown again."""
    with reading.database().read() as session:
        return {"items": hook_log.listed(session, call.identity.user_id)}


@operation(
    "POST",
    "/webhooks",
    summary="Make a webhook",
    tag="Notifications",
    status=201,
    answer=WebhookWithSecret,
    answer_headers={"Location": "The address of the webhook."},
    body=NewWebhook,
    refuses=(409,),
)
def create_webhook(call: Call) -> Reply:
    """Posts what you are told to an address of yours, signed with `secret`, which is shown this once."""
    made, secret = _webhooks().create(call.identity.user_id, call.body.model_dump(exclude_none=True), call.actor)
    return Reply({**made, "secret": secret}, {"Location": f"{PREFIX}/webhooks/{made['id']}"})


@operation("GET", ONE, summary="Look at one webhook", tag="Notifications", answer=WebhookShape)
def show_webhook(call: Call) -> dict[str, Any]:
    """With its newest try."""
    with reading.database().read() as session:
        return hook_log.shown(hook_log.find(session, _id(call), call.identity.user_id))


@operation("PATCH", ONE, summary="Change a webhook", tag="Notifications", answer=WebhookShape, body=ChangeWebhook)
def change_webhook(call: Call) -> dict[str, Any]:
    """What is left out stays. `active: false` drops what still waits for it."""
    wished = call.body.model_dump(exclude_none=True)
    return _webhooks().change(call.identity.user_id, _id(call), wished, call.actor)


@operation("DELETE", ONE, summary="Remove a webhook", tag="Notifications", answer=WebhookShape)
def remove_webhook(call: Call) -> dict[str, Any]:
    """With its log. Answers what it was."""
    return _webhooks().remove(call.identity.user_id, _id(call), call.actor)


@operation(
    "POST",
    f"{ONE}/secret",
    summary="Give a webhook another secret",
    tag="Notifications",
    answer=WebhookWithSecret,
    body=NewSecret,
    body_required=False,
)
def change_webhook_secret(call: Call) -> dict[str, Any]:
    """Shown this once. For a time there are signatures by both, so that the receiver can change over."""
    asked: NewSecret = call.body
    shown, secret = _webhooks().rotate(call.identity.user_id, _id(call), asked.overlap_s, call.actor)
    return {**shown, "secret": secret}


@operation(
    "POST",
    f"{ONE}/test",
    summary="Send a test to a webhook",
    tag="Notifications",
    status=202,
    answer=DeliveryId,
    refuses=(409,),
)
def send_webhook_test(call: Call) -> dict[str, Any]:
    """An example of type `test`, within a second. What came of it is in the list of deliveries."""
    return {"delivery_id": _webhooks().send_test(call.identity.user_id, _id(call))}


@operation(
    "GET",
    f"{ONE}/deliveries",
    summary="See what was posted to a webhook",
    tag="Notifications",
    answer=DeliveryPage,
    query=DeliveryQuery,
    refuses=(400,),
)
def list_webhook_deliveries(call: Call) -> dict[str, Any]:
    """Newest first, each with every try. The newest 200 of 30 days are kept."""
    asked: DeliveryQuery = call.query
    with reading.database().read() as session:
        hook = hook_log.find(session, _id(call), call.identity.user_id)
        items, cursor = hook_log.log_of(session, hook.id, asked.cursor or None, asked.limit)
    return {"items": items, "next_cursor": cursor}


@operation(
    "POST",
    f"{ONE}/deliveries/{{delivery_id}}/again",
    summary="Send a delivery again",
    tag="Notifications",
    status=202,
    answer=DeliveryId,
    refuses=(409,),
)
def send_delivery_again(call: Call) -> dict[str, Any]:
    """Under the id that it had, with the same content. 409 while it is being sent."""
    delivery_id = call.path["delivery_id"].lower()
    if not reading.UUID.fullmatch(delivery_id):
        raise NotFound("There is no such delivery.")
    _webhooks().send_again(call.identity.user_id, _id(call), delivery_id)
    return {"delivery_id": delivery_id}


def _webhooks() -> Webhooks:
    room = extensions.current()
    return Webhooks(room.database, room.config)


def _id(call: Call) -> str:
    text = call.path["webhook_id"].lower()
    if not reading.UUID.fullmatch(text):
        raise NotFound("There is no such webhook.")
    return text
