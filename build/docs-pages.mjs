/**
 * A plugin of typedoc. A page of the documentation is called what its first heading says, not what its file is called:
 * there are several files named README.md. A page of the mesh says so in its name: both packages have an architecture.
 */
import { Converter } from "typedoc";

/** @param {import("typedoc").Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    // A heading with code in it is in several parts.
    const text = document.content.map((part) => part.text).join("");
    const heading = /^\s*# (.+)\n/.exec(text);
    if (heading === null) return;
    const path = document.project.files.getReflectionPath(document) ?? "";
    const title = heading[1].replaceAll("`", "");
    document.name = /\/mesh\//.test(path) && !/mesh/i.test(title) ? `Mesh: ${title}` : title;
    // The site shows the name above the page.
    let left = heading[0].length;
    for (const part of document.content) {
      const cut = Math.min(left, part.text.length);
      part.text = part.text.slice(cut);
      left -= cut;
      if (left === 0) break;
    }
    document.content = document.content.filter(({ text }) => text !== "");
  });
}
