// The plugin as a component of the world in wit/world.wit. A WIT `result` is a return value or a thrown error, an `option`
// a value or null, a variant `{ tag, val }`.
import config from "pintle:plugin/config@1.0.0";
import crypto from "pintle:plugin/crypto@1.0.0";
import { readConfig, verdict } from "./users.js";

// As plugin.toml; a test compares them.
const MANIFEST = { name: "{{name}}", version: "0.1.0", kinds: ["user-verifier"], wants: ["crypto"] };

// Read at the first call that needs it: while the component is built there is no config.
let users;

function usersOrThrow() {
  if (users === undefined) {
    const read = readConfig(config.json());
    // `internal` of the contract's error: the host checked the config before.
    if (read.faults.length > 0) throw { tag: "internal", val: `config: ${read.faults.join("; ")}` };
    users = read.users;
  }
  return users;
}

export const lifecycle = {
  describe() {
    return JSON.stringify(MANIFEST);
  },

  validateConfig(json) {
    const { faults } = readConfig(json);
    if (faults.length > 0) throw faults;
  },

  health(_ctx) {
    usersOrThrow();
  },
};

export const userVerifier = {
  verify(_ctx, request) {
    // The server hashes; a password never gets into the log.
    return verdict(usersOrThrow(), request, (hash, password) => crypto.passwordVerify(hash, password));
  },
};
