"""A carrier that takes every SMS at once: what `smsgw say`, transcripts and tests speak through."""

from smsgw.carriers.carrier import Forged, IncomingSms, OutgoingSms, Report, WebhookRequest


class Simulator:
    """It has no webhook: nobody may text the service by it from outside."""

    name = "simulator"
    own_lane = "2757"

    def verify(self, request: WebhookRequest) -> None:
        raise Forged

    def read(self, request: WebhookRequest) -> IncomingSms:
        raise Forged

    def read_report(self, request: WebhookRequest) -> Report | None:
        raise Forged

    def send(self, sms: OutgoingSms) -> str:
        return f"SIM{sms.attempt_id}"

    def find(self, _sms: OutgoingSms) -> None:
        return None
