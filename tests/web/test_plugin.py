"""The contract with Flower's insides, and how the tab gets in (in new interpreters: Flower's class is global)."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from celery_monitor.web.plugin import add_tab
from tests.parts import ROOT

BAR = """<ul class="app-nav"><li><a href="/flw/tasks">Tasks</a></li>
<li><a href="/flw/broker">Broker</a></li></ul><ul><li>docs</li></ul>"""


def python(code: str) -> str:
    """Run code in a new interpreter and return what it printed; what it raises fails the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestAddTab:
    def test_follows_the_item_named(self) -> None:
        bar = add_tab(BAR, "/flw/broker", "/flw/monitor", active=False)
        assert bar.index("Broker") < bar.index('href="/flw/monitor"') < bar.index("</ul>")
        assert "aria-current" not in bar

    def test_says_when_it_is_the_page_shown(self) -> None:
        assert 'class="nav-link active" href="/m" aria-current="page"' in add_tab(BAR, "/flw/broker", "/m", active=True)

    def test_wears_the_classes_of_flower_2_0(self) -> None:
        assert 'class="nav-link text-dark"' in add_tab(
            BAR.replace("app-nav", "navbar-nav"), "/flw/broker", "/m", active=False
        )

    def test_refuses_a_bar_it_does_not_know(self) -> None:
        with pytest.raises(ValueError, match="no item links to '/nowhere'"):
            add_tab(BAR, "/nowhere", "/m", active=False)


class TestArm:
    def test_loads_neither_flower_nor_tornado(self) -> None:
        assert (
            python(
                """
                import sys
                from celery_monitor.web import plugin
                plugin.arm(); plugin.arm()
                print([m for m in sys.modules if m.split(".")[0] in ("flower", "tornado", "redis")])
                """
            )
            == "[]"
        )

    def test_extends_flower_when_it_is_imported_later(self) -> None:
        assert (
            python(
                """
                from celery_monitor.web import plugin
                plugin.arm(); plugin.arm()
                import flower.command, flower.app, sys
                assert flower.command.Flower is flower.app.Flower
                print(flower.app.Flower.has_celery_monitor, flower.app.Flower.__mro__[1].__module__)
                print(any(type(f).__module__.startswith("celery_monitor") for f in sys.meta_path))
                """
            )
            == "True flower.app\nFalse"
        )

    def test_extends_flower_once_when_it_was_imported_before(self) -> None:
        assert (
            python(
                """
                import flower.command, flower.app
                before = flower.app.Flower
                from celery_monitor.web import plugin
                plugin.arm(); plugin.arm()
                assert flower.command.Flower is flower.app.Flower
                print(flower.app.Flower.__mro__[1] is before)
                """
            )
            == "True"
        )

    def test_a_flower_that_cannot_be_extended_still_runs(self) -> None:
        assert (
            python(
                """
                import logging
                logging.disable()
                from celery_monitor.web import plugin
                plugin._extend = lambda base: 1 / 0
                plugin.arm()
                import flower.command
                print(flower.command.Flower.__name__)
                """
            )
            == "Flower"
        )

    def test_an_app_without_a_monitor_gets_no_tab(self) -> None:
        assert (
            python(
                """
                from celery import Celery
                from celery_monitor.web import plugin
                plugin.arm()
                import flower.command
                site = flower.command.Flower(capp=Celery("plain", broker="memory://"), **flower.urls.settings)
                print(site.celery_monitor_site, "celery-monitor" in site.wildcard_router.named_rules)
                """
            )
            == "None False"
        )


class TestFlowerInternals:
    """What `plugin.py` relies on; a new Flower that breaks one of these breaks the tab."""

    def test_application_class_and_its_arguments(self) -> None:
        assert (
            python(
                """
                import tornado.web
                from celery import Celery
                from flower.app import Flower
                from flower.urls import settings

                assert issubclass(Flower, tornado.web.Application)
                app = Celery("plain", broker="memory://")
                made = Flower(capp=app, ui_modules={}, **settings)  # further keywords reach Tornado
                assert made.capp is app
                assert not made.options.url_prefix
                assert made.io_loop.asyncio_loop and made.add_handlers and made.start and made.stop
                print("as expected")
                """
            )
            == "as expected"
        )

    def test_command_looks_its_application_up_by_name(self) -> None:
        import inspect

        import flower.command

        assert "flower_app = Flower(capp=app" in inspect.getsource(flower.command.flower.callback)
        assert callable(flower.command.sigterm_handler)

    def test_handlers_authenticate_through_the_base_handler(self) -> None:
        from flower.views import BaseHandler

        assert {"get_current_user", "set_default_headers", "write_error", "render"} <= set(vars(BaseHandler))

    def test_pages_render_the_bar_as_a_module_and_have_our_blocks(self) -> None:
        from pathlib import Path

        from flower.urls import settings

        base = (Path(settings["template_path"]) / "base.html").read_text()
        assert '{% module Template("navbar.html", active_tab=' in base
        for block in ("navbar", "container", "extra_scripts"):
            assert f"{{% block {block} %}}" in base
        assert "<script>" not in base, "an inline script would be stopped by our content security policy"

    def test_bar_links_to_the_broker_page_in_a_list_item(self) -> None:
        from pathlib import Path

        from flower.urls import handlers, settings

        bar = (Path(settings["template_path"]) / "navbar.html").read_text()
        assert "{{ reverse_url('broker') }}" in bar
        assert {"main", "workers", "tasks", "broker"} <= {getattr(h, "name", None) for h in handlers}

    def test_options_that_decide_about_access(self) -> None:
        from flower.options import default_options

        for name in ("url_prefix", "basic_auth", "auth"):
            assert hasattr(default_options, name)
