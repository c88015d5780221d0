/** Whole thousands apart: 200 000. */
export function count(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, " ");
}

/** Without a sign; what is not quite all never reads 100. */
export function percent(share: number, digits: number): string {
  const text = fixed(100 * share, digits);
  return share < 1 && Number(text) === 100 ? `> ${(100 - 10 ** -digits).toFixed(digits)}` : text;
}

export function fixed(value: number, digits: number): string {
  return Number.isNaN(value) ? "–" : value.toFixed(digits);
}
