import { readdirSync, readFileSync } from "node:fs";
import ts from "typescript";

/** A source file, as far as its place among the others goes. */
export interface Source {
  /** Files of the same folder of sources that it imports from, in any way, for types or values. */
  readonly own: readonly string[];
  /** Packages and files outside of it. */
  readonly foreign: readonly string[];
  readonly identifiers: ReadonlySet<string>;
}

/** Sources by their path in their folder, without `.ts`. */
export type Sources = ReadonlyMap<string, Source>;

export const CLOCKS_AND_TIMERS: readonly string[] = [
  "Date",
  "performance",
  "monotonicNow",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "requestAnimationFrame",
];

/**
 * Every source file below a folder.
 * @param folder - ends with `/`
 * @param aliases - files by a name that is none of a path
 */
export function readSources(
  folder: string,
  aliases: Readonly<Record<string, string>> = {},
): Map<string, Source> {
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return new Map(
    paths
      .filter((path) => path.endsWith(".ts"))
      .map((path) => {
        const name = path.replaceAll("\\", "/").slice(0, -".ts".length);
        return [name, parse(name, readFileSync(`${folder}${name}.ts`, "utf8"), aliases)];
      }),
  );
}

/** The sources of which something holds. */
export function only(sources: Sources, isWanted: (name: string) => boolean): Map<string, Source> {
  return new Map([...sources].filter(([name]) => isWanted(name)));
}

/** Imports from files that there are none of. */
export function missing(sources: Sources): string[] {
  return imports(sources, (other) => !sources.has(other));
}

/** Imports that point the other way than an order which has the bottom first. */
export function upwards(sources: Sources, order: readonly string[]): string[] {
  return imports(sources, (other, name) => order.indexOf(other) >= order.indexOf(name));
}

/** Every way back to where it started, as `a -> b -> a`. */
export function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (name: string, path: readonly string[]): void => {
    const start = path.indexOf(name);
    if (start >= 0) found.push([...path.slice(start), name].join(" -> "));
    if (start >= 0 || done.has(name)) return;
    for (const next of sources.get(name)?.own ?? []) walk(next, [...path, name]);
    done.add(name);
  };
  for (const name of sources.keys()) walk(name, []);
  return found;
}

/** The files that import something foreign, by its name or by a name below it. */
export function importersOf(sources: Sources, foreign: string): string[] {
  return [...sources]
    .filter(([, source]) => source.foreign.some((name) => name === foreign || name.startsWith(`${foreign}/`)))
    .map(([name]) => name);
}

/** The clocks and timers that a file names. */
export function clocksIn(source: Source | undefined): string[] {
  return CLOCKS_AND_TIMERS.filter((clock) => source?.identifiers.has(clock));
}

function imports(sources: Sources, isWanted: (other: string, name: string) => boolean): string[] {
  return [...sources].flatMap(([name, { own }]) =>
    own.filter((other) => isWanted(other, name)).map((other) => `${name} -> ${other}`),
  );
}

function parse(name: string, text: string, aliases: Readonly<Record<string, string>>): Source {
  const own: string[] = [];
  const foreign: string[] = [];
  const identifiers = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) identifiers.add(node.text);
    const specifier = specifierOf(node);
    const alias = specifier === undefined ? undefined : aliases[specifier];
    if (alias !== undefined) own.push(alias);
    else if (specifier?.startsWith(".")) {
      const path = new URL(specifier, `file:///src/${name}.ts`).pathname;
      if (path.startsWith("/src/")) own.push(path.slice(5).replace(/\.js$/, ""));
      else foreign.push(path);
    } else if (specifier !== undefined) foreign.push(specifier);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(`${name}.ts`, text, ts.ScriptTarget.Latest));
  return { own, foreign, identifiers };
}

/** What an import, a re-export, a dynamic import, a require or an import type imports from. */
function specifierOf(node: ts.Node): string | undefined {
  let from: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) from = node.moduleSpecifier;
  else if (ts.isExternalModuleReference(node)) from = node.expression;
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) from = node.argument.literal;
  else if (ts.isCallExpression(node)) {
    const { expression } = node;
    const isRequire = ts.isIdentifier(expression) && expression.text === "require";
    if (isRequire || expression.kind === ts.SyntaxKind.ImportKeyword) from = node.arguments[0];
  }
  return from !== undefined && ts.isStringLiteralLike(from) ? from.text : undefined;
}
