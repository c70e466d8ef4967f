"""A mail server that keeps nothing: it prints each mail as a line of JSON. For tests of notifications.

Arguments: the port, and optionally a certificate and its key, which make it demand STARTTLS, the user `sitio` and the
password `pass-word`. With a further argument `implicit`, it speaks TLS from the first byte instead (RFC 8314, section 3).
"""

import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Sink:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "data": envelope.content.decode("utf-8", "replace"),
            "tls": session.ssl is not None,
            "user": session.auth_data,
        }
        print("mail " + json.dumps(mail), flush=True)
        return "250 kept"


def authenticate(server, session, envelope, mechanism, auth_data):
    is_known = (auth_data.login, auth_data.password) == (b"sitio", b"pass-word")
    # Not handled: the server itself sends the refusal.
    return AuthResult(success=is_known, handled=is_known, auth_data="sitio" if is_known else None)


settings = {}
if len(sys.argv) > 2:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    settings = {"auth_required": True, "authenticator": authenticate}
    if sys.argv[4:] == ["implicit"]:
        settings |= {"ssl_context": context, "auth_require_tls": False}
    else:
        settings |= {"tls_context": context, "require_starttls": True}
controller = Controller(Sink(), hostname="127.0.0.1", port=int(sys.argv[1]), **settings)
controller.start()
print("listening", flush=True)
controller._thread.join()
