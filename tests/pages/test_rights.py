"""What somebody's limits do not let them do is disabled where it is offered, and says why."""

from __future__ import annotations

import re

import pytest

from accounts import COMMAND_LINE
from accounts.limits import set_limits
from tests.pages.html_checks import faults
from tests.pages.task_app import KIND, House

pytestmark = pytest.mark.req("H8")


def limit(house: House, username: str, **wished: object) -> None:
    set_limits(house.database, house.people[username].id, wished, COMMAND_LINE)


def page(house: House, path: str, username: str = "ben") -> str:
    answer = house.get(path, username)
    assert answer.status_code == 200
    assert faults(answer.text) == []
    return answer.text


@pytest.mark.req("F1")
def test_cancel_and_run_again_are_disabled_with_the_reason_for_the_person_and_not_for_an_admin(house: House) -> None:
    limit(house, "ben", may_cancel=False, may_retry=False)
    running, failed = house.task("running"), house.task("failed")
    assert re.search(
        r'<button class="btn" type="button" disabled title="[^"]*may not cancel', page(house, f"/tasks/{running}")
    )
    assert re.search(
        r'<button class="btn" type="button" disabled title="[^"]*may not run', page(house, f"/tasks/{failed}")
    )
    assert house.post(f"/tasks/{running}/cancel", {}).status_code == 403
    assert house.post(f"/tasks/{failed}/retry", {}).status_code == 403
    assert 'data-action="cancel"' in page(house, f"/tasks/{running}", "ada")
    assert 'data-action="retry"' in page(house, f"/tasks/{failed}", "ada")


def test_a_day_that_is_used_up_is_said_on_the_form_before_it_is_filled_in(house: House) -> None:
    limit(house, "ben", tasks_per_day=1)
    assert "disabled" not in page(house, f"/start/{KIND}").split("data-submit")[1][:40]
    form = {
        "form": "1",
        "p.mode": "fast",
        "p.language": "any",
        "p.tries": "3",
        "p.look_for": "reads",
        "p.folder": "/srv",
    }
    assert house.post(f"/start/{KIND}", form).status_code == 303
    text = page(house, f"/start/{KIND}")
    assert "Your limit is 1 task a day" in text
    assert re.search(r"data-submit disabled title=\"Your limit", text)
    late = house.post(f"/start/{KIND}", form | {"p.folder": "/srv/typed"})
    assert late.status_code == 429
    assert "/srv/typed" in late.text, "nothing typed is lost"


def test_priorities_beyond_the_limit_cannot_be_chosen_on_any_form(house: House) -> None:
    limit(house, "ben", highest_priority="low")
    for path in (f"/start/{KIND}", f"/schedules/new/{KIND}"):
        text = page(house, path)
        assert "An admin has set that you may use only low." in text
        found = dict(re.findall(r'name="priority" value="(\w+)"([^>]*)>', text))
        assert {name for name, rest in found.items() if "disabled" in rest} == {"urgent", "high", "normal"}
        assert "checked" in found["low"]
    refused = house.post(f"/start/{KIND}", {"form": "1", "priority": "urgent", "p.folder": "/srv"})
    assert refused.status_code == 403
    assert "up to the priority low, not urgent" in refused.text
