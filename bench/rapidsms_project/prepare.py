"""Makes the tables, and so many participants: `python -m bench.rapidsms_project.prepare 16000`."""

import sys
from datetime import date

import django
from django.core.management import call_command
from django.db import connection

django.setup()

from bench.rapidsms_project.models import Participant  # noqa: E402

FIRST_NKP = 80_000_000_000

call_command("migrate", verbosity=0, run_syncdb=True)
Participant.objects.bulk_create(
    Participant(nkp=str(FIRST_NKP + n), name="Ani", total=12_345_678, as_of=date(2026, 11, 1))
    for n in range(int(sys.argv[1]))
)
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
