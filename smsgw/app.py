"""Builds the web application: carriers' webhooks, health checks and the console."""

from contextlib import suppress

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from smsgw import console, logs, settings
from smsgw.operations import startup
from smsgw.runtime import Runtime
from smsgw.web import health, middleware, status
from smsgw.web.middleware import Places
from smsgw.web.webhooks import Webhooks


def create_app(rt: Runtime | None = None) -> Flask:
    """Builds the application for `rt`, or for what the environment describes. Raises SettingsError,
    NotReady."""
    if rt is None:
        logs.set_up()
        rt = startup.opened(settings.load())
        with suppress(SQLAlchemyError):
            rt.clock_check.compare()
    app = Flask("smsgw", static_folder=None)
    is_https = (rt.settings.public_url or "").startswith("https://")
    places = Places(middleware.AT_ONCE, line=200)
    webhooks = Webhooks(rt, places, middleware.answer_headers(is_https=is_https))
    middleware.guard(app, places, webhooks.headers)
    app.extensions |= {"smsgw": rt, "smsgw.webhooks": webhooks}
    app.register_blueprint(webhooks.blueprint())
    app.register_blueprint(health.blueprint)
    if rt.settings.status_page:
        app.register_blueprint(status.blueprint())
    console.add_to(app, rt)
    return app
