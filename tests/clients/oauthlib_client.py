"""What requests-oauthlib gets from a server: one JSON object on standard output.

Arguments: the token endpoint, the grant (`password` or `client_credentials`), the client's id, its secret (or empty).
"""

import json
import os
import sys

from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from requests_oauthlib import OAuth2Session

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def main(token_url: str, grant: str, client_id: str, secret: str, username: str, password: str) -> dict:
    seen = {}
    if grant == "password":
        session = OAuth2Session(client=LegacyApplicationClient(client_id=client_id))
        first = session.fetch_token(
            token_url, username=username, password=password, client_id=client_id, client_secret=secret
        )
        auth = (client_id, secret) if secret else None
        second = session.refresh_token(token_url, auth=auth, client_id=client_id)
        seen["refreshed"] = second["refresh_token"] != first["refresh_token"]
    else:
        session = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
        first = session.fetch_token(token_url, client_id=client_id, client_secret=secret)
    seen["token_type"] = first["token_type"]
    seen["scope"] = first["scope"]
    seen["expires_in"] = first["expires_in"]
    return seen


print(json.dumps(main(*sys.argv[1:])))
