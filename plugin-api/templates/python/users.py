"""The users themselves, without anything of the plugin contract: it runs anywhere."""

import json
from collections.abc import Callable
from dataclasses import dataclass

ACCEPTED = "accepted"
UNKNOWN = "unknown"


@dataclass
class User:
    name: str
    password_hash: str
    disabled: bool


def read_config(text: str) -> tuple[dict[str, User], list[str]]:
    """The users by name, and every fault with its key; the users count only where there is none."""
    faults: list[str] = []
    config = parse_table(text, faults)
    refuse_others(config, ["users"], "", faults)
    found = {}
    listed = config.get("users", [])
    if not isinstance(listed, list):
        faults.append("users: expected a list")
        listed = []
    for at, fields in enumerate(listed):
        user = read_user(fields, f"users[{at}]", faults)
        if user:
            found[user.name] = user
    return found, faults


def verdict(found: dict[str, User], username: str | None, kind: str, matches: Callable[[User], bool]) -> str:
    """ACCEPTED, UNKNOWN (the next backend is asked), or why the proof is wrong."""
    user = found.get(username) if username is not None else None
    if user is None or kind != "password":
        return UNKNOWN
    if not matches(user):
        return "wrong password"
    return "disabled" if user.disabled else ACCEPTED


def read_user(fields: object, path: str, faults: list[str]) -> User | None:
    if not isinstance(fields, dict):
        faults.append(f"{path}: expected a table")
        return None
    refuse_others(fields, ["name", "password_hash", "disabled"], f"{path}.", faults)
    for key in ["name", "password_hash"]:
        if not isinstance(fields.get(key), str) or not fields[key]:
            faults.append(f"{path}.{key}: expected a string that is not empty")
            return None
    disabled = fields.get("disabled", False)
    if not isinstance(disabled, bool):
        faults.append(f"{path}.disabled: expected a boolean")
        return None
    return User(fields["name"], fields["password_hash"], disabled)


def parse_table(text: str, faults: list[str]) -> dict:
    if not text.strip():
        return {}
    try:
        config = json.loads(text)
    except ValueError as error:
        faults.append(f"config: not JSON: {error}")
        return {}
    if not isinstance(config, dict):
        faults.append("config: expected a table")
        return {}
    return config


def refuse_others(table: dict, known: list[str], path: str, faults: list[str]) -> None:
    for key in table:
        if key not in known:
            faults.append(f"{path}{key}: unknown key; known are {', '.join(known)}")
