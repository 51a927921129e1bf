"""Configures how gunicorn serves the web process; read by `gunicorn --config
python:smsgw.web.gunicorn`."""

from smsgw.operations import process

with process.loading():
    from importlib import import_module

    from smsgw import logs, settings
    from smsgw.operations import startup
    from smsgw.operations.startup import NotReady
    from smsgw.variables import SettingsError
    from smsgw.web import middleware
    from smsgw.web.gunicorn_worker import Worker
    from smsgw.web.warmup import warm_up

_settings = settings.load()

# Demo data are for this machine alone.
bind = f"{'127.0.0.1' if _settings.demo else '0.0.0.0'}:{_settings.port}"
# Two processes would wait for each other's turn to write SQLite; threads of one share it.
workers = 1 if _settings.is_sqlite else _settings.web_concurrency
worker_class = "smsgw.web.gunicorn_worker.Worker"
threads = middleware.READERS
timeout = 30
graceful_timeout = 8
limit_request_line = 8190  # octets, the most there is: Kannel's get-url holds a whole text
logger_class = "smsgw.web.gunicorn_worker.Log"
accesslog = None  # a message has its own log line; addresses hold secrets
control_socket_disable = True


def post_worker_init(worker: Worker) -> None:
    warm_up(worker.wsgi.extensions["smsgw"])
    process.freeze_loaded_objects()


def on_starting(_: object) -> None:
    """Checks the installation before any process answers, so that a fault ends the start with one
    sentence, not with a traceback from each process."""
    logs.set_up()
    with process.loading():
        try:
            startup.opened(_settings).close()
        except (NotReady, SettingsError) as error:
            raise SystemExit(f"Error: {error}") from None
        import_module("smsgw.app")  # what is loaded before the processes fork is in memory once
    process.freeze_loaded_objects()
