"""A small CRM with a REST API: users in memory, tokens by client credentials, logins, pages, changes.

Prints its port. GET /log answers with the requests so far; PUT and DELETE of a user need no token, as the test does them.
"""

import base64
import json
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

PASSWORD = "pässwörd & 🔑"
USERS = {}
TOKENS = set()
LOG = []
# A page never has more, whatever is asked for.
CAP = 3


def put(login, **changes):
    user = USERS.setdefault(login, {"id": len(USERS) + 1, "login": login, "state": "active", "roles": [], "gone": False})
    user.update(changes, changed=time.time())


class Crm(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def known(self):
        return self.headers.get("Authorization", "")[7:] in TOKENS

    def do_POST(self):
        body = self.body()
        LOG.append("POST " + self.path)
        if self.path == "/oauth/token":
            expected = "Basic " + base64.b64encode(b"pintle:client+s%26cret").decode()
            if self.headers.get("Authorization") != expected or parse_qs(body.decode()).get("scope") != ["users"]:
                return self.answer(401, {"error": "invalid_client"})
            token = secrets.token_urlsafe()
            TOKENS.add(token)
            return self.answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": 300})
        if not self.known():
            return self.answer(403, {"error": "token"})
        login = json.loads(body)["credentials"]
        user = USERS.get(login["name"])
        if user is None or user["gone"]:
            return self.answer(422, {"error": "nobody"})
        if login["password"] != PASSWORD:
            return self.answer(422, {"error": "password"})
        if user["state"] != "active":
            return self.answer(422, {"error": "state"})
        self.answer(201, {"user": user})

    def do_GET(self):
        LOG.append("GET " + self.path)
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/log":
            return self.answer(200, LOG)
        if not self.known():
            return self.answer(401, {})
        if url.path == "/api/users":
            users = sorted(USERS.values(), key=lambda user: user["id"])
            since = float(query.get("since", 0))
            users = [user for user in users if user["changed"] >= since and not (user["gone"] and not since)]
            start = (int(query["page"]) - 1) * CAP
            return self.answer(200, {"data": users[start : start + CAP]})
        name = unquote(url.path.removeprefix("/api/users/"))
        found = [user for user in USERS.values() if str(user["id"]) == name and not user["gone"]]
        self.answer(200 if found else 404, found[0] if found else {})

    def do_PUT(self):
        put(unquote(self.path.removeprefix("/")), **json.loads(self.body()))
        self.answer(200, {})

    def do_DELETE(self):
        TOKENS.clear()
        self.answer(200, {})


for name in ["ann", "bob", "zoë/../müller?", "eve", "..", "dan", "fay"]:
    put(name)
put("ann", name="Ann", email="ann@example.com", roles=[{"name": "staff"}, {"name": "sales"}])
put("eve", state="locked")
for user in USERS.values():
    user["changed"] = 0.0
server = ThreadingHTTPServer(("127.0.0.1", 0), Crm)
print(server.server_address[1], flush=True)
server.serve_forever()
