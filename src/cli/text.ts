import { utc as utcOf } from '../index.js';

/** How things read: the one place where times, sizes, tables and foreign text become output. */

/** Control characters, line separators and what turns the direction of writing: none of them may reach a terminal. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text from outside on one line, made safe to print: `\x1b`, `\n`, `\u202e`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[character];
    const code = character.codePointAt(0) ?? 0;
    return short ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
  });
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0');

/** `printable` for text of several lines: its line breaks stay. */
export function printableLines(text: string): string[] {
  return text.split(/\r?\n/).map(printable);
}

/** `printable` for every text in a document. */
export function printableAll<T>(document: T): T {
  return JSON.parse(JSON.stringify(document), (_, value) =>
    typeof value === 'string' ? printable(value) : value,
  );
}

/** `2025-11-05 17:30:00 UTC` of an RFC 3339 time, safe to print. */
export const utc = (timestamp: string): string => printable(utcOf(timestamp));

/** Rows with aligned columns, two spaces apart; the last column ends where it ends. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

export const indented = (lines: readonly string[], by = '  '): string[] => lines.map((line) => by + line);

const MILLISECONDS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** `30d`, `12h`, `2w`, `45m`, `90s` in milliseconds; undefined for anything else. */
export function parseAge(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  const factor = Object.entries(MILLISECONDS).find(([name]) => name === unit)?.[1];
  return factor === undefined ? undefined : Number(number) * factor;
}
