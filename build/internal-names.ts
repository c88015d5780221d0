import { fileURLToPath } from "node:url";
import ts from "typescript";

const MODULES: string = fileURLToPath(new URL("../node_modules", import.meta.url));

/** The types of everything that the browser build touches besides its own: what a name is there, it stays. */
const FOREIGN: readonly string[] = [
  "typescript/lib/lib.*.d.ts",
  "@types/node/*.d.ts",
  "mqtt/build/**/*.d.ts",
  "mqtt-packet/types/*.d.ts",
  "@noble/*/*.d.ts",
  "eventemitter3/*.d.ts",
  "p-any/*.d.ts",
];

/**
 * The names of properties that only the library itself can know: declared in `src`, in no published type,
 * in no type of the platform or a dependency, and nowhere written as text. A build may shorten them.
 */
export function internalNames(): string[] {
  const own = ts.sys.readDirectory("src", [".ts"], ["src/cli"]);
  const foreign = ts.sys.readDirectory(MODULES, [".d.ts"], [], [...FOREIGN]);
  const known = new Set([
    ...names(["dist/index.d.ts", "dist/node.d.ts", ...foreign], declared),
    ...names(own, written),
  ]);
  return [...names(own, declared)].filter((name) => !known.has(name));
}

function names(files: readonly string[], nameOf: (node: ts.Node) => string | undefined): Set<string> {
  const found = new Set<string>();
  for (const file of files) {
    const text = ts.sys.readFile(file);
    if (text === undefined) throw new Error(`${file} is not there`);
    const visit = (node: ts.Node): void => {
      const name = nameOf(node);
      if (name !== undefined) found.add(name);
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  }
  return found;
}

function declared(node: ts.Node): string | undefined {
  if (ts.isShorthandPropertyAssignment(node)) return node.name.text;
  const isMember = ts.isClassElement(node) || ts.isTypeElement(node) || ts.isPropertyAssignment(node);
  return isMember && node.name !== undefined && ts.isIdentifier(node.name) ? node.name.text : undefined;
}

function written(node: ts.Node): string | undefined {
  return ts.isStringLiteral(node) ? node.text : undefined;
}
