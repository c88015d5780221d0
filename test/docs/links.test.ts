import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { parsePage, ROOT, readPages } from "./pages.js";

/** The list itself, and what npm and the releases make. */
const NOT_LISTED = ["docs/README.md", "mesh/CHANGELOG.md"];

const pages = new Map(readPages().map((page) => [page.path, page]));

/** What is wrong with a link from a page; undefined for one that leads somewhere, or out of the project. */
function problemOf(from: string, url: string): string | undefined {
  if (/^(https?:|mailto:)/.test(url)) return undefined;
  const [file = "", anchor] = url.split("#");
  const path = file === "" ? from : normalize(join(dirname(from), decodeURI(file)));
  if (path.startsWith("..") || !existsSync(join(ROOT, path))) return "no such file";
  if (anchor === undefined) return undefined;
  return pages.get(path)?.anchors.has(anchor) ? undefined : "no such heading";
}

describe("the links of the documentation", () => {
  it.each([...pages.values()])(
    "$path: every relative link leads to a file and a heading",
    ({ path, links }) => {
      const dead = links.flatMap(({ url, line }) => {
        const problem = problemOf(path, url);
        return problem === undefined ? [] : [`${path}:${line} ${url}: ${problem}`];
      });
      expect(dead).toEqual([]);
    },
  );

  it("are found in text, pictures, tables and HTML, and told apart by what is wrong with them", () => {
    const { links } = parsePage(
      "docs/made-up.md",
      '[a](security.md) ![b](none.svg)\n\n| c |\n| - |\n| [c](security.md#none) |\n\n<img src="../nowhere.png">',
    );
    expect(links.map(({ url }) => problemOf("docs/made-up.md", url))).toEqual([
      undefined,
      "no such file",
      "no such heading",
      "no such file",
    ]);
  });

  it("lead from the list of all pages to every page in docs/, and of the mesh", () => {
    const listed = pages.get("docs/README.md")?.links.map(({ url }) => normalize(join("docs", url)));
    const written = [...pages.keys()].filter(
      (path) => /^(docs|mesh(\/\w+)?)\/[^/]+\.md$/.test(path) && !NOT_LISTED.includes(path),
    );
    expect(written).toContain("mesh/docs/nat.md");
    expect(written.filter((path) => !listed?.includes(path))).toEqual([]);
  });
});
