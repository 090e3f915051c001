"""The plugin as a component of the world in wit/world.wit."""

import json

import users
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.user_verifier import (
    Accepted,
    Outcome,
    Outcome_Accepted,
    Outcome_Rejected,
    Outcome_UnknownUser,
    Request,
)
from wit_world.imports import config, crypto
from wit_world.imports.types import Account, CallCtx, Error_Internal

# As plugin.toml; a test compares them.
MANIFEST = {"name": "{{name}}", "version": "0.1.0", "kinds": ["user-verifier"], "wants": ["crypto"]}


def read_users() -> dict[str, users.User]:
    found, faults = users.read_config(config.json())
    if faults:
        # The host checked the config before.
        raise Err(Error_Internal("config: " + "; ".join(faults)))
    return found


class Lifecycle(exports.Lifecycle):
    def describe(self) -> str:
        return json.dumps(MANIFEST)

    def validate_config(self, json: str) -> None:
        _, faults = users.read_config(json)
        if faults:
            raise Err(faults)

    def health(self, ctx: CallCtx) -> None:
        read_users()


class UserVerifier(exports.UserVerifier):
    def verify(self, ctx: CallCtx, request: Request) -> Outcome:
        # The server hashes; a password never gets into the log.
        matches = lambda user: crypto.password_verify(user.password_hash, request.secret)
        verdict = users.verdict(read_users(), request.username, request.kind, matches)
        if verdict is users.UNKNOWN:
            return Outcome_UnknownUser()
        if verdict is not users.ACCEPTED:
            return Outcome_Rejected(verdict)
        # `id` must stay the same for as long as the user is the same one.
        name = request.username
        account = Account(name, name, None, None, False, False, [], "", [])
        return Outcome_Accepted(Accepted(account, ["pwd"], None))
