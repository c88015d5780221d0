/**
 * A plugin of typedoc. A page of the documentation is called what its first heading says, not what its file is called:
 * there are several files named README.md. A page of the mesh says so in its name: both packages have an architecture.
 */
import { Converter } from "typedoc";

/** @param {import("typedoc").Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    const [first] = document.content;
    const heading = /^\s*# (.+)\n/.exec(first?.text ?? "");
    if (first === undefined || heading === null) return;
    const path = document.project.files.getReflectionPath(document) ?? "";
    const title = heading[1].replaceAll("`", "");
    document.name = /\/mesh\//.test(path) && !/mesh/i.test(title) ? `Mesh: ${title}` : title;
    // The site shows the name above the page.
    first.text = first.text.slice(heading[0].length);
  });
}
