import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { passing, readConfig } from "../src/policy.js";

const CONFIG = JSON.stringify({
  default: ["profile"],
  departments: { finance: ["invoices", "reports"], support: ["tickets", "reports"] },
});

function granted(groups, requested) {
  const { policy, faults } = readConfig(CONFIG);
  assert.deepEqual(faults, []);
  return passing(policy, groups, requested);
}

test("a user gets the scopes of the department, in the order requested", () => {
  assert.deepEqual(granted(["department:finance"], ["reports", "tickets", "invoices"]), ["reports", "invoices"]);
});

test("a user in two departments gets the scopes of both", () => {
  const groups = ["department:finance", "department:support"];
  assert.deepEqual(granted(groups, ["invoices", "tickets"]), ["invoices", "tickets"]);
});

test("without a department only the scopes for everyone pass", () => {
  assert.deepEqual(granted([], ["profile", "invoices"]), ["profile"]);
  assert.deepEqual(granted(["finance", "Department:finance", "department:"], ["profile", "invoices"]), ["profile"]);
});

test("names that every JavaScript object has are no departments", () => {
  assert.deepEqual(granted(["department:constructor", "department:__proto__"], ["invoices", "toString"]), []);
});

test("without any config everything passes, and a config grants what it lists", () => {
  const grant = (config, groups) => {
    const { policy, faults } = readConfig(config);
    assert.deepEqual(faults, []);
    return passing(policy, groups, ["profile", "invoices"]);
  };
  for (const config of ["", "{}"]) assert.deepEqual(grant(config, []), ["profile", "invoices"]);
  const finance = '{"departments":{"finance":["invoices"]}}';
  assert.deepEqual(grant(finance, ["department:support"]), []);
  assert.deepEqual(grant(finance, ["department:finance"]), ["invoices"]);
  assert.deepEqual(grant('{"default":[]}', ["department:finance"]), []);
});

test("every fault of the config is named with its key", () => {
  const config = { defaults: [], default: "profile", departments: { finance: [1, ""], support: {} } };
  assert.deepEqual(readConfig(JSON.stringify(config)).faults, [
    "defaults: unknown key; known are default, departments",
    "default: expected a list of strings, found a string",
    "departments.finance[0]: expected a string, found a number",
    "departments.finance[1]: is empty",
    "departments.support: expected a list of strings, found a table",
  ]);
  assert.deepEqual(readConfig("[]").faults, ["config: expected a table, found a list"]);
  assert.match(readConfig("{").faults[0], /^config: not JSON/);
});

test("plugin.toml and the manifest say the same", async () => {
  const [source, toml, packaged] = await Promise.all(
    ["../src/by-department.js", "../plugin.toml", "../package.json"].map((path) => readFile(new URL(path, import.meta.url), "utf8")),
  );
  const manifest = /MANIFEST = \{ name: "(.*?)", version: "(.*?)", kinds: (\[.*?\]) \}/.exec(source);
  assert.ok(manifest);
  assert.ok(toml.includes(`name = "${manifest[1]}"\nversion = "${manifest[2]}"\nkinds = ${manifest[3]}\n`));
  assert.equal(JSON.parse(packaged).version, manifest[2]);
});
