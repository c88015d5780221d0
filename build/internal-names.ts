import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const ROOT: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** The types of what the browser build is bundled with: a dependency may ask an object for a name. */
const DEPENDENCIES: readonly string[] = ["@noble/*/*.d.ts", "@scure/*/*.d.ts"];

/**
 * The names of properties that only the library itself can know: declared in `src`, in no published type,
 * in no type of a dependency, nowhere written as text, and nowhere used for a property of something that
 * is not declared in `src`, such as the platform's. A build may shorten them.
 */
export function internalNames(): string[] {
  const own = ts.sys.readDirectory(resolve(ROOT, "src"), [".ts"], ["**/cli/**", "**/webrtc/**"]);
  const program = ts.createProgram(own, optionsOf(resolve(ROOT, "tsconfig.json")));
  const sources = own.map((file) => program.getSourceFile(file) ?? fail(file));
  const published = ts.sys.readDirectory(resolve(ROOT, "dist"), [".d.ts"], ["dist/webrtc.d.ts"]);
  if (published.length === 0) throw new Error("the published types are not there: they are made before");
  const dependencies = ts.sys.readDirectory(resolve(ROOT, "node_modules"), [".d.ts"], [], [...DEPENDENCIES]);
  const others = [...published, ...dependencies].map(parse);
  const checker = program.getTypeChecker();
  const kept = new Set([
    ...names(others, declared),
    ...names(sources, written),
    ...names(sources, (node) => foreign(node, checker, new Set(sources))),
  ]);
  return [...names(sources, declared)].filter((name) => !kept.has(name));
}

function optionsOf(file: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(file, ts.sys.readFile);
  return ts.parseJsonConfigFileContent(config, ts.sys, ROOT).options;
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, ts.sys.readFile(file) ?? fail(file), ts.ScriptTarget.Latest);
}

function fail(file: string): never {
  throw new Error(`${file} is not there`);
}

type NameOf = (node: ts.Node) => string | undefined;

function names(files: readonly ts.SourceFile[], nameOf: NameOf): Set<string> {
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    const name = nameOf(node);
    if (name !== undefined) found.add(name);
    ts.forEachChild(node, visit);
  };
  for (const file of files) visit(file);
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

/** A name that is used for a property which is, or may be, declared elsewhere. */
function foreign(
  node: ts.Node,
  checker: ts.TypeChecker,
  own: ReadonlySet<ts.SourceFile>,
): string | undefined {
  if (!ts.isIdentifier(node)) return undefined;
  const isOwn = (symbol: ts.Symbol | undefined): boolean =>
    symbol?.declarations?.every((declaration) => own.has(declaration.getSourceFile())) === true;
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node)
    return isOwn(checker.getSymbolAtLocation(node)) ? undefined : node.text;
  if (ts.isBindingElement(parent) && (parent.propertyName ?? parent.name) === node) {
    const property = checker.getTypeAtLocation(parent.parent).getProperty(node.text);
    return isOwn(property) ? undefined : node.text;
  }
  const isMember = ts.isObjectLiteralElement(parent) || ts.isClassElement(parent);
  if (!isMember || parent.name !== node) return undefined;
  // What is made for somebody else has to have the names that they ask for.
  const wanted = ts.isObjectLiteralExpression(parent.parent)
    ? [checker.getContextualType(parent.parent) ?? []].flat()
    : heritage(parent.parent).map((type) => checker.getTypeAtLocation(type));
  const properties = wanted.map((type) => propertiesOf(type, node.text));
  const inClass = ts.isClassElement(parent);
  return properties.every((found) => found.every(isOwn) && (inClass || found.length > 0))
    ? undefined
    : node.text;
}

function propertiesOf(type: ts.Type, name: string): ts.Symbol[] {
  const types = type.isUnion() ? type.types : [type];
  return types.flatMap((one) => one.getProperty(name) ?? []);
}

function heritage(node: ts.Node): readonly ts.ExpressionWithTypeArguments[] {
  return ts.isClassLike(node) ? (node.heritageClauses ?? []).flatMap(({ types }) => types) : [];
}
