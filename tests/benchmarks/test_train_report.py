"""The table of benchmarks.train."""

from benchmarks.peers import SGEMM_GFLOP
from benchmarks.train_report import remarks, report_of, rows, sum_up

SECONDS = {"ours": [1.0, 2.0, 4.0], "keras": [2.0, 3.0, 16.0], "sgemm": [1.0, 1.0, 1.0]}


def results(**changed):
    found = sum_up("model2", 1000, SECONDS)
    peers = {name: {"notes": {}, "seconds": turns, "peak_memory_mb": 1234} for name, turns in SECONDS.items()}
    return {
        "date": "2026-01-01T00:00:00+00:00",
        "commit": "abc",
        "command": "python -m benchmarks.train",
        "machine": {"cpu": "a processor", "cores": 2, "memory_gb": 8.0},
        "versions": {"python": "3.11"},
        "busy_ok": False,
        "before": {"load_average": [0.1, 0.1, 0.1], "others_cpu": 0.01},
        "data": "cifar10",
        "repeats": 3,
        "left_out": {},
        "models": {"model2": {"images": 1000, "others_cpu": [0.01, 0.02, 0.0], "peers": peers, **found}},
        "costs": {},
        "goals": [{"what": "be fast", "found": "2.00", "reached": False}],
    } | changed


def test_ratios_are_taken_within_a_round_before_their_median() -> None:
    assert sum_up("model2", 1000, SECONDS)["faster_than"] == {"keras": {"median": 2.0, "min": 1.5, "max": 4.0}}


def test_rates_are_images_per_second() -> None:
    assert sum_up("model2", 1000, SECONDS)["images_per_second"]["ours"] == {
        "median": 500.0,
        "min": 250.0,
        "max": 1000.0,
    }


def test_the_share_of_sgemm_compares_the_arithmetic_of_training_with_what_the_machine_can_do() -> None:
    share = sum_up("model2", 1000, SECONDS)["share_of_sgemm"]["ours"]["max"]
    assert share == round(1000 * 0.1227 / SGEMM_GFLOP, 3)


def test_without_this_project_there_are_rates_and_no_ratios() -> None:
    assert "faster_than" not in sum_up("model1", 10, {"keras": [1.0]})


def test_the_table_has_a_line_for_each_network_and_peer_but_none_for_the_yardstick() -> None:
    assert [line[:2] for line in rows(results())] == [("model2", "this project"), ("model2", "Keras `fit`, TensorFlow")]
    assert "| 2.00 (1.50 - 4.00) | 1,234 |" in report_of(results()).markdown()


def test_the_table_says_which_peer_was_left_out_and_why() -> None:
    assert "NOT MEASURED: torch (not installed)" in remarks(results(left_out={"torch": "not installed"}))


def test_the_table_says_that_the_machine_was_busy() -> None:
    assert not any(line.startswith("BUSY") for line in remarks(results()))
    assert any(line.startswith("BUSY") for line in remarks(results(busy_ok=True)))


def test_what_was_to_be_reached_stands_under_the_table() -> None:
    assert "MISSED: be fast: 2.00" in remarks(results())
