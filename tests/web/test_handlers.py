"""Page, API and metrics of a real Flower on a real server."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from celery_monitor.cli.embedded import EmbeddedServer
from tests.parts import ROOT, require
from tests.waiting import until
from tests.web.conftest import MakeSite
from tests.web.site import Site, require_page

USER = "ann:secret"


@pytest.fixture(scope="module")
def guarded(make_site: MakeSite) -> Site:
    return make_site(f"--basic-auth={USER}", "--url-prefix=flw")


@pytest.fixture(scope="module")
def oauth(make_site: MakeSite) -> Site:
    return make_site(
        r"--auth=.*@example\.com",
        "--auth-provider=flower.views.auth.GoogleAuth2LoginHandler",
        "--oauth2-key=k",
        "--oauth2-secret=s",
        "--oauth2-redirect-uri=http://127.0.0.1/login",
    )


class TestPage:
    def test_flowers_own_pages_have_the_tab(self, site: Site) -> None:
        for path in ("/", "/tasks", "/broker"):
            assert 'href="/monitor">Monitor</a>' in site.get(path).text

    def test_it_is_flowers_page_with_our_tab_active(self, site: Site) -> None:
        page = site.get("/monitor")
        assert page.status == 200
        assert re.search(r'class="nav-link[^"]* active" href="/monitor" aria-current="page"', page.text)

    def test_it_runs_no_inline_script_and_loads_from_nowhere_else(self, site: Site) -> None:
        page = site.get("/monitor")
        assert "script-src 'self'; worker-src 'self';" in page.headers["Content-Security-Policy"]
        assert not re.findall(r"<script(?![^>]*\bsrc=)", page.text)
        assert page.headers["X-Content-Type-Options"] == "nosniff"

    def test_built_files_are_kept_by_caches_for_ever(self, site: Site) -> None:
        built = require_page()
        for name in built.files:
            file = site.get(f"/monitor/static/{name}")
            assert file.status == 200
            assert "immutable" in file.headers["Cache-Control"]

    def test_the_page_names_its_script_its_style_and_what_every_page_fetches(self, site: Site) -> None:
        built = require_page()
        text = site.get("/monitor").text
        assert built.common
        for name in (built.script, built.style, *built.common):
            assert f'"/monitor/static/{name}"' in text

    def test_static_files_end_at_their_folder(self, site: Site) -> None:
        assert site.get("/monitor/static/..%2Fplugin.py").status in {403, 404}
        assert site.get("/monitor/static/%2E%2E/plugin.py").status in {403, 404}


class TestApi:
    def test_the_summary_has_the_documented_fields(self, site: Site) -> None:
        documented = json.loads(re.findall(r"```json\n(.+?)\n```", (ROOT / "docs/api.md").read_text(), re.DOTALL)[0])
        answer = site.get("/monitor/api/v1/summary?window=15m")
        assert answer.status == 200
        assert answer.json.keys() == documented.keys()
        assert answer.json["totals"].keys() == documented["totals"].keys()
        assert answer.json["series"].keys() == documented["series"].keys()
        assert answer.headers["Cache-Control"] == "no-store"

    def test_health_names_version_and_schema(self, site: Site) -> None:
        assert {"version", "schema", "store"} <= site.get("/monitor/api/v1/health").json.keys()

    @pytest.mark.parametrize(
        ("path", "keys"),
        [
            ("runs?limit=5", {"runs", "next"}),
            ("runs/some-id/logs", {"logs", "next"}),
            ("executions/some-id/logs?level=error", {"logs", "next"}),
            ("workflows?window=1h", {"window", "workflows"}),
            ("waits?state=open", {"window", "statistics", "open", "waits", "next"}),
            ("spans", {"window", "spans"}),
            ("measures", {"window", "measures"}),
        ],
    )
    def test_every_list_of_runs_and_what_is_in_them_is_answered(self, site: Site, path: str, keys: set[str]) -> None:
        answer = site.get(f"/monitor/api/v1/{path}")
        assert answer.status == 200
        assert answer.json.keys() == keys

    def test_executions_are_a_page_with_a_cursor(self, site: Site) -> None:
        assert site.get("/monitor/api/v1/executions?limit=5").json.keys() == {"executions", "next"}

    @pytest.mark.parametrize(
        ("path", "code"),
        [
            ("summary?window=5x", "bad_window"),
            ("summary?windw=1h", "unknown_parameter"),
            ("executions?limit=0", "bad_limit"),
            ("executions/some-id?limit=1", "unknown_parameter"),
            ("executions?id=x", "unknown_parameter"),
            ("runs?state=GREAT", "bad_state"),
            ("runs?label=user", "bad_label"),
            ("runs/some-id/logs?level=loud", "bad_level"),
            ("waits?state=closed", "bad_state"),
            ("labels/colour/red", "bad_label"),
        ],
    )
    def test_bad_input_is_400_and_says_what_is_accepted(self, site: Site, path: str, code: str) -> None:
        answer = site.get(f"/monitor/api/v1/{path}")
        assert (answer.status, answer.json["error"]["code"]) == (400, code)

    @pytest.mark.parametrize(
        "path",
        [
            "executions/no-such-id",
            "nothing",
            "../",
            "summary/x",
            "runs/no-such-id",
            "workflows/none",
            "workflows/none/steps",
            "labels/user/nobody",
        ],
    )
    def test_what_is_not_there_is_404_in_json(self, site: Site, path: str) -> None:
        answer = site.get(f"/monitor/api/v1/{path}")
        assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")

    def test_writing_is_refused_in_json(self, site: Site) -> None:
        answer = site.get("/monitor/api/v1/summary", method="POST")
        assert (answer.status, answer.json["error"]["code"]) == (405, "method_not_allowed")

    def test_an_id_with_special_characters_is_found_or_not_but_never_breaks(self, site: Site) -> None:
        answer = site.get("/monitor/api/v1/executions/%3Cb%3E%00%C3%A9%20x")
        assert answer.status in {400, 404}
        assert "error" in answer.json


class TestMetrics:
    @pytest.mark.prometheus
    def test_promtool_finds_nothing_to_complain_about(self, site: Site) -> None:
        answer = site.get("/monitor/metrics")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        done = subprocess.run(
            [require("promtool"), "check", "metrics"], input=answer.body, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


class TestAccess:
    @pytest.mark.parametrize("path", ["api/v1/summary", "api/v1/health", "api/v1/nothing", "metrics", "ws"])
    def test_without_credentials_programs_get_401_in_json(self, guarded: Site, path: str) -> None:
        answer = guarded.get(f"/flw/monitor/{path}")
        assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
        assert guarded.get(f"/flw/monitor/{path}", user="ann:wrong").status == 401

    @pytest.mark.parametrize("page", ["", "/runs", "/runs/a%2Fb", "/workflows/report%20%28chain%29", "/executions/5%"])
    def test_every_page_is_the_same_document_below_the_prefix_and_closed_without_credentials(
        self, guarded: Site, page: str
    ) -> None:
        assert guarded.get(f"/flw/monitor{page}").status == 401
        assert guarded.get(f"/flw/monitor{page}", user=USER).text == guarded.get("/flw/monitor", user=USER).text

    @pytest.mark.parametrize("page", ["", "/runs", "/runs/a%2Fb", "/workflows/report%20%28chain%29", "/executions/5%"])
    @pytest.mark.parametrize("end", ["/", "//", "/?window=6h&q=a%2Fb"])
    def test_slashes_at_the_end_of_a_page_lead_to_it_with_its_query(self, guarded: Site, page: str, end: str) -> None:
        assert guarded.get(f"/flw/monitor{page}{end}").status == 401
        answer = guarded.get(f"/flw/monitor{page}{end}", user=USER)
        assert answer.status == 301
        assert answer.headers["Location"] == f"/flw/monitor{page}{end.lstrip('/')}"

    def test_an_address_that_is_no_page_is_not_found(self, guarded: Site) -> None:
        assert guarded.get("/flw/monitor/nothing", user=USER).status == 404

    def test_credentials_open_page_api_and_metrics_below_the_prefix(self, guarded: Site) -> None:
        assert 'data-home="/flw/monitor"' in guarded.get("/flw/monitor", user=USER).text
        assert guarded.get("/flw/monitor/api/v1/summary", user=USER).status == 200
        assert guarded.get("/flw/monitor/metrics", user=USER).status == 200
        assert guarded.get("/monitor", user=USER).status == 404

    def test_the_socket_asks_for_credentials_at_the_upgrade(self, guarded: Site) -> None:
        assert guarded.upgrade("/flw/monitor/ws", origin=guarded.url) == 401
        assert guarded.frames("/flw/monitor/ws", 1, user=USER)[0]["kind"] == "summary"

    def test_under_oauth_the_page_leads_to_the_login_and_the_api_answers_401(self, oauth: Site) -> None:
        page = oauth.get("/monitor")
        assert page.status == 302
        assert page.headers["Location"].startswith("/login?next=")
        assert oauth.get("/monitor/runs/").headers["Location"] == "/login?next=%2Fmonitor%2Fruns%2F"
        answer = oauth.get("/monitor/api/v1/summary")
        assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized")

    def test_other_origins_may_never_read(self, make_site: MakeSite) -> None:
        opened = make_site(env={"FLOWER_UNAUTHENTICATED_API": "1"})
        answer = opened.get("/monitor/api/v1/summary", headers={"Origin": "http://evil.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers


class TestSocket:
    def test_it_sends_the_summary_of_the_window_asked_for(self, site: Site) -> None:
        frame = site.frames("/monitor/ws?window=6h", 1)[0]
        assert frame["kind"] == "summary"
        assert frame["summary"]["window"]["seconds"] == 6 * 3600

    def test_a_bad_window_is_told(self, site: Site) -> None:
        assert site.frames("/monitor/ws?window=5x", 1)[0]["error"]["code"] == "bad_window"

    def test_other_origins_are_refused(self, site: Site) -> None:
        assert site.upgrade("/monitor/ws", origin="http://evil.example") == 403
        assert site.upgrade("/monitor/ws", origin=site.url) == 101


class TestFaults:
    def test_a_store_that_goes_away_is_503_while_flower_goes_on(self, make_site: MakeSite) -> None:
        require("redis-server")
        with EmbeddedServer() as server:
            site = make_site(broker=server.url)
            assert site.get("/monitor/api/v1/summary").status == 200
        summary = "/monitor/api/v1/summary"
        until(lambda: site.get(summary).status == 503, what="503 from the API")
        answer = site.get(summary)
        assert answer.json["error"]["code"] == "store_unreachable"
        assert site.frames("/monitor/ws", 1)[0]["error"]["code"] == "store_unreachable"
        assert site.get("/monitor/metrics").status == 503
        assert site.get("/monitor").status == 200
        assert site.get("/healthcheck").status == 200

    def test_sigterm_ends_flower_at_once_and_cleanly(self, make_site: MakeSite) -> None:
        site = make_site()
        assert site.frames("/monitor/ws", 1)
        assert site.stop() == 0
        assert "Traceback" not in site.process.log
        assert "never retrieved" not in site.process.log
