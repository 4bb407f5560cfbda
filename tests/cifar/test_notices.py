from cifar.notices import progress, say


def test_a_notice_is_one_line_on_stderr(capsys):
    say("fetching")
    assert capsys.readouterr() == ("", "CIFAR-10: fetching\n")


def test_nothing_is_drawn_where_stderr_is_no_terminal(capsys, monkeypatch):
    monkeypatch.setattr("cifar.notices.PATIENCE", -1.0)
    with progress("a file", 100) as advance:
        advance(50)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_size_and_speed_once_it_takes_long(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    monkeypatch.setattr("cifar.notices.PATIENCE", -1.0)
    with progress("a file", 2_000_000) as advance:
        advance(1_000_000)
    assert "1.0/2.0 MB" in capsys.readouterr().err


def test_a_transfer_of_unknown_size_shows_the_time_that_has_passed(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("cifar.notices.PATIENCE", -1.0)
    with progress("a file", None) as advance:
        advance(0)
    assert "0:00:00" in capsys.readouterr().err


def test_a_terminal_gets_no_bar_for_what_is_over_at_once(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("a file", 100) as advance:
        advance(100)
    assert capsys.readouterr() == ("", "")
