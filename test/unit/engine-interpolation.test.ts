import { array, assert, constantFrom, property, stringMatching } from 'fast-check';
import { expect, test } from 'vitest';
import { interpolate, matchTemplate, parseTemplate, variablesIn } from '../../src/engine/interpolation.js';

const lookup = (values: Record<string, string>) => (name: string) =>
  Object.hasOwn(values, name) ? values[name] : undefined;

test.each([
  ['app:$TAG', 'app:v2'],
  ['app:${TAG}', 'app:v2'],
  ['${TAG:-x}', 'v2'],
  ['${NONE:-x}', 'x'],
  ['${NONE-x}', 'x'],
  ['${EMPTY:-x}', 'x'],
  ['${EMPTY-x}', ''],
  ['${TAG:+set}', 'set'],
  ['${EMPTY:+set}', ''],
  ['${EMPTY+set}', 'set'],
  ['${NONE:?must be set}', ''],
  ['${NONE:-${OTHER:-${TAG}}}', 'v2'],
  ['${NONE:-a{b}c}!', 'a{b}c!'],
  ['$$TAG $${TAG}', '$TAG ${TAG}'],
  ['cost: $5, ${, ${}, $', 'cost: $5, ${, ${}, $'],
  ['${TAG', '${TAG'],
  ['${TAG.x}', '${TAG.x}'],
  ['}{', '}{'],
])('%j becomes %j', (text, expected) => {
  expect(interpolate(text, lookup({ TAG: 'v2', EMPTY: '' }))).toBe(expected);
});

test('every variable is found, in default words too', () => {
  const value = { a: ['$A', { b: '${B:-${C:-$D}}' }], c: '$$E', d: 3, f: null, g: '${F:?need $G}' };
  expect(variablesIn(value)).toEqual(['A', 'B', 'C', 'D', 'F', 'G']);
});

test.each([
  ['app:${TAG:-v1}', 'app:v2', {}, { TAG: 'v2' }],
  ['${REG}/app:${TAG}', 'localhost:5000/app:v2', {}, { REG: 'localhost:5000', TAG: 'v2' }],
  ['${REG}/app:${TAG}', 'localhost:5000/app:v2', { REG: 'localhost:5000' }, { TAG: 'v2' }],
  ['${A}-$A', 'x-x', {}, { A: 'x' }],
  ['${A}-$A', 'x-y', {}, undefined],
  ['a.c:${T}', 'abc:1', {}, undefined],
  ['(${A}|[b])', '(1|[b])', {}, { A: '1' }],
  ['${A}', 'two\nlines', {}, { A: 'two\nlines' }],
  ['${A:+on}', 'on', {}, {}],
])('%j as %j, knowing %j, tells %j', (template, actual, known, expected) => {
  expect(matchTemplate(parseTemplate(template), actual, lookup(known))).toEqual(expected);
});

test('a match gives values that render to what was matched', () => {
  const word = stringMatching(/^[a-z0-9.:/()-]{0,8}$/);
  assert(
    property(word, word, word, word, (a, first, b, second) => {
      const text = `${a}\${X}${b}\${Y}/`;
      const actual = `${a}${first}${b}${second}/`;
      const values = matchTemplate(parseTemplate(text), actual, () => undefined) ?? {};
      expect(interpolate(text, lookup(values))).toBe(actual);
    }),
  );
  expect.hasAssertions();
});

test('text without a dollar is left as it is, and any text is read without failing', () => {
  const pieces = array(constantFrom('$', '{', '}', ':-', '?', 'A', '$$', '${', 'x', '\n'), { maxLength: 30 });
  assert(
    property(pieces, (parts) => {
      const text = parts.join('');
      interpolate(text, () => undefined);
      const plain = text.replaceAll('$', '');
      expect(interpolate(plain, () => undefined)).toBe(plain);
    }),
  );
  expect.hasAssertions();
});

test('long texts with many variables are not tried', () => {
  const many = parseTemplate('${A}${B}${C}${D}${E}!');
  expect(matchTemplate(many, 'x', () => undefined)).toBeUndefined();
  expect(matchTemplate(parseTemplate('$A!'), 'x'.repeat(5000), () => undefined)).toBeUndefined();
});
