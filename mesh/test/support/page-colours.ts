/** Runs in the page: the contrast of each text, and of each line of the picture, with what is behind it. */
export interface Contrast {
  readonly what: string;
  readonly ratio: number;
}

export function contrasts(): { readonly texts: Contrast[]; readonly lines: Contrast[] } {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  /** Red, green, blue, and alpha from 0 to 255, of a colour however it is written. */
  const parse = (colour: string): number[] => {
    if (canvas === null) throw new Error("there is no canvas");
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  // By WCAG 2.
  const luminance = (colour: number[]): number => {
    const [r = 0, g = 0, b = 0] = colour.map((part) =>
      part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratioOf = (one: string, other: string): number => {
    const [a, b] = [luminance(parse(one)), luminance(parse(other))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const groundOf = (element: Element | null): string => {
    for (let one = element; one !== null; one = one.parentElement) {
      const { backgroundColor } = getComputedStyle(one);
      if (parse(backgroundColor)[3] === 255) return backgroundColor;
    }
    return "white";
  };
  /** What a text of the picture stands on: its box, if it is in that. */
  const groundInPicture = (text: Element): string => {
    const box = text.parentElement?.querySelector("rect");
    const [outer, inner] = [box?.getBoundingClientRect(), text.getBoundingClientRect()];
    const isWithin = outer !== undefined && inner.left >= outer.left && inner.right <= outer.right;
    return box && isWithin ? getComputedStyle(box).fill : groundOf(text.closest("div"));
  };
  const texts: Contrast[] = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent?.trim() ?? "";
    if (element === null || text === "" || !element.checkVisibility()) continue;
    if (["TITLE", "title", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
    const { color, fill } = getComputedStyle(element);
    const ratio =
      element instanceof SVGElement
        ? ratioOf(fill, groundInPicture(element))
        : ratioOf(color, groundOf(element));
    texts.push({
      what: `${element.tagName.toLowerCase()}.${element.classList.value}: ${text.slice(0, 40)}`,
      ratio,
    });
  }
  for (const control of document.querySelectorAll("input, select, textarea")) {
    if (!control.checkVisibility()) continue;
    texts.push({ what: control.tagName, ratio: ratioOf(getComputedStyle(control).color, groundOf(control)) });
  }
  const lines = Array.from(document.querySelectorAll(".line, .trunk"), (line) => ({
    what: line.classList.value,
    ratio: ratioOf(getComputedStyle(line).stroke, groundOf(line.closest("div, td"))),
  }));
  return { texts, lines };
}
