import { count } from "../../cli/printable.js";
import type { InviteShown } from "../server.js";
import type { NetworkView } from "../view.js";
import type { Connection } from "./connection.js";
import { find, html, setText, svg } from "./dom.js";

/** The light frame of a QR code, in modules. */
const FRAME = 4;

/** The part of the page that invites. */
export class Inviting {
  readonly #form = find("invite-form", HTMLFormElement);
  readonly #button = find("invite-button", HTMLButtonElement);
  readonly #error = find("invite-error", HTMLParagraphElement);
  readonly #result = find("invitation", HTMLDivElement);
  readonly #connection: Connection;
  #isFounding = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#invite();
    });
  }

  show(network: NetworkView | undefined): void {
    this.#isFounding = network === undefined;
    const mayInvite = network === undefined || network.isAdmin;
    find("founding", HTMLDivElement).hidden = !this.#isFounding;
    this.#form.hidden = !mayInvite;
    setText(find("invite-text", HTMLParagraphElement), textFor(network));
    setText(this.#button, this.#isFounding ? "Found a network, and invite" : "Create an invitation");
  }

  async #invite(): Promise<void> {
    this.#button.disabled = true;
    setText(this.#error, "");
    try {
      const response = await this.#connection.post("/invite", this.#wanted());
      const invitation: InviteShown = await response.json();
      this.#showInvitation(invitation);
    } catch (error) {
      setText(this.#error, error instanceof Error ? error.message : String(error));
    } finally {
      this.#button.disabled = false;
    }
  }

  /** What the form says. An empty field is left to the daemon. */
  #wanted(): object {
    const form = new FormData(this.#form);
    const named = (field: string): object => {
      const text = String(form.get(field) ?? "").trim();
      return this.#isFounding && text !== "" ? { [field]: text } : {};
    };
    return {
      uses: Number(form.get("uses")),
      expiresS: Number(form.get("expires")),
      approve: form.get("approve") !== null,
      ...named("network"),
      ...named("name"),
    };
  }

  #showInvitation({ token, network, uses, expires, notes, qr }: InviteShown): void {
    const text = html(
      "textarea",
      { readonly: "", rows: 4, "aria-label": "The token", spellcheck: "false" },
      token,
    );
    const copy = html("button", { type: "button" }, "Copy the token");
    copy.addEventListener("click", () => {
      const done = (): void => setText(copy, "Copied");
      navigator.clipboard.writeText(token).then(done, () => text.select());
    });
    const hide = html("button", { type: "button", class: "quiet" }, "Hide it");
    hide.addEventListener("click", () => {
      this.#result.hidden = true;
      this.#result.replaceChildren();
      this.#button.focus();
    });
    const until = new Date(expires).toLocaleString();
    const told = html(
      "p",
      { tabindex: "-1" },
      `Whoever has this token can join ${network}: ${count(uses, "machine")}, until ${until}.`,
    );
    this.#result.replaceChildren(
      told,
      ...notes.map((note) => html("p", { class: "muted" }, note)),
      codeOf(qr),
      text,
      html("div", { class: "buttons" }, copy, hide),
      html(
        "p",
        { class: "muted" },
        "On the new machine: ",
        html("code", {}, "sudo sidewire-mesh join TOKEN"),
      ),
    );
    this.#result.hidden = false;
    told.focus();
  }
}

function textFor(network: NetworkView | undefined): string {
  if (network === undefined)
    return "The first invitation founds a network. This host becomes its admin. An empty name is chosen for you.";
  if (network.isAdmin)
    return `A token lets other machines join ${network.name}. It is a secret until it is used.`;
  return `Only an admin of ${network.name} can invite, and this host is none.`;
}

function codeOf({ size, path }: InviteShown["qr"]): SVGSVGElement {
  const side = size + 2 * FRAME;
  return svg(
    "svg",
    {
      class: "qr",
      viewBox: `${-FRAME} ${-FRAME} ${side} ${side}`,
      role: "img",
      "aria-label": "The token as QR code",
      "shape-rendering": "crispEdges",
    },
    svg("path", { d: path }),
  );
}
