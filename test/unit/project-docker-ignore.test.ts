import { describe, expect, it } from 'vitest';
import { isIgnored, parseDockerIgnore } from '../../src/project/docker-ignore.js';
import { DOCKER_IGNORE_CASES } from '../support/docker-ignore.js';

/** `.dockerignore` as Docker reads it. `test/e2e/build-context` holds the same table against a real build. */

const ignores = (text: string, path: string) => isIgnored(parseDockerIgnore(text), path);

it.each(DOCKER_IGNORE_CASES)('$text leaves out $ignored, and not $taken', ({ text, ignored, taken }) => {
  for (const path of ignored) expect([path, ignores(text, path)]).toEqual([path, true]);
  for (const path of taken) expect([path, ignores(text, path)]).toEqual([path, false]);
});

describe('what no build can show', () => {
  it('lines that Docker refuses leave nothing out', () => {
    expect(ignores('[\nrollback[a\n!\n', 'rollback/backups/index.db')).toBe(false);
  });

  it('special characters of expressions are plain', () => {
    expect(ignores('a.b+(c)|{d}$', 'a.b+(c)|{d}$')).toBe(true);
    expect(ignores('a.b', 'axb')).toBe(false);
  });
});
