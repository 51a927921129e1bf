"""Twenty keywords, as ours has; SALDO, the last that is tried, looks a participant up."""

from rapidsms.contrib.handlers import KeywordHandler

from bench.rapidsms_project.models import Participant

OTHERS = ("info", "bantuan", "kantor", *(f"kata{number}" for number in range(16)))


class Balance(KeywordHandler):
    keyword = "saldo"

    def help(self) -> None:
        self.respond("Ketik SALDO lalu nomor KPJ.")

    def handle(self, text: str) -> None:
        person = Participant.objects.filter(pk=text.strip()).first()
        if person is None:
            self.respond("Nomor itu tidak terdaftar.")
        else:
            self.respond(f"Saldo JHT {person.nkp} per {person.as_of:%d-%m-%Y}: Rp{person.total}.")


class Text(KeywordHandler):
    def help(self) -> None:
        self.respond(f"{self.keyword}: hubungi 175.")

    def handle(self, text: str) -> None:
        self.help()


for number, word in enumerate(OTHERS):
    globals()[f"Handler{number}"] = type(f"Handler{number}", (Text,), {"keyword": word})
Handler19 = type("Handler19", (Balance,), {})
