import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { type Block, type Page, placeOf, ROOT } from "./pages.js";

const LANGUAGES = new Map([
  ["ts", "ts"],
  ["js", "js"],
  ["mts", "ts"],
  ["mjs", "js"],
]);

/** A program that is checked: a block of a page, or a file of `examples/`. */
export interface Program {
  readonly page: string;
  readonly name: string;
  readonly extension: string;
  readonly blocks: readonly Block[];
}

/** Whether a block is (part of) a program. */
export function isCode({ language }: Block): boolean {
  return LANGUAGES.has(language);
}

export function programsOf({ path, blocks }: Page): Program[] {
  return blocks.filter(isCode).map((block) => {
    const extension = LANGUAGES.get(block.language) ?? "ts";
    return { page: path, name: placeOf(block), extension, blocks: [block] };
  });
}

/** The programs in a folder that plain Node runs. */
export function programsIn(folder: string): Program[] {
  return readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".mjs"))
    .map((name) => {
      const page = `${folder}/${name}`;
      const text = readFileSync(join(ROOT, page), "utf8");
      const block = { page, line: 1, language: "js", text, excuse: undefined };
      return { page, name: page, extension: "js", blocks: [block] };
    });
}

/** Checks programs as strictly as the project itself, against its public types. Returns what is wrong, by page and line. */
export function typeErrors(programs: readonly Program[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, "tsconfig.json"), ts.sys.readFile);
  const { options: projects } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, ROOT);
  const options: ts.CompilerOptions = {
    ...projects,
    allowJs: true,
    checkJs: true,
    moduleDetection: ts.ModuleDetectionKind.Force,
    // An example may name what it shows and not use it; nobody imports from it.
    noUnusedLocals: false,
    noUnusedParameters: false,
    declaration: false,
    isolatedDeclarations: false,
  };
  const files = new Map(
    programs.map((program, i) => [join(ROOT, `${program.page}.${i}.${program.extension}`), program]),
  );
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  const textIn = (file: string): string | undefined => {
    const program = files.get(file);
    return program && textOf(program.blocks);
  };
  host.fileExists = (file) => files.has(file) || fileExists(file);
  host.readFile = (file) => textIn(file) ?? readFile(file);
  host.getSourceFile = (file, languageVersion, ...rest) => {
    const text = textIn(file);
    return text === undefined
      ? getSourceFile(file, languageVersion, ...rest)
      : ts.createSourceFile(file, text, languageVersion);
  };
  return ts.getPreEmitDiagnostics(ts.createProgram([...files.keys()], options, host)).map((diagnostic) => {
    const { file, start = 0, messageText } = diagnostic;
    const page = file === undefined ? "" : (files.get(file.fileName)?.page ?? file.fileName);
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
    return `${page}:${line} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}

/** The blocks on the lines that they have on their page, so that errors name those. */
function textOf(blocks: readonly Block[]): string {
  let text = "";
  let line = 1;
  for (const block of blocks) {
    text += `${"\n".repeat(block.line - line)}${block.text}\n`;
    line = block.line + block.text.split("\n").length;
  }
  return text;
}
