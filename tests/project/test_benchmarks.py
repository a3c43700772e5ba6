"""The benchmarks measure what they claim to measure. These tests time nothing: `make bench` runs the benchmarks."""

import re

import pytest

from benchmarks import figures, limit, plots, scaling


@pytest.mark.parametrize("in_slices", [False, True])
def test_the_limit_is_made_of_the_systems_own_statements_with_every_parameter_bound(in_slices: bool) -> None:
    script = limit.script(["00000000-0000-4000-8000-000000000001"], in_slices=in_slices)
    assert "%(" not in script
    assert "FOR NO KEY UPDATE SKIP LOCKED" in script
    assert "SET status = 'completed'" in script


def test_a_ratio_is_the_median_of_pairs_and_its_interval_holds_them_all() -> None:
    ratio = figures.ratio_of("ours : theirs", [10, 80, 90, 100, 900], [100.0] * 5, wanted=0.95)
    assert (ratio.low, ratio.median, ratio.high) == (0.1, 0.9, 9.0)


@pytest.mark.parametrize(
    ("rates", "verdict"),
    [
        ([95, 96, 97], "met"),
        ([80, 96, 97], "met, within noise"),
        ([80, 90, 97], "missed, within noise"),
        ([80, 81, 82], "missed"),
    ],
)
def test_a_verdict_says_when_noise_could_have_made_it(rates: list[float], verdict: str) -> None:
    assert figures.ratio_of("ours : theirs", rates, [100.0] * 3, wanted=0.95).verdict == verdict


def test_pairs_are_measured_in_turns() -> None:
    order: list[str] = []

    def measured(name: str) -> float:
        order.append(name)
        return 1.0

    figures.compare("a : b", lambda: measured("a"), lambda: measured("b"), pairs=3)
    assert "".join(order) == "abbaab"


def test_a_plot_shows_every_ratio_and_escapes_its_name() -> None:
    plot = plots.ratios([("a < b", 0.5, 0.4, 0.6, 0.8), ("c", 143.0, 125.0, 160.0, None)])
    assert "a &lt; b" in plot
    assert plot.count("<circle") == 2


def test_bars_of_a_group_have_one_scale() -> None:
    plot = plots.bars([("rates", "records/s", [("slow", 50.0), ("fast", 100.0)])])
    widths = [float(width) for width in re.findall(r'<rect x="430" [^>]*width="([0-9.]+)"', plot)]
    assert widths == [190.0, 380.0]


@pytest.mark.parametrize("cores", [2, 8])
def test_the_prediction_never_exceeds_what_the_server_can_do(cores: int) -> None:
    most = cores / scaling.SERVER_MS_PER_BATCH * 1000 * scaling.BATCH_RECORDS
    rates = [scaling.predict(containers, cores, 0.0).records_per_second for containers in (1, 4, 16, 64)]
    assert rates == sorted(rates)
    assert rates[-1] <= most * (1 + 1e-9)
