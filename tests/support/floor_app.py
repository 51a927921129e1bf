"""Serves the cheapest possible webhook: a Flask view that checks the signature, and no more."""

from flask import Flask, Response, abort, request
from twilio.request_validator import RequestValidator

from tests.support.twilio_api import TWILIO

app = Flask(__name__)
ADDRESS = f"{TWILIO['SMSGW_PUBLIC_URL']}/in/twilio"
validator = RequestValidator(TWILIO["TWILIO_AUTH_TOKEN"])


@app.post("/in/twilio")
def receive() -> Response:
    signature = request.headers.get("X-Twilio-Signature", "")
    if not validator.validate(ADDRESS, request.form, signature):
        abort(403)
    return Response("<Response/>", mimetype="text/xml")
