"""The promise of the whole chain: whatever happens on the way, the same alerts byte for byte.

Every run has the same frames and processes of its own, on a broker of its own. A run that nothing
disturbs, on the embedded broker, is what the others are compared with: alert id -> bytes of the
alert, over all partitions, and the newest alert of every object.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from broken_inputs import REFUSED_FILES, Expected, break_directory, break_topics
from chain import FRAMES, Chain, ChainResult, make_frames, run_chain

from csstream.run.apache import ApacheBroker, why_no_apache
from csstream.run.feed import AHEAD
from csstream.run.programs import PUBLISHER, SERVICES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]
END_OF_SEQUENCE = FRAMES + 1  # its visit number
MANY_KILLS = 30


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_frames(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print a line of figures on the terminal, past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say_it(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n  {line}", flush=True)

    return say_it


@pytest.fixture(scope="module")
def undisturbed(frames, tmp_path_factory, say) -> ChainResult:
    result = run_chain(frames, tmp_path_factory.mktemp("undisturbed"))
    say(result.line("undisturbed, embedded"))
    return result


def check_the_same(result: ChainResult, undisturbed: ChainResult) -> None:
    measured = [r for r in result.reports.values() if r.status == "measured"]
    assert len(measured) == FRAMES
    assert result.same_alerts(undisturbed), result.differences(undisturbed)
    assert set(result.missing.values()) == {0}


def test_a_run_sends_alerts(undisturbed):
    """Without alerts in more than one partition the comparisons below would show nothing."""
    assert len(undisturbed.alerts) >= 5
    assert len({object_id[:6] for object_id in undisturbed.latest}) >= 2  # cells
    assert set(undisturbed.frontier.values()) == {END_OF_SEQUENCE}
    assert undisturbed.letters == []
    assert undisturbed.repeats == 0


@pytest.mark.apache
def test_apache_kafka_gives_the_same_alerts(undisturbed, frames, tmp_path, say):
    if reason := why_no_apache():
        pytest.skip(reason)
    result = run_chain(frames, tmp_path, kind=ApacheBroker)
    say(result.line("undisturbed, Apache Kafka"))
    check_the_same(result, undisturbed)
    assert result.letters == []


def test_killed_services_give_the_same_alerts(undisturbed, frames, tmp_path, say):
    moments = {
        PUBLISHER: lambda tally: tally.published >= 8,
        "detection": lambda tally: tally.processed >= 16,
        "lightcurves": lambda tally: tally.processed >= 31,  # panels are being cut
        "classifier": lambda tally: len(tally.alerts) >= 1,  # its verdict may be on the way
    }

    def kill_each_once(chain: Chain) -> None:
        for service, is_time in list(moments.items()):
            if is_time(chain.tally) and chain.kill(service):
                del moments[service]

    result = run_chain(frames, tmp_path, disturb=kill_each_once)
    say(result.line("each service killed"))
    assert moments == {}
    late = [kill for kill in result.kills if kill.alerts >= len(undisturbed.alerts)]
    assert late == []  # each was killed while there was still something to lose
    assert result.restarts == dict.fromkeys([*SERVICES, PUBLISHER], 1)
    assert result.letters == []
    check_the_same(result, undisturbed)


def test_broken_inputs_are_dead_lettered_and_change_nothing(undisturbed, frames, tmp_path, say):
    expected: list[Expected] = []

    def break_in_the_middle(chain: Chain) -> None:
        if chain.tally.processed >= FRAMES // 2 and not expected:
            expected.extend(break_topics(chain, frames[0], END_OF_SEQUENCE + 1))
            expected.extend(break_directory(chain, frames[0]))

    result = run_chain(frames, tmp_path, disturb=break_in_the_middle, refused=REFUSED_FILES)
    say(result.line("broken inputs"))
    say(f"dead letters: {dict(Counter(f'{e.stage} {e.reason}' for e in expected))}")
    check_letters(result, expected)
    check_the_same(result, undisturbed)
    extras = [each.exposure_id for each in expected if each.exposure_id]
    assert len(result.reports) == FRAMES + 1 + len(extras)
    assert {result.reports[name].status for name in extras} == {"given_up"}
    # the extras were closed in every partition, so nothing waits for them
    assert set(result.frontier.values()) == {END_OF_SEQUENCE + len(extras)}


def check_letters(result: ChainResult, expected: list[Expected]) -> None:
    """Each broken input has one letter, in its stage's topic, with its reason and its bytes."""
    letters = [letter for letter in result.letters if letter.stage != PUBLISHER]
    found = Counter((letter.stage, letter.reason, letter.value) for letter in letters)
    asked = Counter((e.stage, e.reason, e.value) for e in expected if not e.file)
    assert found == asked
    refused = [letter for letter in result.letters if letter.stage == PUBLISHER]
    files = {Path((letter.value or b"").decode()).name: letter.reason for letter in refused}
    assert files == {e.file: e.reason for e in expected if e.file}
    assert len(refused) == len(files)
    for letter in result.letters:
        assert len(letter.error) > 10


class RandomKills:
    """Kills spread over the run: each when so much is processed, of a service drawn by chance.

    A service is killed only when it is ready, with a frame on its way, up to a second after that
    set out. While a kill is due no second frame sets out: the publisher must not be done before
    the last kill.
    """

    def __init__(self, seed: int, count: int) -> None:
        self._rng = random.Random(seed)
        services = [*SERVICES, PUBLISHER] * (count // 4 + 1)
        self._rng.shuffle(services)
        moments = sorted(self._rng.uniform(0, FRAMES - 14) for _ in range(count))
        self.plan = list(zip(moments, services, strict=False))
        self._strike_at: float | None = None

    def __call__(self, chain: Chain) -> None:
        if not self.plan or chain.tally.processed < self.plan[0][0]:
            chain.feed.ahead = AHEAD
            return
        service = self.plan[0][1]
        alive = service == PUBLISHER or service in chain.ready
        chain.feed.ahead = 1 if alive else 0
        if not alive or chain.feed.moved <= chain.tally.processed:
            return
        if self._strike_at is None:
            self._strike_at = time.monotonic() + self._rng.uniform(0.0, 1.0)
        if time.monotonic() >= self._strike_at and chain.kill(service):
            self.plan.pop(0)
            self._strike_at = None


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1])
def test_many_random_kills_give_the_same_alerts(undisturbed, frames, tmp_path, say, seed):
    kills = RandomKills(seed, MANY_KILLS)
    result = run_chain(frames, tmp_path, disturb=kills, timeout=1500.0)
    say(result.line(f"{MANY_KILLS} random kills, seed {seed}"))
    counts = dict(Counter(kill.service for kill in result.kills))
    say(f"killed {counts}, restarts {result.restarts}")
    say(f"the same alerts: {result.same_alerts(undisturbed)}")
    assert kills.plan == []
    assert result.restarts == counts
    assert result.letters == []
    check_the_same(result, undisturbed)
