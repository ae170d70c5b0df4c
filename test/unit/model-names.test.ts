import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { RollbackError } from '../../src/model/errors.js';
import {
  assertDescription,
  assertPointName,
  parsePointSelector,
  POINT_NAME,
  quoted,
} from '../../src/model/names.js';

/** Names of points, and how a person points at one, whatever is typed. */

const CASES = { numRuns: 10_000 };
const part = fc.constantFrom(
  'latest',
  '~',
  '1',
  'rb-',
  'a1b2c3',
  '0123456789ab',
  '..',
  '/',
  '-',
  'v1',
  '.',
  '\0',
  '\n',
  '\u2028',
  '…',
);
const typed = fc.oneof(
  fc.array(part, { maxLength: 5 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,70}$/),
);

/** What it returns; undefined when it refuses. Any other error than `usage` is thrown. */
function unlessRefused<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof RollbackError && error.code === 'usage') return undefined;
    throw error;
  }
}

it('a selector means a place in the list, an id or a name, and never a path', () => {
  fc.assert(
    fc.property(typed, (text) => {
      const selector = unlessRefused(() => parsePointSelector(text));
      if (selector === undefined) return;
      expect(text).toMatch(/^[A-Za-z][A-Za-z0-9._~-]*$/);
      if (selector.by === 'latest') expect(Number.isSafeInteger(selector.back)).toBe(true);
      else expect(selector.by === 'id' ? selector.prefix : selector.name).toBe(text);
    }),
    CASES,
  );
});

it('what can be a name selects by that name, and nothing else can', () => {
  fc.assert(
    fc.property(typed, (text) => {
      const allowed = unlessRefused(() => (assertPointName(text), true)) ?? false;
      const selector = unlessRefused(() => parsePointSelector(text));
      const byName = selector?.by === 'name';
      if (allowed) expect(selector).toEqual({ by: 'name', name: text });
      // Kept from names, though nothing else is meant by them.
      else if (byName) expect(text).toMatch(/^(?:latest~\d+|rb-[0-9a-f]*)$/);
      if (allowed) expect(text).toMatch(POINT_NAME);
    }),
    CASES,
  );
});

it('a description is one line of plain text', () => {
  fc.assert(
    fc.property(fc.oneof(typed, fc.string({ unit: 'binary', maxLength: 700 })), (text) => {
      const allowed = unlessRefused(() => (assertDescription(text), true)) ?? false;
      const plain = text.length <= 500 && !/\p{Cc}|[\u2028\u2029]/u.test(text);
      expect(allowed).toBe(plain);
    }),
    CASES,
  );
});

it('what is quoted is short and has no control characters of ASCII', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      // oxlint-disable-next-line no-control-regex
      expect(quoted(text)).not.toMatch(/[\u0000-\u001f]/);
      expect(quoted(text).length).toBeLessThan(800);
    }),
    CASES,
  );
});
