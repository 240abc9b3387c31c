"""Bulk API 2.0 ingest: a job is created, filled, closed, worked on, and asked for its results."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.salesforce.ids import full_id, make_id
from connector.simulators.salesforce.rest import Rest, body_of, version
from connector.simulators.salesforce.schema import Entity
from connector.simulators.salesforce.store import Caller, Transaction
from connector.simulators.salesforce.values import Refusal
from connector.simulators.salesforce.wire import answer, refusal

OPERATIONS = frozenset({"insert", "update", "upsert", "delete"})
BATCH = 200  # rows of one transaction
NULL = "#N/A"
Row = dict[str, str]


@dataclass
class Job:
    """One ingest job. ``polls`` is how often it must be asked before it is done."""

    id: str
    entity: Entity
    operation: str
    key: str
    caller: Caller
    state: str = "Open"
    rows: list[Row] = field(default_factory=list)
    succeeded: list[Row] = field(default_factory=list)
    failed: list[Row] = field(default_factory=list)
    polls: int = 0


class Bulk:
    """The jobs of one org."""

    def __init__(self, rest: Rest) -> None:
        self.rest, self.org = rest, rest.org
        self.jobs: dict[str, Job] = {}

    async def create(self, request: Request) -> Response:
        body = await body_of(request)
        operation = str(body.get("operation"))
        if operation not in OPERATIONS or body.get("contentType", "CSV") != "CSV":
            raise Refusal("INVALIDJOB", "InvalidJob : operation or content type is not supported")
        entity = self.org.schema.find(str(body.get("object")))
        if entity is None or not self.org.permissions.sees_object(entity.name):
            raise Refusal("INVALIDENTITY", f"Entity '{body.get('object')}' is not supported by the Bulk API.")
        key = str(body.get("externalIdFieldName") or "Id")
        if operation == "upsert":
            self.rest.external_key(entity, key)
        origin = self.rest.caller(request)
        caller = Caller(origin.user, origin.origin.replace("/rest/", "/bulkapi/"))
        job = Job(make_id("750", len(self.jobs) + 1), entity, operation, key, caller)
        job.polls = self.org.settings.bulk_polls
        self.jobs[job.id] = job
        return answer(self._told(job, request))

    async def upload(self, request: Request) -> Response:
        job = self._job(request)
        if job.state != "Open":
            raise Refusal("INVALIDJOBSTATE", "Found multiple contents for job")
        text = (await request.body()).decode("utf-8")
        job.rows = [{str(k): str(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(text, newline=""))]
        return Response(status_code=201)

    async def close(self, request: Request) -> Response:
        job, body = self._job(request), await body_of(request)
        if body.get("state") not in ("UploadComplete", "Aborted"):
            raise Refusal("INVALIDJOBSTATE", "state is UploadComplete or Aborted")
        job.state = str(body["state"])
        if job.state == "UploadComplete":
            self._work(job)
        return answer(self._told(job, request))

    async def show(self, request: Request) -> Response:
        job = self._job(request)
        if job.state == "UploadComplete":
            job.polls -= 1
            if job.polls <= 0:
                job.state = "JobComplete"
        return answer(self._told(job, request))

    async def results(self, request: Request) -> Response:
        job, kind = self._job(request), request.path_params["kind"]
        rows = {"successfulResults": job.succeeded, "failedResults": job.failed, "unprocessedrecords": []}.get(kind)
        if rows is None or job.state != "JobComplete":
            return refusal(404, "NOT_FOUND", "The requested resource does not exist")
        head = {"successfulResults": ["sf__Id", "sf__Created"], "failedResults": ["sf__Id", "sf__Error"]}.get(kind, [])
        out = io.StringIO()
        columns = [*head, *(job.rows[0] if job.rows else ())]
        sheet = csv.DictWriter(out, columns, lineterminator="\n", quoting=csv.QUOTE_ALL)
        sheet.writeheader()
        sheet.writerows(reversed(rows))  # in no order that a client may rely upon
        return Response(out.getvalue(), media_type="text/csv")

    def _work(self, job: Job) -> None:
        """Each batch is one transaction, each row of it stands alone."""
        for at in range(0, len(job.rows), BATCH):
            tx = self.org.store.transaction(job.caller)
            for row in job.rows[at : at + BATCH]:
                savepoint = tx.savepoint()
                try:
                    record_id, created = self._row(tx, job, row)
                    job.succeeded.append({"sf__Id": record_id, "sf__Created": str(created).lower(), **row})
                except Refusal as wrong:
                    tx.rollback(savepoint)
                    told = f"{wrong.code}:{wrong.message}:{', '.join(wrong.fields)} --"
                    job.failed.append({"sf__Id": row.get("Id", ""), "sf__Error": told, **row})
            tx.commit()

    def _row(self, tx: Transaction, job: Job, row: Row) -> tuple[str, bool]:
        values: dict[str, Any] = {
            name: None if cell == NULL else cell for name, cell in row.items() if cell != "" and name != "Id"
        }
        if job.operation == "insert":
            return self.org.dml.insert(tx, job.entity, values), True
        if job.operation == "upsert":
            key = job.entity.fields[job.key]
            return self.org.dml.upsert(tx, job.entity, key, row.get(job.key), values)
        try:
            record_id = full_id(row.get("Id", ""))
        except ValueError:
            raise Refusal("MALFORMED_ID", f"malformed id {row.get('Id')}") from None
        if job.operation == "delete":
            self.org.dml.delete(tx, job.entity, record_id)
        else:
            self.org.dml.update(tx, job.entity, record_id, values)
        return record_id, False

    def _job(self, request: Request) -> Job:
        found = self.jobs.get(request.path_params["job"])
        if found is None:
            raise Refusal("NOT_FOUND", "The requested resource does not exist")
        return found

    def _told(self, job: Job, request: Request) -> Mapping[str, Any]:
        return {
            "id": job.id, "operation": job.operation, "object": job.entity.name, "state": job.state,
            "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA", "concurrencyMode": "Parallel",
            "apiVersion": float(version(request)), "jobType": "V2Ingest",
            "contentUrl": f"services/data/v{version(request)}/jobs/ingest/{job.id}/batches",
            "numberRecordsProcessed": len(job.succeeded) + len(job.failed) if job.state == "JobComplete" else 0,
            "numberRecordsFailed": len(job.failed) if job.state == "JobComplete" else 0,
        }  # fmt: skip
