// The policy as a component of the world in wit/world.wit.
import config from "pintle:plugin/config@1.0.0";
import { passing, readConfig } from "./policy.js";

// As plugin.toml; a test compares them.
const MANIFEST = { name: "by-department", version: "0.1.0", kinds: ["scope-policy"] };

// Read at the first call that needs it: while the component is built there is no config.
let policy;

function policyOrThrow() {
  if (policy === undefined) {
    const read = readConfig(config.json());
    // `internal` of the contract's error: the host checked the config before.
    if (read.faults.length > 0) throw { tag: "internal", val: `config: ${read.faults.join("; ")}` };
    policy = read.policy;
  }
  return policy;
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
    policyOrThrow();
  },
};

export const scopePolicy = {
  evaluate(_ctx, request) {
    const groups = request.account?.groups ?? [];
    return { granted: passing(policyOrThrow(), groups, request.requested), require: [], maxTtlS: null };
  },
};
