"""The short form of the chaos run: nothing lost, nothing stuck, nothing committed twice."""

import pytest

from tests.chaos.plans import SHORT
from tests.chaos.run import ChaosRun
from tests.support.servers import reachable_directory

pytestmark = [pytest.mark.alone, pytest.mark.long]


@pytest.mark.timeout(300)
def test_nothing_is_lost_stuck_or_committed_twice_under_two_hundred_faults() -> None:
    with reachable_directory() as directory:
        result = ChaosRun(directory, SHORT, seed=20261123).execute()
    assert result.violations == {}, result
    assert result.missed == {}, result
