"""The FastAPI application: routes, their documentation, and how errors are told."""

from functools import partial
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from stream_worker.ingest.gateway.documentation import DESCRIPTION, POST_DOCUMENTS, PROBLEM_TYPE, openapi
from stream_worker.ingest.gateway.intake import Intake
from stream_worker.ingest.gateway.outlet import Outlet


def gateway_app(intake: Intake, outlet: Outlet) -> FastAPI:
    """The routes. `/openapi.json` documents them; FastAPI's pages that show it would load scripts from elsewhere."""
    app = FastAPI(title="finsentry gateway", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(Exception, _failure)

    @app.post("/v1/documents", **POST_DOCUMENTS)
    async def post_documents(request: Request) -> Response:
        return await intake.post(request)

    @app.get("/livez", summary="Whether the process runs", include_in_schema=False)
    async def livez() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", summary="Whether documents can be taken", include_in_schema=False)
    async def readyz() -> Response:
        if not outlet.ready:
            return Response("Kafka does not answer.\n", HTTPStatus.SERVICE_UNAVAILABLE, media_type="text/plain")
        return Response("ok\n", media_type="text/plain")

    app.openapi = partial(openapi, app)  # type: ignore[method-assign]
    return app


def _problem(request: Request, error: Exception) -> Response:
    """RFC 9457: what went wrong with the request as a whole."""
    assert isinstance(error, HTTPException)
    return _problem_response(error.status_code, error.detail, dict(error.headers or {}))


def _failure(request: Request, error: Exception) -> Response:
    """An error of ours: uvicorn logs it; whoever asked learns no more than that."""
    return _problem_response(500, "The gateway failed; its log says why. Sending this again is harmless.", {})


def _problem_response(status: int, detail: str, headers: dict[str, str]) -> Response:
    problem = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(orjson.dumps(problem), status, headers, PROBLEM_TYPE)
