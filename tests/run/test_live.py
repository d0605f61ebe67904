"""What the terminal shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from csstream.run.live import LiveView, Pace, Picture, PlainView, clock_text, make_view
from csstream.run.progress import Lag
from csstream.run.supervisor import ProcessState


def picture(made: Any, status: str = "running") -> Picture:
    state = ProcessState(
        name="detection",
        status=status,  # type: ignore[arg-type]
        pid=1,
        restarts=2,
        exit_code=1,
        log=Path("d.log"),
    )
    return Picture(
        phase="measuring",
        total=10,
        tally=made.tally(),
        lags={"csstream-detection": Lag(behind=4, end=9)},
        processes=[state],
    )


def console(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, no_color=True)


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_a_pipe_gets_plain_lines(made: Any) -> None:
    shown = console(False)
    view = make_view(shown, live=True)
    assert isinstance(view, PlainView)
    with view:
        view.show(picture(made))
        view.show(picture(made))  # too soon for another line
    line = text_of(shown)
    assert line.count("\n") == 1
    expected = ["measuring", "frames 3/10", "stars 200", "lag detection 4", "restarts 2"]
    assert all(part in line for part in [*expected, "dead letters 1"])


def test_a_terminal_gets_the_table(made: Any) -> None:
    shown = console(True)
    view = make_view(shown, live=True)
    assert isinstance(view, LiveView)
    with view:
        view.show(picture(made, "waiting"))
        view._live.refresh()
    text = text_of(shown)
    assert "3 of 10" in text
    assert "detection is down (exit code 1" in text


def test_live_can_be_turned_off() -> None:
    assert isinstance(make_view(console(True), live=False), PlainView)


def test_alerts_and_trouble_are_printed_and_the_rest_is_counted(made: Any) -> None:
    shown = console(False)
    view = PlainView(shown)
    news = [made.alert(), made.dead_letter(), made.report(2, "given_up"), made.report(1)]
    view.news(news)
    lines = text_of(shown).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("ALERT pulsating")
    assert "P = 0.7 d" in lines[0]
    assert "S/N   21.5" in lines[0]
    assert "DEAD LETTER detection: missing_file: <b>no</b> such file" in lines[1]
    assert "GIVEN UP s.1.2: corrupt_fits" in lines[2]


def test_an_alert_without_a_period_says_so(made: Any) -> None:
    shown = console(False)
    PlainView(shown).news([made.alert(period=float("nan"), reason="single_event")])
    assert "no period yet" in text_of(shown)


def test_time_left_follows_the_pace() -> None:
    moments = iter([0.0, 2.0, 4.0])
    pace = Pace(clock=lambda: next(moments))
    assert pace.time_left(10) is None
    for processed in (1, 1, 2, 3):
        pace.note(processed)
    assert pace.rate() == pytest.approx(0.5)
    assert pace.time_left(10) == pytest.approx(14.0)
    assert pace.time_left(None) is None


@pytest.mark.parametrize(("seconds", "text"), [(None, "–"), (5.4, "0:05"), (125.0, "2:05")])
def test_times_are_minutes_and_seconds(seconds: float | None, text: str) -> None:
    assert clock_text(seconds) == text
