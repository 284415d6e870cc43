"""`/v1/collections`: create and remove collections, and write to them.

A write is answered when it is on disk. With the header `Accept: text/event-stream`, the response
streams progress as server-sent events: some `{"progress"}`, then `{"done"}` or `{"error"}`.
"""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import shutil
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from graphagg import errors
from graphagg.rag.documents.passages import TRAIL
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.serve.collections import Settings
from graphagg.serve.http.failures import INTERNAL, body_of, data_of, documented, envelope
from graphagg.serve.http.routes.indices import Limit, Text
from graphagg.serve.models import collections as models
from graphagg.serve.models.about import Info
from graphagg.serve.models.collections import CollectionName
from graphagg.serve.rights import CURRENT, check_writer
from graphagg.serve.service import Service
from graphagg.serve.writing import Change, Writer

_log = logging.getLogger("graphagg.serve")
PREFIX = "/v1/collections/{name}"
Start = Callable[..., Awaitable[Response]]
"""Starts a write, given the function that changes a collection and its further arguments."""
DocumentOrder = Literal["name", "modified", "size", "passages"]
_FILE_KEYS = ("path", "size", "modified")
_LONGEST_PATH, _LONGEST_PART = 1_000, 255
_FORBIDDEN = frozenset('\\:*?"<>|') | {chr(code) for code in range(32)}
_SHOWN_HERE = ("text/plain", "application/pdf", "image/png", "image/jpeg")
"""Media types that a browser may show inline; it downloads other files."""


def service_of_collection(writer: Writer) -> Callable[..., Any]:
    """Return a dependency that yields the service of the collection in the path."""

    async def lease(name: CollectionName) -> AsyncIterator[Service]:
        async with writer.collections.lease(name) as service:
            yield service

    return lease


def router(service: Service, writer: Writer) -> APIRouter:
    """Return the routes that manage collections and write to them."""
    routes = APIRouter(tags=["collections"], responses=documented(404, 409, 507))
    _add_collections(routes, service, writer)
    _add_writes(routes, writer)
    _add_files(routes, writer)
    _add_listing(routes, writer)
    return routes


def _add_collections(routes: APIRouter, main: Service, writer: Writer) -> None:
    """Add the routes that list, create and remove collections."""

    @routes.get("/v1/collections", response_model=models.CollectionList)
    async def collections() -> models.CollectionList:
        """List the collections."""
        items = [
            await run_in_threadpool(_item, writer, name) for name in writer.collections.names()
        ]
        return models.CollectionList(collections=items, may_write=CURRENT.get().role == "write")

    @routes.post("/v1/collections", response_model=models.CollectionItem, status_code=201)
    async def create(request: models.CollectionRequest) -> JSONResponse:
        """Create an empty collection."""
        check_writer()
        settings = Settings(request.profile, request.language)
        await run_in_threadpool(writer.collections.create, request.name, settings)
        return JSONResponse(models.CollectionItem(name=request.name).model_dump(), 201)

    @routes.delete(PREFIX, response_model=models.Removed)
    async def remove(name: CollectionName) -> models.Removed:
        """Remove a collection and everything in it."""
        check_writer()
        await writer.collections.remove(name)
        return models.Removed()

    @routes.get(PREFIX, response_model=Info)
    async def info(name: CollectionName) -> Info:
        """Show a collection: versions, sizes, modes, metadata keys; null for a missing index."""
        try:
            async with writer.collections.lease(name) as service:
                return Info.model_validate(await service.info())
        except errors.CollectionEmpty:
            return Info.model_validate(await main.info(()))


def _item(writer: Writer, name: str) -> models.CollectionItem:
    try:
        summary = writer.summary(name)
    except (errors.ArtifactError, OSError) as error:  # the others are listed as usual
        return models.CollectionItem(name=name, problem=type(error).__name__)
    if CURRENT.get().filter is not None:
        summary["passages"] = None
    return models.CollectionItem(name=name, **summary)


def _add_writes(routes: APIRouter, writer: Writer) -> None:
    """Add the routes that change passages."""
    starts = Depends(_starter(writer))

    @routes.post(f"{PREFIX}/passages", response_model=models.WriteAnswer)
    async def add(request: models.AddRequest, start: Start = starts) -> Response:
        """Add passages, all or none; with `replace`, existing ones are replaced."""
        items = map(vars, request.passages)
        rows = [{key: v for key, v in item.items() if v is not None} for item in items]
        return await start(writer.add, rows, request.replace)

    @routes.post(f"{PREFIX}/passages/delete", response_model=models.WriteAnswer)
    async def delete(request: models.DeleteRequest, start: Start = starts) -> Response:
        """Delete passages, all or none."""
        return await start(writer.delete, request.ids, request.ignore_missing)


def _add_files(routes: APIRouter, writer: Writer) -> None:
    """Add the routes of files."""
    starts = Depends(_starter(writer))

    @routes.post(f"{PREFIX}/files", response_model=models.WriteAnswer)
    async def upload(name: CollectionName, http: Request, start: Start = starts) -> Response:
        """Add files, as `multipart/form-data`; files with the same names are replaced."""
        check_writer()
        staged = await run_in_threadpool(writer.staging_folder, name)
        discard = partial(shutil.rmtree, staged, ignore_errors=True)
        try:
            limits = writer.limits
            async with http.form(max_files=limits.upload_files, max_fields=10) as form:
                files = [each for _, each in form.multi_items() if isinstance(each, UploadFile)]
                if not files:
                    raise errors.InvalidParameter("no file was sent; send multipart/form-data")
                await run_in_threadpool(_stage, staged, files)
        except BaseException:
            discard()
            raise
        return await start(writer.upload, staged, cleanup=discard)

    @routes.post(f"{PREFIX}/sync", response_model=models.WriteAnswer)
    async def sync(start: Start = starts) -> Response:
        """Update the index to match the collection's files; passages sent as JSON stay."""
        return await start(writer.sync)

    @routes.delete(f"{PREFIX}/files/{{path:path}}", response_model=models.WriteAnswer)
    async def delete(path: str, start: Start = starts) -> Response:
        """Delete a file of the collection and its passages."""
        return await start(writer.delete_file, "/".join(_path_below(path)))

    @routes.head(f"{PREFIX}/files/{{path:path}}", include_in_schema=False)
    @routes.get(f"{PREFIX}/files/{{path:path}}", response_class=Response)
    async def file(name: CollectionName, path: str) -> Response:
        """Get a file of the collection."""
        folder = await run_in_threadpool(writer.files, name)
        target = folder.joinpath(*_path_below(path))
        if not target.is_file() or not target.resolve().is_relative_to(folder.resolve()):
            raise errors.NoSuchIndex("there is no such file in this collection")
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        if kind.startswith("text/"):
            kind = "text/plain"  # markup is shown as plain text
        return FileResponse(
            target, media_type=kind, filename=target.name,
            content_disposition_type="inline" if kind in _SHOWN_HERE else "attachment",
            headers={"content-security-policy": "sandbox; default-src 'none'"},
        )  # fmt: skip


def _add_listing(routes: APIRouter, writer: Writer) -> None:
    """Add the list of documents."""

    @routes.get(f"{PREFIX}/documents", response_model=models.DocumentList)
    async def documents(
        name: CollectionName, search: Text = "", sort: DocumentOrder = "name",
        offset: Annotated[int, Query(ge=0)] = 0, limit: Limit = 50,
    ) -> JSONResponse:  # fmt: skip
        """List the documents whose name or title contains the words of `search`."""
        try:
            async with writer.collections.lease(name) as service:
                page = partial(list_documents, search=search, sort=sort, offset=offset, limit=limit)
                return JSONResponse(await service.passages.ask(page))
        except errors.CollectionEmpty:
            return JSONResponse({"documents": [], "total": 0})


def _starter(writer: Writer) -> Callable[..., Start]:
    """Return a dependency that starts a write to the collection in the path."""

    def starter(name: CollectionName, http: Request) -> Start:
        return partial(_write, writer, name, http.headers.get("accept", ""))

    return starter


async def _write(
    writer: Writer, name: str, accept: str, change: Change, *arguments: Any,
    cleanup: Callable[[], None] = lambda: None,
) -> Response:  # fmt: skip
    """Start a write; answer when it is done, or stream its progress."""
    check_writer()
    loop, events = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None]()

    def progress(stage: str, done: int, total: int) -> None:
        event = {"progress": {"stage": stage, "done": done, "total": total}}
        loop.call_soon_threadsafe(events.put_nowait, event)

    write = writer.write(name, partial(change, name, *arguments), progress, cleanup)
    if "text/event-stream" in accept:
        write.add_done_callback(lambda _: events.put_nowait(None))
        return StreamingResponse(_events(write, events), media_type="text/event-stream")
    return JSONResponse(await write)


async def _events(
    write: asyncio.Future[dict[str, Any]], events: asyncio.Queue[dict[str, Any] | None]
) -> AsyncIterator[bytes]:
    """Yield the progress of a write, then its outcome."""
    while (event := await events.get()) is not None:
        yield data_of(event)
    try:
        outcome = {"done": await write}
    except errors.GraphAggError as error:
        outcome = body_of(error)
    except Exception:
        _log.exception("a write failed")
        outcome = envelope("InternalError", INTERNAL)
    yield data_of(outcome)


def _stage(staged: Path, files: Sequence[UploadFile]) -> None:
    """Write uploaded files below a folder."""
    names: dict[str, str] = {}
    for each in files:
        names_below = _path_below(each.filename or "")
        path = "/".join(names_below)
        if names.setdefault(path.casefold(), path) != path or (staged / path).exists():
            raise errors.InvalidParameter(f"file {path!r} was sent twice, perhaps in another case")
        target = staged.joinpath(*names_below)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(each.file, file)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise errors.InvalidParameter(
                f"file {path!r}: another file has the name of its folder"
            ) from None


def _path_below(name: str) -> tuple[str, ...]:
    """Return the parts of a relative path; raises `InvalidParameter` if it leaves the folder."""
    path = unicodedata.normalize("NFC", name)
    folders = PurePosixPath(path).parts
    is_valid = folders and len(path.encode("utf-8", "replace")) <= _LONGEST_PATH and all(
        0 < len(each.encode("utf-8", "replace")) <= _LONGEST_PART
        and each[0] not in "./"
        and not _FORBIDDEN & set(each)
        and not any("\ud800" <= character <= "\udfff" for character in each)
        for each in folders
    )  # fmt: skip
    if not is_valid:
        raise errors.InvalidParameter(
            f"file name {ascii(name)[:120]}: expected a path below the folder without hidden parts"
        )
    return folders


def list_documents(
    snapshot: PassageSnapshot, search: str, sort: DocumentOrder, offset: int, limit: int
) -> dict[str, Any]:
    """Return a page of the visible documents whose name or title contains all words, sorted."""
    documents = snapshot.cached("documents", "", lambda: _documents(snapshot))
    words = search.casefold().split()
    matching = [each for each in documents if all(word in each["name"] for word in words)]
    if sort != "name":  # the largest or newest first; documents without a value last
        matching.sort(key=lambda each: (each[sort] is not None, each[sort] or 0))
        matching.reverse()
    page = [{key: each[key] for key in each if key != "name"} for each in matching]
    return {"documents": page[offset : offset + limit], "total": len(matching)}


def _documents(snapshot: PassageSnapshot) -> list[dict[str, Any]]:
    """List all documents by name. A file, or a passage without a document, is one document."""
    corpus, by_name = snapshot.corpus, dict[str, dict[str, Any]]()
    for identifier, rows in snapshot.documents().items():
        segment, inside = corpus.locate(rows[0])
        metadata = segment.passages.metadata_of(inside)
        path, size, modified = (metadata.get(key) for key in _FILE_KEYS)
        title = corpus.title(rows[0]).partition(TRAIL)[0]
        name = path if isinstance(path, str) else identifier
        first = {
            "id": identifier, "title": title, "passages": 0,
            "path": path if isinstance(path, str) else None,
            "size": size if isinstance(size, int) else None,
            "modified": modified if isinstance(modified, str) else None,
            "name": f"{name} {title}".casefold(),
        }  # fmt: skip
        by_name.setdefault(name, first)["passages"] += len(rows)
    return sorted(by_name.values(), key=itemgetter("name", "id"))
