"""The write loop around the fold, and what can befall a process. Every step is one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from connector.core.failure import Failure, Kind
from connector.core.identity import LinkId
from connector.core.link import Act, Todo, outputs
from connector.core.link_events import Applied, Asked, Found, LinkEvent, Rejected, Started, Unknown
from connector.core.link_explain import explained
from connector.core.link_state import REPEAT_WITHIN, Life, Link
from connector.core.records import Side
from tests.unit.fold_shells import AGAIN, SF, XERO, Job, Rule, Shells, mark, text, value_of
from tests.unit.fold_world import Reply, Request, Snapshot

DEADLINE = timedelta(seconds=60)

__all__ = ["AGAIN", "SF", "XERO", "Driver", "Job", "Rule", "mark", "text", "value_of"]


@dataclass(slots=True)
class Driver(Shells):
    """Reads, plan and settle with a write loop."""

    # --- write -----------------------------------------------------------------------------------------------------

    def ready(self) -> list[tuple[Link, Todo]]:
        """What the write loop may take: nothing before settle has processed what was there at the take-over."""
        if self.done < self.caught_up:
            return []
        return [
            (link, task)
            for link in self.links.values()
            if link.id not in self.busy
            and link.id not in self.jobs
            and (task := outputs(link, self.mapping(link.id).rules).todo) is not None
            and (task.not_before is None or task.not_before <= self.world.now)
            and self._alone(link, task)
        ]

    def _alone(self, link: Link, task: Todo) -> bool:
        """What is found might be what is being born: look-ups and births of a two-way mapping wait for each other,
        and nothing is born of an object that is an end of another link by now."""
        if not self.mapping(link.id).rules.two_way or task.act not in (Act.LOOK, Act.CREATE):
            return True
        same = [other for other in self.links.values() if other.id.mapping == link.id.mapping]
        if task.act is Act.LOOK:
            started = {job.link for job in self.jobs.values()}
            return not any(other.life is Life.NEW and (other.attempt or other.id in started) for other in same)
        looking = any(other.id in self.busy and other.life is Life.NEW and not other.looked for other in same)
        return not looking and self.link_of(self.mapping(link.id), link.id.side, link.id.source) in (None, link.id)

    def begin(self, link: Link, task: Todo) -> None:
        mapping = self.mapping(link.id)
        self.busy[link.id] = 1 << 40
        if task.act is Act.LOOK:
            self.answers.append((link.id, self._look(link, mapping, task)))
        elif task.act is Act.PROBE:
            self.answers.append((link.id, self._probe(link, mapping, task)))
        else:
            self.jobs[link.id] = self._job(link, mapping, task)

    def _job(self, link: Link, mapping: Rule, task: Todo) -> Job:
        self.calls += 1
        changes = {path: value_of(spelling) if spelling else None for path, spelling in task.changed.items()}
        careful = not mapping.rules.two_way and mapping.rules.conflict == "ask"
        request = Request(
            f"call-{self.calls}",
            task.act.value,
            task.side.value,
            mapping.kinds[task.side],
            task.target,
            mark(link.id),
            changes,
            self.world.now + DEADLINE,
            mapping.unique,
            careful,
            self.shown.get((link.id, task.side), -1),
            link.id.source,
        )
        job = Job(link.id, request, mapping, dict(task.changed))
        self.bodies[request.call] = job
        return job

    def _look(self, link: Link, mapping: Rule, task: Todo) -> Found:
        if mapping.rules.two_way:
            name = value_of(link.seen(link.id.side)["Name"])
            shots = self.world.find(task.side.value, mapping.kinds[task.side], name=name)
            policy = "link"
        else:
            shots = [
                s for s in self.world.find(task.side.value, mapping.kinds[task.side], mark=mark(link.id)) if not s.gone
            ]
            policy = mapping.rules.matched
        free = [shot for shot in shots if self.link_of(mapping, task.side, shot.id) is None]
        hits = tuple(shot.id for shot in free)
        if len(free) != 1:
            return Found(task.side, hits, self.world.now, policy)
        return self._shot(mapping, task.side, free[0], Found(task.side, hits, self.world.now, policy))

    def _probe(self, link: Link, mapping: Rule, task: Todo) -> Found:
        assert link.attempt is not None
        kind = mapping.kinds[task.side]
        shots = (
            self.world.find(task.side.value, kind, mark=mark(link.id))
            if not task.target
            else [shot for shot in [self.world.read(task.side.value, task.target)] if shot is not None]
        )
        found = Found(task.side, tuple(shot.id for shot in shots), self.world.now, call=task.call)
        if len(shots) != 1:
            return found
        found = self._shot(mapping, task.side, shots[0], found)
        equal = all(explained(sent, found.flat.get(path, "")) for path, sent in link.attempt.sent.items())
        return replace(found, ours=equal or not mapping.find)

    def _shot(self, mapping: Rule, side: Side, shot: Snapshot, found: Found) -> Found:
        version = self.number()
        self.ticks[side, version] = shot.tick
        status = "gone" if shot.gone else shot.status
        return replace(found, version=version, stamp=shot.stamp, flat=mapping.project(shot.fields), status=status)

    def report(self, index: int) -> None:
        link_id, event = self.answers.pop(index)
        self.busy[link_id] = self.append(link_id, event)

    def announce(self, job: Job) -> None:
        """Before each send, the first and every repeat."""
        now = self.world.now
        if job.first_sent is not None and now - job.first_sent > REPEAT_WITHIN - DEADLINE:
            self._close(job, Unknown(job.request.call, "no answer", now))
            return
        job.request = replace(job.request, deadline=now + DEADLINE)
        job.first_sent = job.first_sent or now
        job.announced = True
        epoch = self.epoch if self.epochs else 0
        side = Side(job.request.side)
        self.append(
            job.link, Started(job.request.call, side, job.request.act, job.sent, now, job.request.deadline, epoch)
        )

    def send(self, job: Job, fate: str) -> None:
        """``fate``: ok | lost (before the commit) | mute (after it) | air (it may arrive later) | throttled."""
        job.announced = False
        job.sends += 1
        if self.world.now > job.request.deadline:
            self._unanswered(job)
            return
        if fate == "throttled":
            wait = Failure("http.429", Kind.RETRY, "Too many requests.", retry_after=3)
            self._close(job, Rejected(job.request.call, wait, self.world.now, element=False), job.sends > 1)
            return
        if fate == "lost":
            self._unanswered(job)
            return
        if fate == "air":
            self.flying.append(job.request)
            self._unanswered(job)
            return
        reply = self.commit(job.request)
        if fate == "mute":
            self._unanswered(job)
        else:
            self._answered(job, reply)

    def commit(self, request: Request) -> Reply:
        reply = self.world.send(request)
        if reply.id:
            self.hints.append((Side(request.side), reply.id))
        return reply

    def _answered(self, job: Job, reply: Reply) -> None:
        call, now = job.request.call, self.world.now
        if reply.refused:
            kind = Kind.RESOLVE if reply.refused == "taken" else Kind.FIX
            self._close(job, Rejected(call, Failure(f"side.{reply.refused}", kind, "Refused."), now))
            return
        version = self.number()
        self.ticks[Side(job.request.side), version] = reply.tick
        flat = None if reply.fields is None else job.mapping.project(reply.fields)
        self._close(job, Applied(call, reply.id, version, reply.stamp, flat, reply.status))

    def _unanswered(self, job: Job) -> None:
        if job.sends > 2:
            self._close(job, Unknown(job.request.call, "no answer", self.world.now))

    def _close(self, job: Job, event: LinkEvent, uncertain: bool = False) -> None:
        self.busy[job.link] = self.append(job.link, event)
        del self.jobs[job.link]
        if uncertain:
            self.busy[job.link] = self.append(job.link, Unknown(job.request.call, "no answer", self.world.now))

    def land(self, index: int) -> None:
        """A request that nobody heard of any more arrives, or is too late."""
        request = self.flying.pop(index)
        if self.world.now <= request.deadline:
            self.commit(request)

    # --- time and trouble ------------------------------------------------------------------------------------------

    def overdue(self) -> list[LinkId]:
        return [
            link.id
            for link in self.links.values()
            if (due := outputs(link, self.mapping(link.id).rules).due) is not None and due <= self.world.now
        ]

    def crash(self, back: int, zombies: bool) -> None:
        """The process dies. What it had announced may still leave, until its deadline; a new owner fences, reads the
        end of the log, and starts nothing before all of that is folded."""
        if zombies:
            self.flying.extend(job.request for job in self.jobs.values() if job.announced)
        self.jobs, self.busy, self.answers, self.air = {}, {}, [], []
        self.epoch += 1
        self.ordinal = 0
        self.caught_up = len(self.log)
        self.done = max(0, self.done - back)

    def late_announcement(self, link: Link, task: Todo) -> None:
        """The old owner wakes up and announces, after the fence: it cannot send."""
        job = self._job(link, self.mapping(link.id), task)
        now = self.world.now
        started = Started(job.request.call, task.side, task.act.value, job.sent, now, now + DEADLINE, self.epoch - 1)
        self.append(link.id, started)

    def resume(self, link: Link) -> None:
        """Until four minutes after the first send the same bytes may go again under the same key."""
        attempt = link.attempt
        assert attempt is not None
        job = self.bodies[attempt.call]
        job.sends, job.announced, job.first_sent = 2, False, attempt.first_sent
        self.busy[link.id], self.jobs[link.id] = 1 << 40, job

    def doubt(self, link: Link, side: Side) -> None:
        self.append(link.id, Asked(side))
