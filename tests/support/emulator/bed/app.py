"""The WSGI application: moto's, with the control endpoints of the bed under /bed/ on the same port."""

import json
import re
import traceback

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from bed import accounts, controls, settings
from bed.base import LOCK

MOST_BYTES = 64 * 1024


def health(_):
    return {"status": "ok"}


def settings_shown(_):
    return settings.shown(None)


def settings_put(body):
    account = body.pop("account", None)
    settings.put(account if account is None else accounts.check(account), body)
    return settings.shown(account)


ROUTES = [
    ("GET", r"/bed/health", health),
    ("GET", r"/bed/settings", settings_shown),
    ("POST", r"/bed/settings", settings_put),
    ("POST", r"/bed/accounts/([^/]+)", lambda body, account: accounts.create(account, **body)),
    ("POST", r"/bed/accounts/([^/]+)/wipe", lambda _, account: accounts.wipe(account) or {"account": account}),
    ("POST", r"/bed/accounts/([^/]+)/expire-sessions",
     lambda _, account: {"account": account, "sessions": accounts.expire_sessions(account)}),
    ("POST", r"/bed/snapshots/([^/]+)", controls.snapshot),
    ("POST", r"/bed/volumes/([^/]+)", controls.volume),
    ("POST", r"/bed/instances/([^/]+)", controls.instance),
]


def application():
    moto = DomainDispatcherApplication(create_backend_app)

    def serve(environ, start_response):
        if environ.get("PATH_INFO", "").startswith("/bed/"):
            return control(environ, start_response)
        return moto(environ, start_response)

    return serve


def control(environ, start_response):
    status, answer = respond(environ)
    body = json.dumps(answer).encode() + b"\n"
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def respond(environ):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MOST_BYTES:
        return "413 Content Too Large", {"error": f"at most {MOST_BYTES} bytes"}
    data = environ["wsgi.input"].read(length) if length else b""
    found = [(verb, handler, match.groups()) for verb, pattern, handler in ROUTES
             if (match := re.fullmatch(pattern, path))]
    if not found:
        return "404 Not Found", {"error": f"no control endpoint {path}"}
    for verb, handler, arguments in found:
        if verb == method:
            return run(handler, data, arguments)
    return "405 Method Not Allowed", {"error": f"{path} takes {', '.join(verb for verb, *_ in found)}"}


def run(handler, data, arguments):
    try:
        body = json.loads(data) if data.strip() else {}
        if not isinstance(body, dict):
            raise ValueError("the body must be a JSON object")
        with LOCK:
            return "200 OK", handler(body, *arguments)
    except KeyError as missing:
        return "404 Not Found", {"error": f"not found: {missing.args[0]}"}
    except (ValueError, TypeError) as wrong:
        return "400 Bad Request", {"error": str(wrong)}
    except Exception as wrong:  # the caller sees it, and so does whoever reads standard error
        traceback.print_exc()
        return "500 Internal Server Error", {"error": repr(wrong)}
