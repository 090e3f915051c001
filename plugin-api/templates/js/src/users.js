// The users themselves, without anything of the plugin contract: it runs in Node as it runs in the component.

/**
 * Reads the config.
 *
 * @param {string} json `{"users": [{"name", "password_hash", "disabled"?}, …]}`
 * @returns {{users: Map<string, {hash: string, disabled: boolean}>, faults: string[]}}
 *   `faults` names every fault with its key; the users count only where there is none
 */
export function readConfig(json) {
  const faults = [];
  const users = new Map();
  const config = parseTable(json, faults);
  refuseOthers(config, ["users"], "", faults);
  const list = config.users ?? [];
  if (!Array.isArray(list)) faults.push(`users: expected a list, found ${sort(list)}`);
  else list.forEach((user, at) => readUser(user, `users[${at}]`, users, faults));
  return { users, faults };
}

/**
 * Whether the proof is the user's. Who is not in the list is somebody else's: the next backend is asked. A wrong password
 * is nobody else's.
 *
 * @param {(hash: string, password: Uint8Array) => boolean} matches
 */
export function verdict(users, request, matches) {
  const user = request.username == null ? undefined : users.get(request.username);
  if (user === undefined || request.kind !== "password") return { tag: "unknown-user" };
  if (!matches(user.hash, request.secret)) return { tag: "rejected", val: "wrong password" };
  if (user.disabled) return { tag: "rejected", val: "disabled" };
  return { tag: "accepted", val: { account: account(request.username), amr: ["pwd"], acr: null } };
}

// `id` must stay the same for as long as the user is the same one.
function account(name) {
  return {
    id: name,
    username: name,
    displayName: null,
    email: null,
    emailVerified: false,
    disabled: false,
    groups: [],
    claimsJson: "",
    ext: [],
  };
}

function readUser(user, path, users, faults) {
  if (sort(user) !== "a table") {
    faults.push(`${path}: expected a table, found ${sort(user)}`);
    return;
  }
  refuseOthers(user, ["name", "password_hash", "disabled"], `${path}.`, faults);
  for (const key of ["name", "password_hash"]) {
    if (typeof user[key] !== "string" || user[key] === "") faults.push(`${path}.${key}: expected a string that is not empty`);
  }
  if (user.disabled !== undefined && typeof user.disabled !== "boolean") faults.push(`${path}.disabled: expected a boolean`);
  users.set(user.name, { hash: user.password_hash, disabled: user.disabled === true });
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

function refuseOthers(table, known, path, faults) {
  for (const key of Object.keys(table)) {
    if (!known.includes(key)) faults.push(`${path}${key}: unknown key; known are ${known.join(", ")}`);
  }
}

/** What a value is, in the operator's words. */
function sort(value) {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  return { object: "a table", string: "a string", number: "a number", boolean: "a boolean" }[typeof value] ?? "nothing";
}
