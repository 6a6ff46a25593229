"""The FastAPI application: routes, their documentation, and how errors are told."""

from functools import partial
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from stream_worker.ingest.gateway.documentation import DESCRIPTION, POST_DOCUMENTS, PROBLEM_TYPE, openapi
from stream_worker.ingest.gateway.intake import Intake
from stream_worker.vitals import Answer, Vitals


def gateway_app(intake: Intake, vitals: Vitals) -> FastAPI:
    """The routes. `/openapi.json` documents them; FastAPI's pages that show it would load scripts from elsewhere."""
    app = FastAPI(title="finsentry gateway", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.add_exception_handler(HTTPException, _problem)
    app.add_exception_handler(Exception, _failure)

    @app.post("/v1/documents", **POST_DOCUMENTS)
    async def post_documents(request: Request) -> Response:
        return await intake.post(request)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return _vital(await vitals.live())

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        return _vital(await vitals.ready())

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        body, content_type = await vitals.metrics(request.headers.get("accept"))
        return Response(body, headers={"Content-Type": content_type})

    app.openapi = partial(openapi, app)  # type: ignore[method-assign]
    return app


def _vital(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type="application/json")


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
