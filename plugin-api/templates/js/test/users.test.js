import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { readConfig, verdict } from "../src/users.js";

const CONFIG = JSON.stringify({
  users: [
    { name: "ann", password_hash: "hash of secret" },
    { name: "bob", password_hash: "hash of secret", disabled: true },
  ],
});

function login(username, password, kind = "password") {
  const { users, faults } = readConfig(CONFIG);
  assert.deepEqual(faults, []);
  const matches = (hash, secret) => hash === `hash of ${new TextDecoder().decode(secret)}`;
  return verdict(users, { username, kind, secret: new TextEncoder().encode(password) }, matches).tag;
}

test("a user is accepted with the right password only", () => {
  assert.equal(login("ann", "secret"), "accepted");
  assert.equal(login("ann", "wrong"), "rejected");
  assert.equal(login("bob", "secret"), "rejected");
});

test("another backend is asked about those whom the list does not have", () => {
  for (const name of ["nobody", "Ann", "constructor", "", null]) assert.equal(login(name, "secret"), "unknown-user");
  assert.equal(login("ann", "secret", "otp"), "unknown-user");
});

test("every fault of the config is named with its key", () => {
  assert.deepEqual(readConfig('{"user": 1, "users": [{"name": "ann"}, 2]}').faults, [
    "user: unknown key; known are users",
    "users[0].password_hash: expected a string that is not empty",
    "users[1]: expected a table, found a number",
  ]);
  assert.deepEqual(readConfig("[]").faults, ["config: expected a table, found a list"]);
});

test("plugin.toml and the manifest say the same", async () => {
  const [source, toml] = await Promise.all(
    ["../src/plugin.js", "../plugin.toml"].map((path) => readFile(new URL(path, import.meta.url), "utf8")),
  );
  const manifest = /MANIFEST = \{ name: "(.*?)", version: "(.*?)", kinds: (\[.*?\]), wants: (\[.*?\]) \}/.exec(source);
  assert.ok(manifest);
  const [, name, version, kinds, wants] = manifest;
  assert.ok(toml.startsWith(`name = "${name}"\nversion = "${version}"\nkinds = ${kinds}\nwants = ${wants}\n`));
});
