"""The page, the JSON API and the metrics endpoint as Tornado handlers, behind Flower's own authentication."""
# ruff: noqa: D102 - the public methods here are Tornado's, documented there

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import tornado.template
import tornado.web
from flower.views import BaseHandler

from celery_monitor.web import answers, assets
from celery_monitor.web.site import Site

TEMPLATES: Final = str(Path(__file__).parent / "templates")

# Flower's base page loads only files of its own and Bootstrap's icons are data: images. Charts set styles
# through the DOM, which style-src does not touch.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)


class Handler(BaseHandler):  # type: ignore[misc] # Flower is not typed
    """Base of ours: Flower's authentication, the site, headers that never open the data to other origins."""

    site: Site

    def initialize(self, site: Site) -> None:
        self.site = site

    def set_default_headers(self) -> None:
        # Not Flower's: some versions allow every origin to read when no authentication is set.
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "same-origin")


class Page(Handler):
    """``/monitor`` and the pages below it: one document; its script reads the address and fetches everything else."""

    def get_template_path(self) -> str:
        return TEMPLATES  # also the key under which Tornado keeps the loader

    def create_template_loader(self, template_path: str) -> tornado.template.BaseLoader:
        return _Overlay(template_path, self.settings["template_path"])

    @tornado.web.authenticated
    @tornado.web.removeslash
    def get(self, *_: str) -> None:
        self.set_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        home = self.reverse_url("celery-monitor")
        self.render("monitor/page.html", home=home, assets=assets.load(), missing=assets.MISSING)


class _Overlay(tornado.template.Loader):
    """Templates named ``monitor/…`` are ours, all others Flower's, so that ours can extend ``base.html``."""

    def __init__(self, ours: str, theirs: str) -> None:
        super().__init__(ours, autoescape="xhtml_escape")
        self._theirs = theirs

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:  # noqa: ARG002
        # Names are used as they stand: there is no relative inclusion on either side.
        return name

    def _create_template(self, name: str) -> tornado.template.Template:
        root = self.root if name.startswith("monitor/") else self._theirs
        return tornado.template.Template((Path(root) / name).read_bytes(), name=name, loader=self)


class ApiHandler(Handler):
    """Base of what programs read: no redirect to a login page, errors as JSON."""

    def prepare(self) -> None:
        if not self.current_user:
            raise tornado.web.HTTPError(401)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, tornado.web.HTTPError) or error is None:
            self._send(_http_problem(status_code, error))
        else:
            self._send(answers.problem(error))

    def log_exception(self, *exc_info: Any) -> None:
        # `answers.problem` logs what is no fault of client or store.
        if isinstance(exc_info[1], tornado.web.HTTPError):
            super().log_exception(*exc_info)

    def _send(self, problem: answers.Problem) -> None:
        self.set_status(problem.status)
        if problem.status == 401 and self.application.options.basic_auth:
            self.set_header("WWW-Authenticate", 'Basic realm="flower"')
        self._send_json(problem.body())

    def _send_json(self, body: bytes) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(body)


def _http_problem(status: int, error: tornado.web.HTTPError | None) -> answers.Problem:
    """Return the error object of what Tornado or Flower refused."""
    messages = {
        401: ("unauthorized", "Flower asks for credentials: log in there, or send its basic auth"),
        403: ("forbidden", "refused by Flower"),
        404: ("not_found", "no such path; see the JSON API's documentation"),
        405: ("method_not_allowed", "this path is read with GET"),
    }
    code, message = messages.get(status, ("bad_request" if status < 500 else "internal", f"HTTP {status}"))
    if error is not None and error.log_message and status not in (401, 500):
        message = error.log_message % error.args if error.args else error.log_message
    return answers.Problem(status, code, message)


class Question(ApiHandler):
    """A path of the API; a parameter given twice counts as its last."""

    answer: answers.Answer[bytes]

    def initialize(self, site: Site, answer: answers.Answer[bytes] = answers.health) -> None:
        super().initialize(site)
        self.answer = answer

    async def get(self, *parts: str) -> None:
        """Answer; `parts` are those of the path that name an execution, a run, a workflow or a label."""
        query = {name: self.get_query_argument(name) or "" for name in self.request.query_arguments}
        self._send_json(await self.site.answer(self.answer, answers.joined(parts, query)))


class Metrics(ApiHandler):
    """``/monitor/metrics``: asks for the same credentials as the pages, unlike Flower's own ``/metrics``.

    A scraper sends Flower's basic auth. Where Flower has OAuth only, no scraper can log in.
    """

    async def get(self) -> None:
        body, content_type = await self.site.metrics(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", content_type)
        self.finish(body)


class NoSuchPath(ApiHandler):
    """Everything else below the API: 404 as JSON, whatever the method."""

    def prepare(self) -> None:
        super().prepare()
        raise tornado.web.HTTPError(404)


class StaticFile(tornado.web.StaticFileHandler):
    """The built files. Open like Flower's own; names carry a hash of the content, so caches keep them."""

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")
        hashed = path.endswith((".js", ".css"))
        self.set_header("Cache-Control", "public, max-age=31536000, immutable" if hashed else "no-cache")
