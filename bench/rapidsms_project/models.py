from django.db import models


class Participant(models.Model):
    """Holds what a balance is answered from."""

    nkp = models.CharField(max_length=11, primary_key=True)
    name = models.CharField(max_length=80)
    total = models.DecimalField(max_digits=18, decimal_places=2)
    as_of = models.DateField()

    class Meta:
        app_label = "rapidsms_project"
