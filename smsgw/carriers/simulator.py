"""Takes every SMS at once, for `smsgw say`, transcripts and tests."""

from collections.abc import Sequence

from smsgw.carriers.carrier import (
    CarrierSettings,
    Forged,
    IncomingSms,
    OutgoingSms,
    Report,
    Route,
    WebhookRequest,
)


class SimulatorSettings(CarrierSettings):
    @property
    def reaches_people(self) -> bool:
        return False

    def build(self) -> "Simulator":
        return Simulator()


class Simulator:
    """Has no webhook: nobody may text the service by it from outside."""

    name = "simulator"
    default_sender_id = "2757"
    routes: Sequence[Route] = ()

    def verify(self, request: WebhookRequest) -> None:
        raise Forged

    def read_messages(self, request: WebhookRequest) -> Sequence[IncomingSms]:
        raise Forged

    def read_reports(self, request: WebhookRequest) -> Sequence[Report]:
        raise Forged

    def send(self, sms: OutgoingSms) -> str:
        return f"SIM{sms.attempt_id}"

    def find(self, _sms: OutgoingSms) -> None:
        return None

    def misconfigured(self) -> None:
        return None
