"""Whatever fails, and in whatever order: in the end every watcher, every page and the API say what SQL says.

TASKROOM_STEPS sets how long the campaign is (`make campaign` takes thousands), TASKROOM_SEED repeats its choices.
"""

from __future__ import annotations

import os
import random
import re
import secrets

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import sign_in
from tests.faults.campaign import Campaign, Watcher, explain, small_disk
from tests.fixtures.runs import SAMPLES

STEPS = int(os.environ.get("TASKROOM_STEPS", "15"))
ROUND = 120

pytestmark = [
    pytest.mark.slow,
    pytest.mark.req("E8", "A3", "A4", "A5", "C5"),
    pytest.mark.timeout(60 + 4 * STEPS + 300),
]


def test_after_a_campaign_of_faults_every_page_says_what_the_database_says(
    make_server,
    redis_server,
    make_context,
    tmp_path,
):
    seed = int(os.environ.get("TASKROOM_SEED", secrets.randbelow(10**6)))
    settings = SAMPLES | {"REDIS_URL": redis_server.url, "LEASE_SECONDS": "4", "MAX_USER_TASKS": "1000"}
    server = make_server(settings, start=False)
    with small_disk(server.data_dir) as can_fill:
        server.start()
        campaign = Campaign(server, redis_server, server.person(), tmp_path, random.Random(seed), can_fill)
        watchers = [Watcher(campaign, f"{seed} {number}") for number in range(3)]
        context = make_context()
        sign_in(context, server, campaign.person)
        for watcher in watchers:
            watcher.start()
        try:
            while campaign.steps < STEPS:
                campaign.start()
                task_id = campaign.tasks[-1]
                page = context.new_page()
                page.goto(f"{server.url}/tasks/{task_id}")
                for _ in range(min(ROUND, STEPS - campaign.steps)):
                    campaign.step()
                campaign.settle()
                faults = list(campaign.faults(watchers))
                assert not faults, f"{explain(campaign, watchers, seed)}: {len(faults)}, such as {faults[:5]}"
                state = campaign.state_of(task_id)
                expect(page.locator("[data-badge-word]").first).to_have_text(
                    re.compile(state, re.IGNORECASE), timeout=30_000
                )
                page.close()
                print(explain(campaign, watchers, seed))
        finally:
            for watcher in watchers:
                watcher.end()
        assert server.stop() == 0
