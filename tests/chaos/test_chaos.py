"""The short form of the chaos run: nothing lost, nothing stuck, nothing committed twice."""

import pytest

from tests.chaos.faults import SHORT
from tests.chaos.run import ChaosRun
from tests.servers import reachable_directory

pytestmark = pytest.mark.long


@pytest.mark.timeout(300)
def test_nothing_is_lost_stuck_or_committed_twice_under_two_hundred_faults() -> None:
    with reachable_directory() as directory:
        run = ChaosRun(directory, SHORT, record_count=36_000, seconds=60, seed=20261123)
        report = run.execute(drain_bound_seconds=60)
    assert report.violations == {}, report
    assert report.fault_count >= 200
    assert report.record_count >= 30_000
