import json
import pathlib
import re
import unittest

import users

CONFIG = json.dumps(
    {
        "users": [
            {"name": "ann", "password_hash": "hash of secret"},
            {"name": "bob", "password_hash": "hash of secret", "disabled": True},
        ]
    }
)


def login(username, password, kind="password"):
    found, faults = users.read_config(CONFIG)
    assert faults == []
    return users.verdict(found, username, kind, lambda user: user.password_hash == f"hash of {password}")


class Users(unittest.TestCase):
    def test_a_user_is_accepted_with_the_right_password_only(self):
        self.assertEqual(login("ann", "secret"), users.ACCEPTED)
        self.assertEqual(login("ann", "wrong"), "wrong password")
        self.assertEqual(login("bob", "secret"), "disabled")

    def test_another_backend_is_asked_about_those_whom_the_list_does_not_have(self):
        for name in ["nobody", "Ann", "", None]:
            self.assertEqual(login(name, "secret"), users.UNKNOWN)
        self.assertEqual(login("ann", "secret", "otp"), users.UNKNOWN)

    def test_every_fault_of_the_config_is_named_with_its_key(self):
        _, faults = users.read_config('{"user": 1, "users": [{"name": "ann"}, 2]}')
        self.assertEqual(
            faults,
            [
                "user: unknown key; known are users",
                "users[0].password_hash: expected a string that is not empty",
                "users[1]: expected a table",
            ],
        )
        self.assertEqual(users.read_config("[]")[1], ["config: expected a table"])

    def test_plugin_toml_and_the_manifest_say_the_same(self):
        here = pathlib.Path(__file__).parent
        manifest = json.loads(re.search(r"^MANIFEST = (.*)$", (here / "plugin.py").read_text(), re.M)[1])
        lines = (here / "plugin.toml").read_text().splitlines()
        for key, value in manifest.items():
            self.assertIn(f"{key} = {json.dumps(value)}", lines)


if __name__ == "__main__":
    unittest.main()
