import { join } from "node:path";
import { describe } from "../../mesh/src/cli/program.js";
import { ownFormat } from "../../mesh/src/config/own-format.js";
import { fieldsOf } from "./fields.js";
import { referencePage } from "./page.js";

export const REFERENCE: string = join(import.meta.dirname, "../../mesh/docs/reference.md");

/** The page as it ought to be now. */
export function referenceText(): string {
  const program = describe(false, () => {});
  return referencePage(program, fieldsOf(ownFormat));
}
