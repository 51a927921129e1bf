"""Django's settings, as RapidSMS asks for them: the message log on, replies sent by Kannel."""

import os

SECRET_KEY = os.environ["RAPIDSMS_SECRET"]
DEBUG, USE_TZ = False, True
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.rapidsms_project.urls"
WSGI_APPLICATION = "bench.rapidsms_project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": os.environ["RAPIDSMS_POSTGRES"],  # the folder of its socket
        "CONN_MAX_AGE": None,
    }
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "bench.rapidsms_project",
    "rapidsms",
    "rapidsms.contrib.handlers",
    "rapidsms.contrib.messagelog",
    "rapidsms.backends.kannel",
]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
LOGGING_CONFIG = None
RAPIDSMS_ROUTER = "rapidsms.router.blocking.BlockingRouter"
RAPIDSMS_HANDLERS = [f"bench.rapidsms_project.handlers.Handler{number}" for number in range(20)]
INSTALLED_BACKENDS = {
    "kannel": {
        "ENGINE": "rapidsms.backends.kannel.KannelBackend",
        "sendsms_url": f"http://127.0.0.1:{os.environ['RAPIDSMS_CARRIER']}/cgi-bin/sendsms",
        "sendsms_params": {"smsc": "one", "from": "2757", "username": "rapidsms", "password": "a"},
    }
}
