"""The stage of a rehearsal: the real engine, a store and a clock, on which the player plays one visit after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tracker.decisions.decision import Decision, Shown
from tracker.decisions.engine import Engine
from tracker.decisions.rehearsal.example import ExampleVisit
from tracker.decisions.rehearsal.moments import MOMENTS, Moments
from tracker.decisions.rehearsal.player import Drawn, HandClock, Player, Popup
from tracker.decisions.shop.shop import Shop
from tracker.decisions.visit.signals import Why
from tracker.sessions.merge import SessionLimits, merge
from tracker.sessions.model import Report, ShopperSession
from tracker.sessions.store import SessionStore

_LIMITS: Final = SessionLimits(events=5_000, pages=200, event_bytes=2 << 20)


@dataclass(frozen=True, slots=True)
class FixedShop:
    """A ShopSource for one state of the owner's file."""

    shop: Shop

    def current(self) -> Shop:
        return self.shop


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One question of the script's, and the decision that came back."""

    at_s: float
    why: Why
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of one visit."""

    visit: ExampleVisit
    session: str
    """The id under which the visit stands in the store."""
    drawn: tuple[Drawn, ...]
    answers: tuple[Answered, ...]

    @property
    def asked(self) -> int:
        """The number of questions."""
        return len(self.answers)


class Stage:
    """Plays visits through an engine. All begin at the same moment, so that each is always played the same."""

    def __init__(self, store: SessionStore, engine: Engine, clock: HandClock, moments: Moments = MOMENTS) -> None:
        """`engine` decides about the sessions of `store`, by `clock`."""
        self._store = store
        self._engine = engine
        self._clock = clock
        self._moments = moments
        self._begin_ms = clock.now_ms
        self._number = 0

    def play(self, visit: ExampleVisit) -> Played:
        """Play one visit from its beginning to its end."""
        self._number += 1
        self._clock.now_ms = self._begin_ms
        answers: list[Answered] = []

        def ask(session: str, why: Why) -> Popup | None:
            decision = self._engine.advise(session, why=why)
            at_s = (self._clock.now_ms - self._begin_ms) / 1000
            answers.append(Answered(at_s=at_s, why=why, decision=decision))
            if not isinstance(decision, Shown):
                return None
            language = decision.language
            return Popup(message_id=decision.message.id, language=language, delay_ms=decision.delay_ms)

        player = Player(
            visit=visit,
            session=f"rehearsal-{self._number:06}",
            clock=self._clock,
            send=self._send,
            ask=ask,
            moments=self._moments,
        )
        player.play()
        return Played(visit=visit, session=player.session, drawn=tuple(player.drawn), answers=tuple(answers))

    def _send(self, report: Report) -> None:
        now = self._clock.now_ms

        def merged(stored: ShopperSession | None) -> ShopperSession:
            return merge(stored, report.bounded(now), _LIMITS, now)

        self._store.update(report.session, merged)
