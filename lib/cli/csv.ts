// Comma-separated values (RFC 4180): a first line of titles, floats with the digits that a float32 has.

export type CsvValue = string | number | undefined;

export function csvLine(values: Iterable<CsvValue>): string {
  return Array.from(values, cell).join(',');
}

/** Nine digits give back every float32. */
function cell(value: CsvValue): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(9)));
  const text = value ?? '';
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Titles of the values of a vector: `e0`, `e1`, … */
export function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i}`);
}
