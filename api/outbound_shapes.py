"""The shapes of webhooks and their deliveries: what is sent in, and what comes back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.notification_shapes import Type
from api.parsing import Body, Cursor, Query, Text, Whole
from api.task_shapes import Answer, TaskId, Time
from outbound.addresses import MAX_URL
from outbound.hook_log import MAX_PAGE
from outbound.webhooks import MAX_KINDS, MAX_NAME, OVERLAP_S

MAX_OVERLAP_S = 7 * 86_400
URL = "Where it is posted to, over https."
TYPES = "Notifications of these types; all but tests when left out."
KINDS = "Only about tasks of these jobs; about everything when left out."


class NewWebhook(Body):
    """Where to post what."""

    url: Text = Field(min_length=1, max_length=MAX_URL, description=URL)
    name: Text = Field("", max_length=MAX_NAME, description="For you; the host when left out.")
    types: list[Type] | None = Field(None, min_length=1, max_length=6, description=TYPES)
    kinds: list[Text] | None = Field(None, max_length=MAX_KINDS, description=KINDS)
    active: bool = True


class ChangeWebhook(Body):
    """What to change; what is left out or null stays."""

    url: Text | None = Field(None, min_length=1, max_length=MAX_URL, description=URL)
    name: Text | None = Field(None, min_length=1, max_length=MAX_NAME)
    types: list[Type] | None = Field(None, min_length=1, max_length=6, description="Notifications of these types.")
    kinds: list[Text] | None = Field(None, max_length=MAX_KINDS, description="Only about these jobs; [] for all.")
    active: bool | None = None


class NewSecret(Body):
    """For how long the old secret signs as well."""

    overlap_s: int = Field(OVERLAP_S, ge=0, le=MAX_OVERLAP_S, description="0 ends the old secret at once.")


class DeliveryQuery(Query):
    """Which part of the list."""

    limit: Whole = Field(50, ge=1, le=MAX_PAGE)
    cursor: Cursor = Field("", description="`next_cursor` of the page before.")


class TryShape(Answer):
    """One try. `status` is null when nothing was answered, and `trouble` says why; `answer` is its beginning."""

    attempt: int
    at: Time
    status: int | None
    duration_ms: int | None
    trouble: str | None
    answer: str | None


class DeliveryShape(Answer):
    """A notification on its way. `dropped`: the webhook was switched off before it could be delivered."""

    id: str = Field(description="What the receiver gets as `webhook-id`, in every try.")
    type: Type
    title: str
    task_id: TaskId | None
    state: Literal["waiting", "delivered", "given_up", "dropped"]
    attempts: int
    next_try_at: Time | None
    created_at: Time
    ended_at: Time | None
    tries: list[TryShape]


class DeliveryPage(Answer):
    """Some deliveries, newest first."""

    items: list[DeliveryShape]
    next_cursor: str | None


class WebhookShape(Answer):
    """`switched_off` says why the server did it: `gone` (the receiver answered 410) or `failing` (for days)."""

    id: str
    name: str
    url: str
    types: list[Type]
    kinds: list[str]
    active: bool
    switched_off: Literal["gone", "failing"] | None
    failing_since: Time | None
    old_secret_until: Time | None
    created_at: Time
    last_try: TryShape | None


class WebhookWithSecret(WebhookShape):
    """With its secret, which is shown this once."""

    secret: str


class WebhookPage(Answer):
    """All your webhooks, the oldest first."""

    items: list[WebhookShape]


class DeliveryId(Answer):
    """Which delivery that is."""

    delivery_id: str
