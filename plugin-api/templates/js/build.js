// Makes dist/{{name}}.wasm: a component with QuickJS inside and no WASI imports.
import { componentize } from "componentize-qjs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

/** Our world with the contract beside it, as WIT tools want to find it. */
async function withContract(build) {
  const wit = await mkdtemp(join(tmpdir(), "{{name}}-"));
  try {
    await cp(join(here, "wit"), wit, { recursive: true });
    await mkdir(join(wit, "deps"));
    await cp(join(here, "sdk", "wit", "pintle.wit"), join(wit, "deps", "pintle.wit"));
    return await build(wit);
  } finally {
    await rm(wit, { recursive: true });
  }
}

const entry = join(here, "src", "plugin.js");
const jsSource = await readFile(entry, "utf8");
const { component } = await withContract((witPath) =>
  componentize({ witPath, world: "plugin", jsSource, jsPath: entry, moduleRoot: here, stubWasi: true, sync: true, optSize: true }),
);
const output = join(here, "dist", "{{name}}.wasm");
await mkdir(join(here, "dist"), { recursive: true });
await writeFile(output, component);
console.log(`${output}: ${component.length} bytes`);
