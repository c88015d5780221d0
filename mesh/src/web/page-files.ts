import { readFile } from "node:fs/promises";
import { MeshError } from "../errors.js";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

/** The files of the page by their paths: each with its name in the folder, and its type. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
  "/parts.css": ["parts.css", "text/css; charset=utf-8"],
  "/page.js": ["page.js", "text/javascript; charset=utf-8"],
  "/icon.svg": ["icon.svg", "image/svg+xml"],
};

/** @throws {@link MeshError} `FILE` */
export async function readPageFiles(folder: URL): Promise<ReadonlyMap<string, PageFile>> {
  try {
    const entries = Object.entries(FILES).map(
      async ([path, [file, type]]) => [path, { type, bytes: await readFile(new URL(file, folder)) }] as const,
    );
    return new Map(await Promise.all(entries));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MeshError("FILE", `the files of the page are missing, install sidewire-mesh again: ${reason}`, {
      cause: error,
    });
  }
}
