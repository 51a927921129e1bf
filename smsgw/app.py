"""Builds the web application: carriers' webhooks, health checks and the console."""

from contextlib import suppress

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from smsgw import console, logs, settings
from smsgw.operations import startup
from smsgw.runtime import Runtime
from smsgw.web import health, middleware, status, webhooks


def create_app(rt: Runtime | None = None) -> Flask:
    """Builds the application for `rt`, or for what the environment describes. Raises SettingsError,
    NotReady."""
    if rt is None:
        logs.set_up()
        rt = startup.opened(settings.load())
        with suppress(SQLAlchemyError):
            rt.clock_check.compare()
    app = Flask("smsgw", static_folder=None)
    middleware.guard(app, is_https=(rt.settings.public_url or "").startswith("https://"))
    app.extensions["smsgw"] = rt
    app.register_blueprint(webhooks.blueprint(rt.carriers.values()))
    app.register_blueprint(health.blueprint)
    if rt.settings.status_page:
        app.register_blueprint(status.blueprint())
    console.add_to(app, rt)
    return app
