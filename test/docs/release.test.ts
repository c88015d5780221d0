import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import project from "../../package.json" with { type: "json" };
import { ROOT, readPages } from "./pages.js";

/** What those who install the package get, and nothing else. Names that a build makes up are `*`. */
const PACKED = [
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "LICENSE",
  "README.md",
  "SECURITY.md",
  "bench/RESULTS.md",
  "brokers.json",
  "dist/browser.cjs",
  "dist/browser.cjs.map",
  "dist/browser.js",
  "dist/browser.js.map",
  "dist/chunk-*.cjs",
  "dist/chunk-*.cjs.map",
  "dist/chunk-*.js",
  "dist/chunk-*.js.map",
  "dist/cjs.licenses.txt",
  "dist/cli.js",
  "dist/cli/*.js",
  "dist/cli/licenses.txt",
  "dist/hints-*.d.cts",
  "dist/hints-*.d.ts",
  "dist/identity-*.d.cts",
  "dist/identity-*.d.ts",
  "dist/index.cjs",
  "dist/index.cjs.map",
  "dist/index.d.cts",
  "dist/index.d.ts",
  "dist/index.js",
  "dist/index.js.map",
  "dist/libsecp256k1.cjs",
  "dist/libsecp256k1.cjs.map",
  "dist/libsecp256k1.d.cts",
  "dist/libsecp256k1.d.ts",
  "dist/libsecp256k1.js",
  "dist/libsecp256k1.js.map",
  "dist/node.cjs",
  "dist/node.cjs.map",
  "dist/node.d.cts",
  "dist/node.d.ts",
  "dist/node.js",
  "dist/node.js.map",
  "dist/router-*.d.cts",
  "dist/router-*.d.ts",
  "dist/sidewire.1",
  "dist/sidewire.min.js",
  "dist/sidewire.min.licenses.txt",
  "dist/webrtc.cjs",
  "dist/webrtc.cjs.map",
  "dist/webrtc.d.cts",
  "dist/webrtc.d.ts",
  "dist/webrtc.js",
  "dist/webrtc.js.map",
  "package.json",
];

/** The pages and their pictures, and the programs in them. */
const TO_READ = /^(?:mesh\/)?(?:docs|examples|bench|lab)\/|^mesh\/README\.md$/;

/** The files of the package, as `npm test` has built it. The build is not made again: other tests are reading it. */
function packedFiles(): string[] {
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const stdio: ["ignore", "pipe", "ignore"] = ["ignore", "pipe", "ignore"];
  const out = execFileSync("npm", args, { cwd: ROOT, encoding: "utf8", stdio });
  // The form that npm documents for --json.
  const [tarball] = JSON.parse(out) as [{ files: { path: string }[] }];
  return tarball.files.map(({ path }) => path);
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

describe("the package", () => {
  it("contains what it should, as `npm test` has built it, and nothing else", () => {
    const files = packedFiles()
      .filter((path) => !TO_READ.test(path) || PACKED.includes(path))
      .map((path) => (path.startsWith("dist/") ? path.replace(/-[\w-]{8}(?=\.)/, "-*") : path))
      .map((path) => path.replace(/^dist\/cli\/.*\.js$/, "dist/cli/*.js"));
    expect([...new Set(files)].toSorted()).toEqual(PACKED);
  });

  it("contains what its pages show: the pictures, and the pages and programs that they link to", () => {
    const packed = new Set(packedFiles());
    const pages = readPages().filter(({ path }) => packed.has(path));
    expect(pages.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["README.md", "docs/glossary.md", "mesh/docs/nat.md"]),
    );
    const missing = pages.flatMap(({ path, links }) =>
      links
        .filter(({ url }) => !/^\w+:/.test(url) && /\.(?:md|svg|png|mjs|html|py)(?:#|$)/.test(url))
        .map(({ url }) => normalize(join(dirname(path), url.replace(/#.*/, ""))))
        // Tests are in the repository alone, as the source is.
        .filter((file) => !packed.has(file) && file !== path && !/(?:^|\/)test\//.test(file))
        .map((file) => `${path}: ${file}`),
    );
    expect(missing).toEqual([]);
    // Nothing but what is to be read, and no program that needs more than the package.
    const others = [...packed].filter(
      (path) =>
        TO_READ.test(path) &&
        !/\.(?:md|svg|png|mjs|html|py|json|yaml|conf|sh|dockerignore)$|\/(?:acl|Dockerfile)$/.test(path),
    );
    expect(others).toEqual([]);
  });

  it("has the licence of every package that is in what `require` gets", () => {
    const maps = readdirSync(join(ROOT, "dist")).filter((name) => name.endsWith(".cjs.map"));
    // The format of a source map.
    const sources = maps.flatMap(
      (name) => (JSON.parse(read(`dist/${name}`)) as { sources: string[] }).sources,
    );
    const packages = sources.flatMap(
      (source) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? [],
    );
    const licences = read("dist/cjs.licenses.txt");
    expect([...new Set(packages)].toSorted()).toEqual([
      "@bitauth/libauth",
      "@noble/ciphers",
      "@noble/hashes",
      "@noble/secp256k1",
      "@scure/base",
    ]);
    for (const name of packages) expect(licences).toMatch(new RegExp(`^${name} [\\d.]+: MIT$`, "m"));
  });

  it("requires nothing that is an ES module alone", () => {
    const files = readdirSync(join(ROOT, "dist")).filter((name) => name.endsWith(".cjs"));
    const required = files.flatMap((name) =>
      [...read(`dist/${name}`).matchAll(/\brequire\(['"]([^'"]+)['"]\)/g)].map(([, path = ""]) => path),
    );
    // `sidewire/webrtc` requires the package itself.
    const others = required.filter((path) => !/^(node:|\.\/|sidewire$)/.test(path));
    expect(required).toContain("node:crypto");
    expect(others).toEqual([]);
  });

  it("has every file that its package.json leads to", () => {
    const paths = JSON.stringify(project).match(/dist\/[\w./]+/g);
    expect(paths?.filter((path) => !PACKED.includes(path))).toEqual([]);
  });

  it("has a changelog that begins with its version", () => {
    expect(/^## (\S+)$/m.exec(read("CHANGELOG.md"))?.[1]).toBe(project.version);
  });

  it("is versioned by changesets, which know the packages by their names", () => {
    const { changelog, baseBranch }: Record<string, unknown> = JSON.parse(read(".changeset/config.json"));
    expect({ changelog, baseBranch }).toEqual({ changelog: "@changesets/cli/changelog", baseBranch: "main" });
    for (const file of readdirSync(join(ROOT, ".changeset")).filter((name) =>
      /^(?!README).*\.md$/.test(name),
    )) {
      expect(read(`.changeset/${file}`)).toMatch(/^---\n"sidewire(-mesh)?": (patch|minor|major)\n---\n\n\S/);
    }
  });
});

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: unknown;
  readonly jobs: {
    readonly test: { readonly strategy: { readonly matrix: unknown }; readonly steps: readonly Step[] };
  };
}

describe("the workflow", () => {
  // Whatever is not as the type says fails the expectations below.
  const workflow = parse(read(".github/workflows/ci.yml")) as Workflow;
  const { strategy, steps } = workflow.jobs.test;

  it("runs .ci/run on Node 20, 22 and 24, for every push to main and every pull request", () => {
    expect(Object.keys(workflow.on)).toEqual(["push", "pull_request"]);
    expect(strategy.matrix).toEqual({ node: [20, 22, 24] });
    expect(steps.at(-1)).toEqual({ run: "bash .ci/run" });
    expect(steps.map((step) => step.with?.["node-version"])).toContain(`\${{ matrix.node }}`);
  });

  it("pins every action to a commit, with its version beside it, and may only read", () => {
    const text = read(".github/workflows/ci.yml");
    const used = steps.flatMap(({ uses }) => uses ?? []);
    expect(used.map((action) => action.split("@")[0])).toEqual(["actions/checkout", "actions/setup-node"]);
    for (const action of used) {
      expect(action).toMatch(/@[0-9a-f]{40}$/);
      expect(text).toMatch(new RegExp(`${action} # v\\d+\\.\\d+\\.\\d+$`, "m"));
    }
    expect(workflow.permissions).toEqual({ contents: "read" });
  });
});

describe("the issue templates", () => {
  it.each(readdirSync(join(ROOT, ".github/ISSUE_TEMPLATE")).filter((file) => file !== "config.yml"))(
    "%s is a form that GitHub understands",
    (file) => {
      const form: unknown = parse(read(`.github/ISSUE_TEMPLATE/${file}`));
      expect(form).toMatchObject({
        name: expect.any(String),
        description: expect.any(String),
        body: expect.any(Array),
      });
      const { body } = form as { body: { type: string; id?: string; attributes: object }[] }; // as just seen
      for (const { type, id, attributes } of body) {
        expect(["markdown", "textarea", "input", "dropdown", "checkboxes"]).toContain(type);
        if (type === "markdown") expect(attributes).toMatchObject({ value: expect.any(String) });
        else
          expect({ id, attributes }).toMatchObject({
            id: expect.any(String),
            attributes: { label: expect.any(String) },
          });
      }
    },
  );
});
