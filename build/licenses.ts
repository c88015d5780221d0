import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Options } from "tsup";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

/** Writes the licences of the packages in a bundle, which ask to go with every copy. */
export function licensesOfBundled(file: string): Plugin {
  return {
    name: "licenses",
    setup(build) {
      build.initialOptions.metafile = true;
      build.onEnd(({ metafile }) => {
        const folders = new Set(
          Object.keys(metafile?.inputs ?? {}).flatMap((input) => {
            const [folder] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? [];
            return folder === undefined ? [] : [folder];
          }),
        );
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(
          file,
          [...folders]
            .sort()
            .map(licenseOf)
            .join(`\n${"-".repeat(72)}\n\n`),
        );
      });
    },
  };
}

function licenseOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const texts = readdirSync(folder).filter((entry) => /^licen[cs]e/i.test(entry));
  const [text] = texts.map((entry) => readFileSync(join(folder, entry), "utf8").trim());
  return `${name} ${version}: ${license}\n\n${text === undefined ? "" : `${text}\n`}`;
}
