"""What may follow what in the life of a campaign."""

import json

import pytest

from fzalert.campaigns import Campaign, State, Step
from fzalert.campaigns.model import ENDED, after
from fzalert.errors import InputError
from fzalert.store import CampaignRow

MAY = {
    (State.READY, Step.START): State.RUNNING,
    (State.READY, Step.RESUME): State.RUNNING,
    (State.READY, Step.CANCEL): State.CANCELLED,
    (State.RUNNING, Step.START): State.RUNNING,
    (State.RUNNING, Step.RESUME): State.RUNNING,
    (State.RUNNING, Step.PAUSE): State.PAUSED,
    (State.RUNNING, Step.CANCEL): State.CANCELLED,
    (State.PAUSED, Step.START): State.RUNNING,
    (State.PAUSED, Step.RESUME): State.RUNNING,
    (State.PAUSED, Step.PAUSE): State.PAUSED,
    (State.PAUSED, Step.CANCEL): State.CANCELLED,
    (State.CANCELLED, Step.CANCEL): State.CANCELLED,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("step", Step)
def test_every_step_from_every_state(state: State, step: Step) -> None:
    goal = MAY.get((state, step))
    if goal is not None:
        assert after(state, step) is goal
        return
    with pytest.raises(InputError) as refused:
        after(state, step)
    assert refused.value.field == "action"
    assert ("Plan a new one" in refused.value.hint) is (state in ENDED)


def test_a_move_keeps_the_rest_and_writes_the_reason_through() -> None:
    document = {"not_before": 1, "not_after": 9, "name": "宣防"}
    row = CampaignRow(1, "a", 2, "running", 3, 4, 5, json.dumps(document).encode())
    moved = Campaign.stored(row).moved(State.PAUSED, reason="为什么")
    assert (moved.state, moved.row.cursor, moved.not_before, moved.not_after) == ("paused", 3, 1, 9)
    again = Campaign.stored(moved.row)
    assert again.document == {**document, "reason": "为什么"}
    assert again.fed(7).row.cursor == 7
