import type { Finding } from "../../cli/finding.js";
import { count } from "../../cli/printable.js";
import { type Connection, linesOf } from "./connection.js";
import { find, html, setText } from "./dom.js";

const LEVELS: Readonly<Record<Finding["level"], string>> = { ok: "good", warning: "warning", bad: "bad" };

/** The part of the page that checks the network when it is asked to. */
export function offerNetcheck(connection: Connection, announce: (text: string) => void): void {
  const button = find("netcheck-button", HTMLButtonElement);
  const list = find("findings", HTMLUListElement);
  const problem = find("netcheck-error", HTMLParagraphElement);
  const check = async (): Promise<void> => {
    list.replaceChildren();
    setText(problem, "");
    const response = await connection.post("/netcheck");
    if (response.body === null) return;
    let wrong = 0;
    for await (const line of linesOf(response.body)) {
      const finding: Finding = JSON.parse(line);
      if (finding.level !== "ok") wrong++;
      list.append(itemOf(finding));
    }
    announce(`The network is checked: ${wrong === 0 ? "all is well" : count(wrong, "warning")}.`);
  };
  button.addEventListener("click", () => {
    // It stays in the order of the keyboard, so that the focus is not lost.
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    setText(button, "Checking…");
    check()
      .catch((error: unknown) => setText(problem, error instanceof Error ? error.message : String(error)))
      .finally(() => {
        button.removeAttribute("aria-disabled");
        setText(button, "Check this network");
      });
  });
}

function itemOf({ check, level, message, advice }: Finding): HTMLLIElement {
  return html(
    "li",
    { class: level },
    html("span", { class: "unseen" }, `${LEVELS[level]}: `),
    html("strong", {}, `${check}: `),
    message,
    ...(advice === undefined ? [] : [html("span", { class: "muted" }, advice)]),
  );
}
