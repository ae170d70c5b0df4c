import { describe, expect, it } from 'vitest';
import { bytes } from '../../src/plan/text.js';
import { columns, parseAge, printable, printableAll, printableLines, utc } from '../../src/cli/text.js';

describe('printable', () => {
  it.each([
    ['plain text, ünïcode and 漢字 stay', 'plain text, ünïcode and 漢字 stay'],
    ['red \u001b[31m', String.raw`red \x1b[31m`],
    ['two\nlines\r\tand a tab', String.raw`two\nlines\r\tand a tab`],
    ['\u007f\u009b', String.raw`\x7f\x9b`],
    ['right \u202eto left', String.raw`right \u202eto left`],
    ['\u2028', String.raw`\u2028`],
  ])('%j', (text, expected) => {
    expect(printable(text)).toBe(expected);
  });

  it('keeps the line breaks of lines', () => {
    expect(printableLines('a\u001b\r\nb')).toEqual([String.raw`a\x1b`, 'b']);
  });
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [1_234_567, '1.2 MB'],
  [5e15, '5000.0 TB'],
])('%d bytes are %s', (count, expected) => {
  expect(bytes(count)).toBe(expected);
});

it('tells times in UTC, and does not choke on what is none', () => {
  expect(utc('2025-11-05T17:30:00.123Z')).toBe('2025-11-05 17:30:00 UTC');
  expect(utc('2025-11-05T18:30:00+01:00')).toBe('2025-11-05 17:30:00 UTC');
  expect(utc('no\ntime')).toBe(String.raw`no\ntime`);
});

it('aligns all columns but the last', () => {
  expect(
    columns([
      ['a', 'bbb', 'long text'],
      ['aaa', 'b', 'x'],
      ['a', '', ''],
    ]),
  ).toEqual(['a    bbb  long text', 'aaa  b    x', 'a']);
});

it.each([
  ['30d', 30 * 86_400_000],
  ['12h', 12 * 3_600_000],
  ['2w', 14 * 86_400_000],
  ['0s', 0],
  ['30', undefined],
  ['d', undefined],
  ['-1d', undefined],
  ['1.5d', undefined],
  ['1y', undefined],
])('the age %s is %s ms', (text, expected) => {
  expect(parseAge(text)).toBe(expected);
});

it('every text in a document is made safe, and nothing else is touched', () => {
  const plan = { target: { description: 'v1\nUntouched: db' }, causes: ['\u001B[2J', 7, null, true] };
  expect(printableAll(plan)).toEqual({
    target: { description: 'v1\\nUntouched: db' },
    causes: ['\\x1b[2J', 7, null, true],
  });
});
