// What the README of an installed package shows and links to has to be in the package.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [, , folder = "."] = process.argv;
const readme = readFileSync(join(folder, "README.md"), "utf8");
const links = [...readme.matchAll(/\]\(([^)\s]+)\)/g)].map(([, url = ""]) => url.replace(/#.*/, ""));
const files = links.filter((url) => url !== "" && !/^\w+:/.test(url));
const missing = files.filter((file) => !existsSync(join(folder, file)));
if (files.length < 10) throw new Error("the README has too few links to be the README");
if (missing.length > 0)
  throw new Error(`the README links to files that are not in the package: ${missing.join(", ")}`);
console.log(`packed, README: has the ${new Set(files).size} files that it links to`);
