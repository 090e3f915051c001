// The policy itself, without anything of the plugin contract: it runs in Node as it runs in the component.

const KNOWN = ["default", "departments"];
const PREFIX = "department:";

/**
 * Reads the config.
 *
 * @param {string} json `{"default": [scope, …], "departments": {name: [scope, …]}}`, both optional; without either the
 *   policy lets everything pass
 * @returns {{policy: {always: Set<string> | null, departments: Map<string, Set<string>>}, faults: string[]}}
 *   `always` is null where everything passes; `faults` names every fault with its key; the policy counts only where
 *   there is none
 */
export function readConfig(json) {
  const faults = [];
  const config = parseTable(json, faults);
  for (const key of Object.keys(config)) {
    if (!KNOWN.includes(key)) faults.push(`${key}: unknown key; known are ${KNOWN.join(", ")}`);
  }
  const departments = config.departments ?? {};
  const isEmpty = config.default === undefined && config.departments === undefined;
  const always = isEmpty ? null : scopes("default", config.default ?? [], faults);
  const policy = { always, departments: new Map() };
  if (sort(departments) !== "a table") {
    faults.push(`departments: expected a table, found ${sort(departments)}`);
  } else {
    for (const [name, list] of Object.entries(departments)) {
      policy.departments.set(name, scopes(`departments.${name}`, list, faults));
    }
  }
  return { policy, faults };
}

/**
 * The requested scopes that pass: those for everyone, and those of each department that the user is in.
 *
 * @param {{always: Set<string> | null, departments: Map<string, Set<string>>}} policy
 * @param {string[]} groups the account's; none where there is no user
 * @param {string[]} requested
 * @returns {string[]} in the order requested
 */
export function passing(policy, groups, requested) {
  if (policy.always === null) return [...requested];
  const own = groups
    .filter((group) => group.startsWith(PREFIX))
    .map((group) => policy.departments.get(group.slice(PREFIX.length)))
    .filter((allowed) => allowed !== undefined);
  return requested.filter((scope) => policy.always.has(scope) || own.some((allowed) => allowed.has(scope)));
}

function parseTable(json, faults) {
  if (json.trim() === "") return {};
  try {
    const config = JSON.parse(json);
    if (sort(config) === "a table") return config;
    faults.push(`config: expected a table, found ${sort(config)}`);
  } catch (error) {
    faults.push(`config: not JSON: ${error.message}`);
  }
  return {};
}

function scopes(key, list, faults) {
  if (!Array.isArray(list)) {
    faults.push(`${key}: expected a list of strings, found ${sort(list)}`);
    return new Set();
  }
  list.forEach((scope, at) => {
    if (typeof scope !== "string") faults.push(`${key}[${at}]: expected a string, found ${sort(scope)}`);
    else if (scope === "") faults.push(`${key}[${at}]: is empty`);
  });
  return new Set(list);
}

/** What a value is, in the operator's words. */
function sort(value) {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return { object: "a table", string: "a string", number: "a number", boolean: "a boolean" }[typeof value];
}
