/** Writes mesh/docs/reference.md. */
import { writeFileSync } from "node:fs";
import { REFERENCE, referenceText } from "./text.js";

writeFileSync(REFERENCE, referenceText());
