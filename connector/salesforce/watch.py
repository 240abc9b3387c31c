"""What must be true of a stream that looks healthy. A set of facts in, alarms with their repairs out. Pure.

Salesforce documents that CometD subscribers may hear nothing for hours while all looks well (KB 005321562), and other
clients stayed silent for weeks after a position had aged out. So the stream is never believed by its socket alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from connector.salesforce.day import Day, Purpose
from connector.salesforce.position import RESTING, StreamPosition

SILENCE = timedelta(seconds=130)  # a poll is answered after 110 s at the latest
LOW, SPENT = 0.10, 0.05  # parts of the day's delivery allocation that are left
SAME = timedelta(seconds=2)  # an event's commit time may differ from the record's stamp by a second


class Repair(StrEnum):
    """What is done about an alarm without a person."""

    NONE = "none"
    RECONNECT = "reconnect"  # a fresh stream from the stored position
    ASK = "ask"  # the records are read, whatever the stream says
    POLL = "poll"  # the stream rests, its objects are polled


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is not as it should be. ``red`` makes readiness fail."""

    code: str
    message: str
    red: bool
    repairs: frozenset[Repair] = frozenset()


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known of a stream. ``silent`` is the time since the last answered poll, None while not connected.

    ``unheard`` counts the changes of each object that were asked and never heard; ``deaf`` are those of them whose
    stream brought nothing newer either. ``deliveries`` are events left and the allocation of 24 hours.
    """

    silent: timedelta | None
    wanted: frozenset[str] = frozenset()
    subscribed: frozenset[str] = frozenset()
    positions: Mapping[str, StreamPosition] = field(default_factory=dict)
    unheard: Mapping[str, int] = field(default_factory=dict)
    deaf: frozenset[str] = frozenset()
    deliveries: tuple[int, int] | None = None


def alarms(pulse: Pulse, now: datetime) -> tuple[Alarm, ...]:
    """Everything that is wrong, the worst first."""
    found = [*_connection(pulse), *_subscriptions(pulse), *_unheard(pulse), *_old(pulse, now), *_deliveries(pulse)]
    return tuple(sorted(found, key=lambda alarm: not alarm.red))


def _connection(pulse: Pulse) -> Iterable[Alarm]:
    if pulse.silent is None:
        yield Alarm("salesforce.watch-disconnected", "the stream is not connected", red=True)
    elif pulse.silent > SILENCE:
        message = f"the stream has not answered for {pulse.silent.total_seconds():.0f} s"
        yield Alarm("salesforce.watch-silent", message, red=True, repairs=frozenset({Repair.RECONNECT}))


def _subscriptions(pulse: Pulse) -> Iterable[Alarm]:
    missing = pulse.wanted - pulse.subscribed
    if pulse.silent is not None and missing:
        message = f"not subscribed to {', '.join(sorted(missing))}"
        yield Alarm("salesforce.watch-unsubscribed", message, red=True, repairs=frozenset({Repair.RECONNECT}))


def _unheard(pulse: Pulse) -> Iterable[Alarm]:
    for entity, number in sorted(pulse.unheard.items()):
        if number:
            repairs = {Repair.ASK, Repair.RECONNECT} if entity in pulse.deaf else {Repair.ASK}
            message = f"{number} changes of {entity} were not heard of; they are read now"
            yield Alarm("salesforce.watch-unheard", message, red=True, repairs=frozenset(repairs))


def _old(pulse: Pulse, now: datetime) -> Iterable[Alarm]:
    for channel, position in sorted(pulse.positions.items()):
        if position.at is not None and now - position.at > RESTING:
            hours = (now - position.at).total_seconds() / 3600
            message = f"the position of {channel} is {hours:.0f} hours old; Salesforce keeps 72"
            yield Alarm("salesforce.watch-position", message, red=True)


def _deliveries(pulse: Pulse) -> Iterable[Alarm]:
    if pulse.deliveries is None:
        return
    left, most = pulse.deliveries
    if most and left <= most * LOW:
        spent = left <= most * SPENT
        message = f"{left} of {most} event deliveries are left for these 24 hours"
        repairs = frozenset({Repair.POLL}) if spent else frozenset[Repair]()
        yield Alarm("salesforce.watch-deliveries", message, red=False, repairs=repairs)


def calls_left(day: Day, now: datetime) -> Iterable[Alarm]:
    """What is not called for now, as the org's API calls run out. That audits rest alone disturbs nobody."""
    at = int(now.timestamp() * 1000)
    resting, left = day.resting(at), f"{day.left} of {day.limit} API calls of 24 hours are left"
    if day.limit is not None and day.left <= day.floor(Purpose.WRITE):
        yield Alarm("salesforce.day-spent", f"{left}: nothing is called", red=True)
    elif at < day.refused_until:
        seconds = (day.refused_until - at) // 1000
        yield Alarm("salesforce.calls-refused", f"Salesforce refuses all calls; tried again in {seconds} s", red=True)
    elif resting:
        rests = ", ".join(resting)
        yield Alarm("salesforce.day-low", f"{left}: these rest: {rests}", red=resting != (Purpose.AUDIT,))


@dataclass(slots=True)
class Ear:
    """Which changes the stream brought: the newest commit time of each record, and of each object."""

    records: dict[tuple[str, str], datetime] = field(default_factory=dict)
    objects: dict[str, datetime] = field(default_factory=dict)
    whole: dict[str, datetime] = field(default_factory=dict)

    def heard(self, entity: str, ids: Iterable[str], committed: datetime) -> None:
        """An event came. Without ids it speaks of the whole object."""
        known = tuple(ids)
        if not known:
            self.whole[entity] = max(committed, self.whole.get(entity, committed))
        for one in known:
            self.records[entity, one] = max(committed, self.records.get((entity, one), committed))
        self.objects[entity] = max(committed, self.objects.get(entity, committed))

    def missed(self, entity: str, record_id: str, at: datetime) -> bool:
        """Whether a change at a time may be one that was neither heard itself nor followed by one of the same record.

        Stamps count in seconds: of two changes in one second the second may have been kept from us, so what was heard
        in the same second is a doubt. ``surely`` leaves a doubt of two seconds: a doubt is read, and is no alarm.
        """
        newest = self._newest(entity, record_id)
        return newest is None or newest.replace(microsecond=0) <= at

    def surely(self, entity: str, record_id: str, at: datetime) -> bool:
        newest = self._newest(entity, record_id)
        return newest is None or newest < at - SAME

    def _newest(self, entity: str, record_id: str) -> datetime | None:
        heard = (self.records.get((entity, record_id)), self.whole.get(entity))
        return max((at for at in heard if at is not None), default=None)

    def deaf(self, entity: str, at: datetime) -> bool:
        """Whether nothing of the object has been heard since a time."""
        newest = self.objects.get(entity)
        return newest is None or newest < at - SAME

    def forget(self, before: datetime) -> None:
        """Drop what is older than anything that will be asked about."""
        self.records = {key: at for key, at in self.records.items() if at >= before}
