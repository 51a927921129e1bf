"""The web application: carriers' webhooks and what watches over them."""

from flask import Flask

from smsgw import logs, registry, runtime, settings
from smsgw.runtime import Runtime
from smsgw.web import health, webhooks

LARGEST_REQUEST = 64 * 1024  # octets; a long SMS with every field Twilio sends is under 4 kB


def create_app(rt: Runtime | None = None) -> Flask:
    """For `rt`, or for what the environment describes. Raises SettingsError."""
    if rt is None:
        logs.set_up()
        rt = runtime.build(settings.load())
        registry.check_key(rt)
    app = Flask("smsgw", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.extensions["smsgw"] = rt
    app.register_blueprint(webhooks.blueprint)
    app.register_blueprint(health.blueprint)
    return app
