"""Calls Twilio's REST API with time limits, and tells how a send ended that failed."""

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from twilio.base.exceptions import (
    TwilioException,
    TwilioRestException,
    TwilioServiceException,
)
from twilio.base.version import Version
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client
from urllib3.util import make_headers

from smsgw import http_client
from smsgw.carriers import http
from smsgw.carriers.carrier import Ending, SendError

TOO_MANY = 429  # "never processed and always safe to retry"
OPTED_OUT = "21610"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
FAULTS = (TwilioException, KeyError, *http_client.FAULTS)


class RestClient:
    """Creates messages, and has Twilio's `client` for all else."""

    def __init__(
        self, account: str, token: str, base: str | None, limits: tuple[float, float]
    ) -> None:
        kept = http_client.Client(limits)
        limited = LimitedHttpClient(kept, base)
        self.client = Client(account, token, http_client=limited)
        api = self.client.api.v2010.absolute_url(f"/Accounts/{account}/Messages.json")
        self._kept = kept
        self._messages = limited.located(self.client.get_hostname(api))
        basic = make_headers(basic_auth=f"{account}:{token}")
        self._headers = self.client.get_headers("POST", dict(FORM)) | basic

    def create_message(self, fields: Mapping[str, object]) -> dict[str, Any]:
        """Does what `client.messages.create` does, which makes the same headers again each time,
        and an object of 25 fields. Raises FAULTS."""
        form = http.encode_form(fields)
        answer = self._kept.request("POST", self._messages, form, self._headers)
        text = answer.body.decode("utf-8", "replace")
        if not 200 <= answer.status < 300:
            failed = Response(answer.status, text)
            raise Version.exception("POST", self._messages, failed, "not created")
        created: dict[str, Any] = json.loads(text)
        return created


class LimitedHttpClient(HttpClient):
    """Limits connecting and reading, retries no POST, and calls another host where one is set."""

    def __init__(self, kept: http_client.Client, base: str | None) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=False)
        self._kept = kept
        self._base = base

    def located(self, address: str) -> str:
        """Returns the same address at the host that is called."""
        if not self._base:
            return address
        return self._base + urlsplit(address)._replace(scheme="", netloc="").geturl()

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        uri = self.located(uri)
        if params:
            uri += f"?{urlencode(params, doseq=True)}"
        sent = dict(headers or {}) | make_headers(basic_auth=":".join(auth) if auth else None)
        answer = self._kept.request(
            method, uri, urlencode(data, doseq=True).encode() if data else None, sent
        )
        return Response(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


def send_error(error: Exception) -> SendError:
    """Returns how a POST ended. Only what surely never reached Twilio may be tried again."""
    if isinstance(error, TwilioRestException | TwilioServiceException):
        status, code = error.status, str(error.code or error.status)
        if status == TOO_MANY:
            return SendError(Ending.RETRY, code)
        ending = Ending.REFUSED if 400 <= status < 500 else Ending.UNKNOWN
        return SendError(ending, code, is_opted_out=code == OPTED_OUT)
    return http.send_error(error)
