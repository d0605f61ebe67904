"""What the terminal shows while a run goes on: a live table, or plain lines where it is no TTY."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from csstream.contracts.records import Alert, DeadLetter, ExposureReport
from csstream.run.progress import Lag
from csstream.run.supervisor import ProcessState
from csstream.run.tally import Tally
from csstream.subscriber.text import folded_snr

PLAIN_INTERVAL = 5.0  # [s] between two plain lines
STYLES = {"transit": "cyan", "eclipsing": "magenta", "pulsating": "green", "none": "dim"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All that the view shows at one moment."""

    phase: str  # what the run is doing, in a few words
    total: int | None  # frames expected; None: not known
    tally: Tally
    lags: Mapping[str, Lag]
    processes: Sequence[ProcessState]


@dataclass
class Pace:
    """Frames per second, from the last moments."""

    clock: Callable[[], float] = time.monotonic
    _seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=60))

    def note(self, processed: int) -> None:
        if processed and (not self._seen or self._seen[-1][1] != processed):
            self._seen.append((self.clock(), processed))

    def rate(self) -> float:
        """Return frames per second; 0 while it is not known."""
        if len(self._seen) < 2:
            return 0.0
        (first_time, first), (last_time, last) = self._seen[0], self._seen[-1]
        return (last - first) / max(last_time - first_time, 1e-6)

    def time_left(self, total: int | None) -> float | None:
        """Return the seconds until ``total`` frames are processed, or None."""
        rate = self.rate()
        if total is None or rate <= 0:
            return None
        return max(0.0, (total - self._seen[-1][1]) / rate)


def alert_line(alert: Alert) -> Text:
    """Return one line about an alert: class, period, S/N, where, and why it was sent."""
    snr = folded_snr(alert)
    period = f"P = {alert.period:.6g} d" if math.isfinite(alert.period) else "no period yet"
    probability = alert.probabilities.get(alert.kind, math.nan)
    line = Text("ALERT ", style="bold yellow")
    line.append(f"{alert.kind:<10}", style=STYLES.get(alert.kind, ""))
    line.append(
        f"{period:<18} S/N {snr:6.1f}  p {probability:.2f}  {alert.band} {alert.mag:6.2f}  "
    )
    line.append(f"ra {alert.ra:.5f} dec {alert.dec:+.5f}  ")
    line.append(f"{alert.reason.replace('_', ' ')} at frame {alert.visit}", style="dim")
    return line


def news_line(record: object) -> Text | None:
    """Return what the run prints about a new record; None for those that are only counted."""
    if isinstance(record, Alert):
        return alert_line(record)
    if isinstance(record, DeadLetter):
        text = f"DEAD LETTER {record.stage}: {record.reason}: {record.error}"
        return Text(text, style="bold red")
    if isinstance(record, ExposureReport) and record.status == "given_up":
        return Text(f"GIVEN UP {record.exposure_id}: {record.reason}", style="red")
    return None


def clock_text(seconds: float | None) -> str:
    """Return ``m:ss``, or a dash where the time is not known."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def lag_text(lags: Mapping[str, Lag]) -> str:
    """Return the lag of each service, short."""
    if not lags:
        return "–"
    return "  ".join(f"{g.rpartition('csstream-')[2]} {lag.behind}" for g, lag in lags.items())


class LiveView:
    """A table that is drawn over, with alerts as lines above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pace = Pace()
        self._began = time.monotonic()
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(Text(text))

    def news(self, records: Sequence[object]) -> None:
        """Print a line for each alert, dead letter and frame that was given up."""
        for record in records:
            line = news_line(record)
            if line is not None:
                self._console.print(line)

    def show(self, picture: Picture) -> None:
        """Draw the table anew."""
        self._pace.note(picture.tally.processed)
        self._live.update(self._render(picture))

    def _render(self, picture: Picture) -> RenderableType:
        tally = picture.tally
        left = self._pace.time_left(picture.total)
        table = Table.grid(padding=(0, 3))
        for _ in range(6):
            table.add_column()
        table.add_row(
            *_cell("frames", f"{tally.processed} of {picture.total or '?'}"),
            *_cell("stars measured", f"{tally.sources:,}"),
            *_cell("elapsed", clock_text(time.monotonic() - self._began)),
        )
        table.add_row(
            *_cell("curves", f"{tally.objects:,}"),
            *_cell("examinations", f"{tally.examinations:,}"),
            *_cell("left, about", clock_text(left)),
        )
        table.add_row(
            *_cell("alerts", str(len(tally.alerts))),
            *_cell("dead letters", str(len(tally.dead_letters))),
            *_cell("restarts", str(sum(p.restarts for p in picture.processes))),
        )
        bar = ProgressBar(total=picture.total, completed=tally.processed, width=60)
        lag = Text.assemble(("lag  ", "dim"), lag_text(picture.lags))
        phase = Text(picture.phase, style="bold")
        return Group(phase, Padding(bar, (0, 0, 1, 0)), table, lag, _trouble(picture))


class PlainView:
    """Lines for logs and pipes: one every few seconds, and one for each alert."""

    def __init__(self, console: Console, interval: float = PLAIN_INTERVAL) -> None:
        self._console = console
        self._interval = interval
        self._pace = Pace()
        self._last = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text), soft_wrap=True)

    def news(self, records: Sequence[object]) -> None:
        """Print a line for each alert, dead letter and frame that was given up."""
        for record in records:
            line = news_line(record)
            if line is not None:
                self._console.print(line, soft_wrap=True)

    def show(self, picture: Picture) -> None:
        """Print where the run stands, when the last line is some seconds old."""
        self._pace.note(picture.tally.processed)
        now = time.monotonic()
        if now - self._last >= self._interval:
            self._last = now
            self.say(plain_line(picture, self._pace.time_left(picture.total)))


def plain_line(picture: Picture, left: float | None) -> str:
    """Return the state of the run in one line."""
    tally = picture.tally
    parts = [
        picture.phase,
        f"frames {tally.processed}/{picture.total or '?'}",
        f"stars {tally.sources}",
        f"curves {tally.objects}",
        f"examinations {tally.examinations}",
        f"alerts {len(tally.alerts)}",
        f"lag {lag_text(picture.lags)}",
        f"left {clock_text(left)}",
    ]
    restarts = sum(p.restarts for p in picture.processes)
    if restarts:
        parts.append(f"restarts {restarts}")
    if tally.dead_letters:
        parts.append(f"dead letters {len(tally.dead_letters)}")
    return " | ".join(parts)


def make_view(console: Console, *, live: bool) -> LiveView | PlainView:
    """Return the live table on a terminal, else plain lines."""
    return LiveView(console) if live and console.is_terminal else PlainView(console)


def _cell(label: str, value: str) -> tuple[Text, Text]:
    return Text(label, style="dim"), Text(value, style="bold")


def _trouble(picture: Picture) -> Text:
    down = [p for p in picture.processes if p.status in ("waiting", "failed")]
    text = "   ".join(f"{p.name} is down (exit code {p.exit_code}, log {p.log})" for p in down)
    return Text(text, style="red")
